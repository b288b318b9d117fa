//! Commands of the security module of a payment terminal (PSAM).
//!
//! Collection online and offline is the same here: records and trailers are
//! secured end to end, so it does not matter who carries them.

use crate::batch::{Acknowledgement, Trailer};
use crate::crypto::Key;
use crate::element::{
    Amount, BatchNumber, Currency, Date, KeyReference, Mac, Random, SamCounter, SamId, Time,
};
use crate::purse::PreviousSignature;
use crate::record::{BatchRecord, Order, Statement};
use crate::{command_set, layout};

layout! {
    /// Answer to GET CHALLENGE.
    #[derive(Copy)]
    pub struct Challenge {
        /// Random number, good for one INITIALIZE PSAM or GET PREVIOUS IEP SIGNATURE.
        challenge: Random,
    }
}

layout! {
    /// INITIALIZE PSAM for Purchase: what the purse answered, and what it shall pay.
    #[derive(Copy)]
    pub struct OpenPurchase {
        /// Key that the purse chose.
        key: KeyReference,
        /// Its statement.
        statement: Statement,
        /// S1.
        s1: Mac,
        /// Amount, minor units.
        amount: Amount,
        /// Now.
        time: Time,
    }
}

layout! {
    /// The PSAM's order to the purse.
    #[derive(Copy)]
    pub struct Opened {
        /// The order.
        order: Order,
        /// S2.
        s2: Mac,
    }
}

layout! {
    /// INITIALIZE PSAM for a contact without debit: what the purse answered.
    #[derive(Copy)]
    pub struct VerifyContact {
        /// Key that the purse chose.
        key: KeyReference,
        /// Its statement.
        statement: Statement,
        /// S1.
        s1: Mac,
        /// Now.
        time: Time,
    }
}

layout! {
    /// CREDIT PSAM: what the purse answered to DEBIT IEP.
    #[derive(Copy)]
    pub struct CreditRequest {
        /// NT_PSAM of the purchase.
        nt: SamCounter,
        /// S3.
        s3: Mac,
        /// S6.
        s6: Mac,
    }
}

layout! {
    /// Answer to CREDIT PSAM.
    #[derive(Copy)]
    pub struct Credited {
        /// Batch that holds the payment.
        batch: BatchNumber,
        /// Its place in the batch.
        index: u16,
        /// S5 of the record.
        s5: Mac,
    }
}

layout! {
    /// PSAM COMPLETE: the purse's word that a purchase was never debited.
    #[derive(Copy)]
    pub struct CompleteRequest {
        /// NT_PSAM of the purchase.
        nt: SamCounter,
        /// The purse's answer to GET PREVIOUS IEP SIGNATURE by NT.
        previous: PreviousSignature,
    }
}

layout! {
    /// PSAM STORE RECEIPT: a receipt to be taken over.
    #[derive(Copy)]
    pub struct ReceiptRequest {
        /// The purse's answer to GET PREVIOUS IEP SIGNATURE.
        previous: PreviousSignature,
    }
}

layout! {
    /// PSAM CANCEL PURCHASE.
    #[derive(Copy)]
    pub struct CancelPurchase {
        /// NT_PSAM of the purchase.
        nt: SamCounter,
        /// The purse's answer to GET PREVIOUS IEP SIGNATURE by the NV of the purchase.
        previous: PreviousSignature,
    }
}

layout! {
    /// PSAM RENOUNCE.
    #[derive(Copy)]
    pub struct RenounceRequest {
        /// NT_PSAM of the purchase.
        nt: SamCounter,
    }
}

layout! {
    /// Answer to PSAM CANCEL PURCHASE, given after the void is committed.
    pub struct CancellationSecret {
        /// The secret that the purchase's commitment was made with.
        secret: Key,
        /// What the purse gets back, minor units: the one amount that a terminal may show.
        amount: Amount,
    }
}

layout! {
    /// PSAM COLLECT: one record of a closed batch.
    #[derive(Copy)]
    pub struct CollectRequest {
        /// The batch.
        batch: BatchNumber,
        /// Place in the batch, from 0.
        index: u16,
    }
}

layout! {
    /// Asks for the trailer of a closed batch again.
    #[derive(Copy)]
    pub struct TrailerRequest {
        /// The batch.
        batch: BatchNumber,
    }
}

layout! {
    /// Answer to GET DATA 0102: how a PSAM stands. For terminals and display.
    #[derive(Copy)]
    pub struct SamInformation {
        /// Identity.
        sam: SamId,
        /// Last day on which it takes payments.
        expiry: Date,
        /// Currency.
        currency: Currency,
        /// Key group.
        group: u8,
        /// Highest key version.
        version: u8,
        /// Last NT_PSAM.
        nt: SamCounter,
        /// Purchases that are open.
        open: u8,
        /// Number of the open batch.
        batch: BatchNumber,
        /// Its entries so far.
        entries: u16,
        /// Oldest closed batch that is not acknowledged; the open one where there is none.
        oldest: BatchNumber,
        /// Payments must not be dated before this time: that of the last one, or what the
        /// background system has told since.
        floor: Time,
        /// Payments must not be dated after this time.
        ceiling: Time,
        /// The list of blocked purses that it has.
        list: u32,
    }
}

