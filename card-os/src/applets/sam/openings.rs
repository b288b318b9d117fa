//! The purchases that are open: which they are, and where their openings stand.
//!
//! An opening is a record of a log and stays until its batch is acknowledged. One that was never
//! debited gives its number and its room to another: a purse that states the same NV in a later
//! session can no longer carry the order out, and one that says "not debited" under a MAC never
//! has. What takes the place stands in a cell, so that torn taps fill nothing, however many; its
//! outcome is kept whole, because its record in the log is another's.

use apdu_spec::StatusWord;
use apdu_spec::element::{SamCounter, Time};
use apdu_spec::protections::Protections;
use apdu_spec::record::{Opening, Outcome, Statement, ValueRecord};

use super::layout::{
    AUTHORITY, Authority, BATCH_MAX, CLAIMS_MAX, Content, ENTRIES, OPEN_MAX, OPENINGS, OUTCOME_SIZE,
    REOPENED, Reopened, Stored, StoredOpening, WHOLE_SIZE,
};
use super::{Sam, last_nt};
use crate::kernel::area::{Area, Cell};
use crate::kernel::memory::Committed;

/// A purchase whose outcome is not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) nt: SamCounter,
    /// The cell of its opening, where it has taken another's place.
    cell: Option<Cell>,
    /// Any purse may take its place: it was never debited.
    pub(super) vacant: bool,
}

/// All of them, oldest first.
pub(super) type Openings = heapless::Vec<Open, OPEN_MAX>;

impl Open {
    /// One whose opening is in the log.
    pub(super) const fn new(nt: SamCounter) -> Self {
        Self { nt, cell: None, vacant: false }
    }

    /// The cell of its opening, where that is none of the log.
    pub(super) const fn cell(&self) -> Option<Cell> {
        self.cell
    }

    /// What it becomes where nothing comes back.
    pub(super) const fn abandoned(&self) -> Outcome {
        if self.vacant { Outcome::NotDebited } else { Outcome::Unresolved }
    }

    /// Bytes that its outcome will take.
    const fn promised(&self) -> usize {
        if self.cell.is_some() { WHOLE_SIZE } else { OUTCOME_SIZE }
    }
}

/// The cell of a place in the table.
fn cell(place: usize) -> Cell {
    Cell(REOPENED + u8::try_from(place).unwrap_or(0))
}

impl<X: Protections> Sam<X> {
    /// Reads after power-up which openings of the open batch no entry has settled, and the latest
    /// time of an order that binds the clock.
    pub(super) fn find_open(&mut self, area: &Area<'_>) -> Result<(), &'static str> {
        let first = self.batch.first_nt.get();
        let mut settled = [false; BATCH_MAX as usize];
        for number in self.batch.first_entry..area.next(ENTRIES) {
            let entry = area.record::<Stored>(ENTRIES, number).ok_or("a batch entry is missing")?;
            let claimed = entry.outcome == Outcome::Unresolved;
            self.claims = self.claims.saturating_add(claimed.into());
            let place = entry.own().and_then(|own| own.nt.get().checked_sub(first));
            if let Some(settled) = place.and_then(|place| settled.get_mut(place as usize)) {
                *settled = true;
            }
            if let Content::Whole(value) = &entry.content
                && entry.own().is_some()
                && number >= self.authority.entry
            {
                self.floor = self.floor.max(value.entry.order.time);
            }
        }
        let openings = (first..area.next(OPENINGS)).zip(settled);
        for (nt, _) in openings.filter(|(_, settled)| !settled) {
            let open = Open::new(SamCounter(nt));
            self.open.push(open).map_err(|_| "more purchases are open than there can be")?;
        }
        self.find_reopened(area);
        self.floor = self.floor.max(self.last_order(area));
        Ok(())
    }

    /// The openings that stand in cells.
    fn find_reopened(&mut self, area: &Area<'_>) {
        for cell in (0..OPEN_MAX).map(cell) {
            let Some(reopened) = area.get::<Reopened>(cell) else { continue };
            if let Some(open) = self.open.iter_mut().find(|open| open.nt == reopened.nt) {
                (open.cell, open.vacant) = (Some(cell), reopened.vacant != 0);
                self.floor = self.floor.max(reopened.opening.time);
            }
        }
    }

    /// The time of the last order in the log, where it came after the last word on the clock.
    fn last_order(&self, area: &Area<'_>) -> Time {
        let authority = area.get::<Authority>(AUTHORITY).map_or(SamCounter(0), |authority| authority.nt);
        let last = Some(last_nt(area)).filter(|nt| *nt > authority && *nt >= self.oldest.first_nt);
        let opening = last.and_then(|nt| area.record::<StoredOpening>(OPENINGS, nt.get()));
        opening.map_or(self.floor, |opening| opening.time)
    }

    /// The purchases that may still be debited.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Open> {
        self.open.iter().filter(|open| !open.vacant)
    }

