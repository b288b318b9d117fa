//! Parcels: taken on board at a terminal, given out at the background system.

use apdu_spec::StatusWord;
use apdu_spec::download::Parcel;
use apdu_spec::transfer::Number;

use super::Transfer;
use super::layout::PARCELS;
use crate::kernel::Response;
use crate::kernel::area::Area;
use crate::kernel::dispatch::answer;

/// Room that stays free for releases, so that a full card can be emptied.
pub(super) const RELEASE_SIZE: usize = 64;

/// APPEND RECORD of a parcel.
pub(super) fn append(
    parcel: &Parcel,
    area: &mut Area<'_>,
    response: &mut Response,
) -> Result<(), StatusWord> {
    let number = area.next(PARCELS);
    area.ensure_room(crate::kernel::memory::entry::ENTRY_MAX + RELEASE_SIZE)?;
    let _ = area.change().append(PARCELS, parcel).commit()?;
    answer(response, &Number { number })
}

impl Transfer {
    /// READ RECORD of a parcel.
    pub(super) fn read_parcel(
        &self,
        request: Number,
        area: &Area<'_>,
        response: &mut Response,
    ) -> Result<(), StatusWord> {
        if request.number < self.floors.parcels {
            return Err(StatusWord::RECORD_NOT_FOUND);
        }
        let parcel: Parcel = area.record(PARCELS, request.number).ok_or(StatusWord::RECORD_NOT_FOUND)?;
        answer(response, &parcel)
    }
}
