//! A PSAM in a reader.

use apdu_spec::aid::Aid;
use apdu_spec::batch::{Acknowledgement, Trailer};
use apdu_spec::element::{BatchNumber, Random, SamCounter};
use apdu_spec::purse::PreviousSignature;
use apdu_spec::record::BatchRecord;
use apdu_spec::sam::{
    CancelPurchase, CancellationSecret, CloseBatch, CollectRequest, CompleteRequest, CreditPsam,
    CreditRequest, Credited, GetChallenge, GetSamData, InitializePsam, OpenPurchase, Opened, PsamAcknowledge,
    PsamCancel, PsamCollect, PsamComplete, PsamRenounce, ReadTrailer, ReceiptRequest, RenounceRequest,
    SamInformation, StoreReceipt, TrailerRequest, VerifyContact, VerifyPurse,
};

use super::{execute, select};
use crate::Error;
use crate::reader::Reader;

/// A PSAM whose application is selected: it stays in its terminal.
pub struct SamCard {
    reader: Box<dyn Reader + Send>,
}

impl std::fmt::Debug for SamCard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SamCard")
    }
}

impl SamCard {
    /// Selects the PSAM.
    pub fn select(mut reader: Box<dyn Reader + Send>) -> Result<Self, Error> {
        select(&mut reader, Aid::PSAM)?;
        Ok(Self { reader })
    }

    /// A PSAM that is selected already, behind a secure channel.
    #[must_use]
    pub fn selected(reader: Box<dyn Reader + Send>) -> Self {
        Self { reader }
    }

    /// Resets and selects it again.
    pub fn reset(&mut self) -> Result<(), Error> {
        self.reader.reset()?;
        select(&mut self.reader, Aid::PSAM)
    }

    /// GET CHALLENGE.
    pub fn challenge(&mut self) -> Result<Random, Error> {
        execute::<GetChallenge>(&mut self.reader, &()).map(|answer| answer.challenge)
    }

    /// GET DATA 0102.
    pub fn information(&mut self) -> Result<SamInformation, Error> {
        execute::<GetSamData>(&mut self.reader, &())
    }

    /// INITIALIZE PSAM for Purchase.
    pub fn open_purchase(&mut self, request: &OpenPurchase) -> Result<Opened, Error> {
        execute::<InitializePsam>(&mut self.reader, request)
    }

    /// INITIALIZE PSAM for a contact without debit.
    pub fn verify_contact(&mut self, request: &VerifyContact) -> Result<(), Error> {
        execute::<VerifyPurse>(&mut self.reader, request)
    }

    /// CREDIT PSAM.
    pub fn credit(&mut self, request: &CreditRequest) -> Result<Credited, Error> {
        execute::<CreditPsam>(&mut self.reader, request)
    }

    /// PSAM COMPLETE.
    pub fn complete(&mut self, nt: SamCounter, previous: PreviousSignature) -> Result<(), Error> {
        execute::<PsamComplete>(&mut self.reader, &CompleteRequest { nt, previous })
    }

    /// PSAM STORE RECEIPT.
    pub fn store_receipt(&mut self, previous: PreviousSignature) -> Result<(), Error> {
        execute::<StoreReceipt>(&mut self.reader, &ReceiptRequest { previous })
    }

    /// PSAM CANCEL PURCHASE.
    pub fn cancel(
        &mut self,
        nt: SamCounter,
        previous: PreviousSignature,
    ) -> Result<CancellationSecret, Error> {
        execute::<PsamCancel>(&mut self.reader, &CancelPurchase { nt, previous })
    }

    /// PSAM RENOUNCE.
    pub fn renounce(&mut self, nt: SamCounter) -> Result<(), Error> {
        execute::<PsamRenounce>(&mut self.reader, &RenounceRequest { nt })
    }

    /// INITIALIZE PSAM for Collection.
    pub fn close_batch(&mut self) -> Result<Trailer, Error> {
        execute::<CloseBatch>(&mut self.reader, &())
    }

    /// The trailer of a closed batch.
    pub fn trailer(&mut self, batch: BatchNumber) -> Result<Trailer, Error> {
        execute::<ReadTrailer>(&mut self.reader, &TrailerRequest { batch })
    }

    /// PSAM COLLECT.
    pub fn collect(&mut self, batch: BatchNumber, index: u16) -> Result<BatchRecord, Error> {
        execute::<PsamCollect>(&mut self.reader, &CollectRequest { batch, index })
    }

    /// PSAM COLLECT (acknowledge).
    pub fn acknowledge(&mut self, acknowledgement: &Acknowledgement) -> Result<(), Error> {
        execute::<PsamAcknowledge>(&mut self.reader, acknowledgement)
    }
}