    /// The purchase of this number, where it is open and may still be debited.
    pub(super) fn open(&self, nt: SamCounter) -> Option<&Open> {
        self.waiting().find(|open| open.nt == nt)
    }

    /// The purchase whose place this purse takes, the purse's statement being true: its own that it
    /// can no longer carry out, else one that is vacant.
    pub(super) fn place_for(&self, statement: &Statement, area: &Area<'_>) -> Option<SamCounter> {
        let is_dead = |nt| self.opening(nt, area).is_ok_and(|opening| is_dead(&opening, statement));
        let own = self.open.iter().find(|open| is_dead(open.nt));
        own.or_else(|| self.open.iter().find(|open| open.vacant)).map(|open| open.nt)
    }

    /// Whether this purse has been torn here so often, while so many others were open, that another
    /// claim about what it never carried out would be one too many: purses that are torn in turn
    /// fill nothing either. Entries are read where there are that many claims in the batch.
    pub(super) fn is_torn_too_often(&self, statement: &Statement, area: &Area<'_>) -> bool {
        if !self.open.is_full() || self.claims < CLAIMS_MAX {
            return false;
        }
        let entries = self.batch.first_entry..area.next(ENTRIES);
        let claims = entries
            .filter_map(|number| area.record::<Stored>(ENTRIES, number))
            .filter(|stored| stored.outcome == Outcome::Unresolved)
            .filter_map(|stored| self.own_opening(&stored, area));
        claims.filter(|opening| is_dead(opening, statement)).count() >= CLAIMS_MAX.into()
    }

    /// The opening of an entry about one of our own.
    fn own_opening(&self, stored: &Stored, area: &Area<'_>) -> Option<Opening> {
        match &stored.content {
            Content::Own(own) => self.first_opening(own.nt, area).ok(),
            Content::Whole(value) => Some(to_opening(value)),
        }
    }

    /// Keeps an opening in the cell of its purchase: the purchase's own, or a free one.
    pub(super) fn reopen(
        &mut self,
        opening: &Opening,
        vacant: bool,
        area: &mut Area<'_>,
    ) -> Result<Committed, StatusWord> {
        let nt = opening.order.nt;
        let taken = |cell: &Cell| self.open.iter().any(|open| open.cell == Some(*cell));
        let free = (0..OPEN_MAX).map(cell).find(|cell| !taken(cell));
        let open = self.open.iter().find(|open| open.nt == nt).ok_or(StatusWord::RECORD_NOT_FOUND)?;
        let place = open.cell.or(free).ok_or(StatusWord::INTERNAL_ERROR)?;
        let reopened = Reopened { nt, vacant: u8::from(vacant), opening: StoredOpening::from(opening) };
        let committed = area.change().set(place, &reopened).followed().commit()?;
        if let Some(open) = self.open.iter_mut().find(|open| open.nt == nt) {
            (open.cell, open.vacant) = (Some(place), vacant);
        }
        Ok(committed)
    }

    /// Bytes that the outcomes of all open purchases will take.
    pub(super) fn promised(&self) -> usize {
        self.open.iter().map(Open::promised).sum()
    }

    /// One of our openings that is not acknowledged yet, as it was ordered last.
    pub(super) fn opening(&self, nt: SamCounter, area: &Area<'_>) -> Result<Opening, StatusWord> {
        match self.open.iter().find(|open| open.nt == nt) {
            Some(open) => match open.cell {
                Some(cell) => {
                    let reopened: Reopened = area.get(cell).ok_or(StatusWord::INTERNAL_ERROR)?;
                    Ok(reopened.opening.to_opening(nt, self.parameters()?.currency))
                }
                None => self.first_opening(nt, area),
            },
            None => match self.own_outcome(nt, area).map(|(_, stored)| stored.content) {
                Some(Content::Whole(value)) => Ok(to_opening(&value)),
                _ => self.first_opening(nt, area),
            },
        }
    }

    /// The opening of this number in the log: that of its outcome, where that is not kept whole.
    pub(super) fn first_opening(&self, nt: SamCounter, area: &Area<'_>) -> Result<Opening, StatusWord> {
        if nt < self.oldest.first_nt {
            return Err(StatusWord::RECORD_NOT_FOUND);
        }
        let stored: StoredOpening = area.record(OPENINGS, nt.get()).ok_or(StatusWord::RECORD_NOT_FOUND)?;
        Ok(stored.to_opening(nt, self.parameters()?.currency))
    }
}

/// Whether the purse can no longer carry this order out: it states the same NV in a later session.
fn is_dead(opening: &Opening, statement: &Statement) -> bool {
    let (before, now) = (opening.statement.position, statement.position);
    opening.statement.identity.iep == statement.identity.iep && before.nv == now.nv && before.nt < now.nt
}

/// The opening that a whole record of ours came from.
const fn to_opening(value: &ValueRecord) -> Opening {
    let ValueRecord { identity, entry } = *value;
    Opening {
        key: entry.key,
        statement: Statement { identity, position: entry.position },
        challenge: entry.counterpart.challenge,
        order: entry.order,
    }
}
