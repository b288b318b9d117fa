//! A transfer card in a reader.

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::download::{Download, Parcel, Release};
use apdu_spec::element::SamId;
use apdu_spec::transfer::{
    AppendDownload, AppendParcel, DownloadRequest, GetTransferData, Number, NumberedDownload, ReadDownload,
    ReadParcel, ReleaseRecords, TransferInformation,
};

use super::{execute, select};
use crate::Error;
use crate::reader::Reader;

/// A transfer card whose application is selected.
pub struct TransferCard<'r> {
    reader: &'r mut dyn Reader,
}

impl std::fmt::Debug for TransferCard<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TransferCard")
    }
}

impl<'r> TransferCard<'r> {
    /// More parcels or downloads than a card of 1 MiB has room for, each of which takes more
    /// than 16 bytes. What states more is no transfer card.
    pub const RECORDS_MAX: usize = 1 << 16;

    /// Selects the transfer card.
    pub fn select(reader: &'r mut dyn Reader) -> Result<Self, Error> {
        select(reader, Aid::TRANSFER)?;
        Ok(Self { reader })
    }

    /// A transfer card that is selected already, behind a secure channel.
    pub fn selected(reader: &'r mut dyn Reader) -> Self {
        Self { reader }
    }

    /// GET DATA 0103.
    pub fn information(&mut self) -> Result<TransferInformation, Error> {
        execute::<GetTransferData>(self.reader, &())
    }

    /// Takes a parcel on board; its number.
    pub fn append_parcel(&mut self, parcel: &Parcel) -> Result<u32, Error> {
        execute::<AppendParcel>(self.reader, parcel).map(|answer| answer.number)
    }

    /// Gives a parcel out.
    pub fn parcel(&mut self, number: u32) -> Result<Parcel, Error> {
        execute::<ReadParcel>(self.reader, &Number { number })
    }

    /// Takes a download on board; its number.
    pub fn append_download(&mut self, download: &Download) -> Result<u32, Error> {
        execute::<AppendDownload>(self.reader, download).map(|answer| answer.number)
    }

    /// The next download to a PSAM, if there is one.
    pub fn download(&mut self, sam: SamId, from: u32) -> Result<Option<NumberedDownload>, Error> {
        match execute::<ReadDownload>(self.reader, &DownloadRequest { sam, from }) {
            Ok(download) => Ok(Some(download)),
            Err(error) if error.status() == Some(StatusWord::RECORD_NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets the card forget.
    pub fn release(&mut self, release: &Release) -> Result<(), Error> {
        execute::<ReleaseRecords>(self.reader, release)
    }
}