command_set! {
    /// The security module of a payment terminal.
    pub enum SamCommand {
        /// GET CHALLENGE: a random number for the next purse.
        GetChallenge = [0x00 0x84 0x00 0x00] () => Challenge,
            in [Personalized], status [],
            "ISO/IEC 7816-4:2013, 11.6.3";
        /// INITIALIZE PSAM for Purchase: checks S1, expiry, currency, provider, key and
        /// limits, and the clock; keeps the open purchase with room for its record; answers the order
        /// under S2. What the same purse left open at the same NV was never debited: its number and
        /// its room serve again.
        InitializePsam = [0x90 0x70 0x00 0x00] OpenPurchase => Opened,
            in [Personalized], status [CONDITIONS_NOT_SATISFIED, REFERENCE_NOT_FOUND, KEY_RETIRED, WRONG_MAC,
                EXPIRED, FOREIGN_PURSE, LIMIT_EXCEEDED, RECEIPTS_FULL, COUNTER_AT_MAXIMUM,
                CLOCK_REFUSED, LIST_TOO_OLD, NOT_ENOUGH_MEMORY],
            "EN 1546-3 (INS); bytes project-defined";
        /// INITIALIZE PSAM for a contact without debit: checks S1 and the rest, opens nothing.
        VerifyPurse = [0x90 0x70 0x02 0x00] VerifyContact => (),
            in [Personalized], status [CONDITIONS_NOT_SATISFIED, REFERENCE_NOT_FOUND, KEY_RETIRED, WRONG_MAC,
                EXPIRED, FOREIGN_PURSE, CLOCK_REFUSED],
            "project-defined";
        /// CREDIT PSAM: checks S3, commits the payment to the batch.
        CreditPsam = [0x90 0x72 0x00 0x00] CreditRequest => Credited,
            in [Personalized], status [RECORD_NOT_FOUND, WRONG_MAC, NOT_ENOUGH_MEMORY],
            "EN 1546-3 (INS); bytes project-defined";
        /// PSAM COMPLETE: closes an open purchase that the purse says was never debited.
        PsamComplete = [0x90 0x74 0x00 0x00] CompleteRequest => (),
            in [Personalized], status [CONDITIONS_NOT_SATISFIED, RECORD_NOT_FOUND, REFERENCE_NOT_FOUND,
                WRONG_MAC, NOT_ENOUGH_MEMORY],
            "EN 1546-3 (INS); bytes project-defined";
        /// INITIALIZE PSAM for Collection: closes the open batch, answers its trailer under S4.
        /// Purchases that are still open become claims of that batch. A batch may be empty.
        CloseBatch = [0x90 0x76 0x00 0x00] () => Trailer,
            in [Personalized, Blocked], status [RECORD_NOT_FOUND, BATCHES_FULL, COUNTER_AT_MAXIMUM,
                NOT_ENOUGH_MEMORY],
            "EN 1546-3 (INS; 7C offline is the same here); bytes project-defined";
        /// INITIALIZE PSAM for Collection, again: the trailer of a batch that is closed.
        ReadTrailer = [0x90 0x76 0x01 0x00] TrailerRequest => Trailer,
            in [Personalized, Blocked], status [RECORD_NOT_FOUND],
            "project-defined";
        /// PSAM COLLECT: one record of a closed batch, or of the open one so far, under S5.
        PsamCollect = [0x90 0x78 0x00 0x00] CollectRequest => BatchRecord,
            in [Personalized, Blocked], status [RECORD_NOT_FOUND],
            "EN 1546-3 (INS); bytes project-defined";
        /// PSAM COLLECT (acknowledge): the background system has stored the oldest closed
        /// batch; the PSAM forgets it. Batches are acknowledged in order; an
        /// acknowledgement that comes again is answered 9000 and does nothing.
        PsamAcknowledge = [0x90 0x7A 0x00 0x00] Acknowledgement => (),
            in [Personalized, Blocked], status [RECORD_NOT_FOUND, CONDITIONS_NOT_SATISFIED, WRONG_MAC,
                NOT_ENOUGH_MEMORY],
            "EN 1546-3 (INS; 7E offline is the same here); bytes project-defined";
        /// PSAM STORE RECEIPT: takes over a receipt that a purse holds. They come in the order
        /// of their NV, from the oldest held, each with a challenge of its own.
        StoreReceipt = [0x90 0x88 0x00 0x00] ReceiptRequest => (),
            in [Personalized], status [CONDITIONS_NOT_SATISFIED, RECORD_NOT_FOUND, REFERENCE_NOT_FOUND, KEY_RETIRED,
                WRONG_MAC, FOREIGN_PURSE, NOT_ENOUGH_MEMORY],
            "project-defined";
        /// PSAM CANCEL PURCHASE: on the word of the purse itself that this payment is its last
        /// value commit, and that the amount can come back, voids a payment of the open batch, then
        /// reveals the secret with which the purse takes it back. Repeats give the same secret, until the
        /// batch is acknowledged.
        PsamCancel = [0x90 0x8A 0x00 0x00] CancelPurchase => CancellationSecret,
            in [Personalized], status [RECORD_NOT_FOUND, CONDITIONS_NOT_SATISFIED, REFERENCE_NOT_FOUND,
                KEY_RETIRED, WRONG_MAC, RECEIPTS_FULL, NOT_ENOUGH_MEMORY],
            "CEPS (cancel last purchase); bytes project-defined";
        /// PSAM RENOUNCE: voids a payment of the open batch, or one that is open, without the purse.
        /// The secret stays secret; the issuer gives the amount back where it was paid.
        PsamRenounce = [0x90 0x8A 0x01 0x00] RenounceRequest => (),
            in [Personalized], status [RECORD_NOT_FOUND, CONDITIONS_NOT_SATISFIED, NOT_ENOUGH_MEMORY],
            "project-defined";
        /// GET DATA 0102: how this PSAM stands.
        GetSamData = [0x00 0xCA 0x01 0x02] () => SamInformation,
            in [Personalized, Blocked], status [],
            "ISO/IEC 7816-4:2013, 11.5.3; tag project-defined";
    }
}
