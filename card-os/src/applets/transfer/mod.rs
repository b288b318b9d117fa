//! The transfer card: an untrusted carrier of parcels and downloads.
//!
//! `records` takes parcels on board and gives them out, `downloads` the other way
//! round, and the release; `layout` says what is kept where.

mod downloads;
mod layout;
mod records;

use apdu_spec::StatusWord;
use apdu_spec::personalisation::{DataGroup, Function, TransferParameters};
use apdu_spec::transfer::{TransferCommand, TransferInformation};

use crate::kernel::Response;
use crate::kernel::area::Area;
use crate::kernel::dispatch::answer;
use crate::kernel::keys::KeyDirectory;
use layout::{DOWNLOADS, FLOORS, Floors, PARAMETERS, PARCELS};

/// A transfer card that is powered.
#[derive(Debug)]
pub struct Transfer {
    parameters: Option<TransferParameters>,
    keys: KeyDirectory,
    floors: Floors,
}

impl Transfer {
    /// Reads the card after power-up.
    pub fn attach(area: &mut Area<'_>) -> Result<Self, &'static str> {
        let floors = area.get(FLOORS).unwrap_or(Floors { parcels: 1, downloads: 1 });
        let transfer = Self { parameters: area.get(PARAMETERS), keys: KeyDirectory::load(area), floors };
        transfer.keep(area);
        Ok(transfer)
    }

    fn keep(&self, area: &mut Area<'_>) {
        area.keep_from(PARCELS, self.floors.parcels);
        area.keep_from(DOWNLOADS, self.floors.downloads);
    }

    /// Stores a data group of personalisation.
    pub fn store(&mut self, group: DataGroup, content: &[u8], area: &mut Area<'_>) -> Result<(), StatusWord> {
        match group {
            DataGroup::Transfer => self.parameters = Some(area.store(PARAMETERS, content)?),
            DataGroup::Key => self.keys.store(area, content)?,
            _ => return Err(StatusWord::WRONG_DATA),
        }
        Ok(())
    }

    /// Whether personalisation has brought everything.
    #[must_use]
    pub fn is_complete(&self, _: &Area<'_>) -> bool {
        self.parameters.is_some() && self.keys.has(Function::Record)
    }

    /// Whether no parcel is on board.
    #[must_use]
    pub fn is_empty(&self, area: &Area<'_>) -> bool {
        area.next(PARCELS) <= self.floors.parcels
    }

    /// What has been released so far. Whoever puts parcels on board needs no MAC.
    #[must_use]
    pub const fn proofs(&self) -> u32 {
        self.floors.parcels.wrapping_add(self.floors.downloads)
    }

    /// Serves one command.
    pub fn process(
        &mut self,
        command: TransferCommand,
        area: &mut Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        use TransferCommand as C;
        match command {
            C::AppendParcel(parcel) => records::append(&parcel, area, response),
            C::ReadParcel(request) => self.read_parcel(request, area, response),
            C::AppendDownload(download) => downloads::append(&download, area, response),
            C::ReadDownload(request) => self.read_download(request, area, response),
            C::ReleaseRecords(request) => self.release(&request, area),
            C::GetTransferData(()) => self.information(area, response),
        }
    }

    fn parameters(&self) -> Result<TransferParameters, StatusWord> {
        self.parameters.ok_or(StatusWord::CONDITIONS_NOT_SATISFIED)
    }

    /// GET DATA 0103.
    fn information(&self, area: &Area<'_>, response: &mut Response) -> Result<(), StatusWord> {
        let information = TransferInformation {
            card: self.parameters()?.card,
            first_parcel: self.floors.parcels,
            next_parcel: area.next(PARCELS),
            first_download: self.floors.downloads,
            next_download: area.next(DOWNLOADS),
        };
        answer(response, &information)
    }
}
