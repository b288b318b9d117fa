//! The clock of a PSAM. It has none: the terminal says what time it is, and may lie.
//!
//! What the background system says under a MAC (in an acknowledgement) is taken as it is, earlier
//! or later. From there on payments are dated in rising order, and none later than a window ahead: a
//! clock that was once set to 2099 is refused and leaves no trace, and one that is behind cannot
//! revive a purse that has expired. The list of blocked purses is bounded in the same way.

use apdu_spec::StatusWord;
use apdu_spec::batch::Acknowledgement;
use apdu_spec::element::{SamCounter, Time};
use apdu_spec::protections::Protections;

use super::layout::{AUTHORITY, Authority, ENTRIES};
use super::{Sam, last_nt};
use crate::kernel::area::Area;

impl<X: Protections> Sam<X> {
    /// What the background system has said last: at first, when the PSAM was issued.
    pub(super) fn read_authority(&mut self, area: &Area<'_>) {
        let issued = self.parameters.as_ref().map_or(Time(0), |parameters| parameters.time);
        let first = Authority { time: issued, list: 0, list_min: 0, nt: SamCounter(0), entry: 0 };
        self.authority = area.get(AUTHORITY).unwrap_or(first);
        self.floor = self.authority.time;
    }

    /// What it says now.
    pub(super) fn told(&self, word: &Acknowledgement, area: &Area<'_>) -> Authority {
        Authority {
            time: word.time,
            list: self.authority.list,
            list_min: word.list_min,
            nt: last_nt(area),
            entry: area.next(ENTRIES),
        }
    }

    /// Payments are not dated after this time.
    pub(super) fn ceiling(&self) -> Result<Time, StatusWord> {
        Ok(Time(self.authority.time.0.saturating_add(self.parameters()?.window)))
    }

    /// Whether the terminal's clock can be right.
    pub(super) fn check_clock(&self, time: Time) -> Result<(), StatusWord> {
        let possible = self.floor <= time && time <= self.ceiling()?;
        if possible { Ok(()) } else { Err(StatusWord::CLOCK_REFUSED) }
    }

    /// Whether the list of blocked purses is new enough.
    pub(super) const fn check_list(&self) -> Result<(), StatusWord> {
        if self.authority.list < self.authority.list_min { Err(StatusWord::LIST_TOO_OLD) } else { Ok(()) }
    }
}
