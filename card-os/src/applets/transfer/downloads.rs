//! Downloads: taken on board at the background system, given out at terminals; and
//! the release, which is the background system's word that a card may forget.

use apdu_spec::StatusWord;
use apdu_spec::crypto::session_key::DerivationKey;
use apdu_spec::download::{Download, Release};
use apdu_spec::element::BatchNumber;
use apdu_spec::personalisation::Function;
use apdu_spec::transfer::{DownloadRequest, Number, NumberedDownload};

use super::Transfer;
use super::layout::{DOWNLOADS, FLOORS, Floors, PARCELS};
use super::records::RELEASE_SIZE;
use crate::kernel::Response;
use crate::kernel::area::Area;
use crate::kernel::dispatch::answer;

/// APPEND RECORD of a download.
pub(super) fn append(
    download: &Download,
    area: &mut Area<'_>,
    response: &mut Response,
) -> Result<(), StatusWord> {
    let number = area.next(DOWNLOADS);
    area.ensure_room(crate::kernel::memory::entry::ENTRY_MAX + RELEASE_SIZE)?;
    let _ = area.change().append(DOWNLOADS, download).commit()?;
    answer(response, &Number { number })
}

impl Transfer {
    /// READ RECORD: the first download to a PSAM from a number on.
    pub(super) fn read_download(
        &self,
        request: DownloadRequest,
        area: &Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        let from = request.from.max(self.floors.downloads);
        let found = (from..area.next(DOWNLOADS)).find_map(|number| {
            let download: Download = area.record(DOWNLOADS, number)?;
            (download.sam == request.sam).then_some(NumberedDownload { number, download })
        });
        answer(response, &found.ok_or(StatusWord::RECORD_NOT_FOUND)?)
    }

    /// RELEASE. Numbers only rise and never pass what is on board, so that a release that
    /// comes again does nothing.
    pub(super) fn release(&mut self, request: &Release, area: &mut Area<'_>) -> Result<(), StatusWord> {
        let reference = self.keys.choose(Function::Record, 0, 0, u8::MAX)?;
        let key = self.keys.key(area, Function::Record, reference)?;
        let key = DerivationKey::new(key, reference.algorithm).record_key(BatchNumber::default());
        if key.sign(&request.input(self.parameters()?.card, reference)) != request.mac {
            return Err(StatusWord::WRONG_MAC);
        }
        if request.parcels > area.next(PARCELS) || request.downloads > area.next(DOWNLOADS) {
            return Err(StatusWord::WRONG_DATA);
        }
        let floors = Floors {
            parcels: request.parcels.max(self.floors.parcels),
            downloads: request.downloads.max(self.floors.downloads),
        };
        if floors != self.floors {
            let _ = area.change().set(FLOORS, &floors).commit()?;
            self.floors = floors;
            self.keep(area);
        }
        Ok(())
    }
}
