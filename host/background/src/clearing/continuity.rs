//! Whether two positions of one purse can both be true, given what can lie between them (project-defined).
//!
//! A gap in the numbers of a purse is a record that has not come in, or a second card under the
//! same name. What it hides is bounded: `after(a) + online loads between + rise of the offline total -
//! unloads between - balance(b)` is what purchases between have taken, each one number and at most
//! the purchase limit. Where nothing is missing it is zero. The bound holds for every honest purse,
//! whatever is known of it, so that the order of arrival accuses nobody.

use apdu_spec::element::{Amount, Counter, Kind};
use apdu_spec::record::{LogEntry, Position};

/// A known value commit, or the issue of the purse: what is certain after it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    nv: Counter,
    nt: Counter,
    balance: i64,
    offline_total: Amount,
    nv_load: Counter,
    nv_cancellation: Counter,
    /// What can be taken back with the next number.
    revocable: i64,
}

/// Loads and unloads that the issuer knows of between two positions, by their NV.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Between {
    /// Value that has come in (loads less unloads), at the least and at the most, minor units.
    pub(crate) least: i64,
    pub(crate) most: i64,
    /// Numbers that they have certainly taken.
    pub(crate) numbers: u32,
    /// Whether the load that is named is one of them.
    pub(crate) has_load: bool,
}

/// Why two positions cannot both be true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Breach {
    /// The purse has more than it can have: minor units too many.
    Surplus(i64),
    /// The purse has less than purchases can have taken: minor units missing.
    Deficit(i64),
    /// A later number in an earlier session.
    Session,
    /// The last online load or cancellation that it names was none.
    Names,
    /// Offline loads that nobody has made.
    Offline,
}

impl Known {
    /// A purse as it was issued.
    pub(crate) fn issued() -> Self {
        let zero = Counter::default();
        let offline_total = Amount::default();
        Self {
            nv: zero,
            nt: zero,
            balance: 0,
            offline_total,
            nv_load: zero,
            nv_cancellation: zero,
            revocable: 0,
        }
    }

    /// A purse after a value commit; nothing for one that cannot be.
    pub(crate) fn after(entry: &LogEntry) -> Option<Self> {
        let position = &entry.position;
        let nv = entry.nv()?;
        let now = |kind: Kind, before: Counter| if entry.kind == kind { nv } else { before };
        let bought = if entry.kind == Kind::Purchase { entry.order.amount.get().into() } else { 0 };
        Some(Self {
            nv,
            nt: position.nt,
            balance: entry.balance_after()?.0.into(),
            offline_total: position.offline_total,
            nv_load: now(Kind::Load, position.nv_load),
            nv_cancellation: now(Kind::Cancellation, position.nv_cancellation),
            revocable: bought,
        })
    }

    /// Number of the commit.
    pub(crate) const fn nv(&self) -> Counter {
        self.nv
    }

    /// Whether the purse can have come from here to there.
    pub(crate) fn leads_to(&self, there: &Position, between: &Between, limit: Amount) -> Result<(), Breach> {
        let Some(missing) = there.nv.since(self.nv) else { return Err(Breach::Session) };
        if there.nt < self.nt {
            return Err(Breach::Session);
        }
        self.names(there, between)?;
        let rise = i64::from(there.offline_total.get()) - i64::from(self.offline_total.get());
        if rise < 0 || rise > 0 && missing == 0 {
            return Err(Breach::Offline);
        }
        let taken = self.balance + rise - i64::from(there.balance.0);
        let (least, most) = self.purchases(there, missing.saturating_sub(between.numbers), limit);
        match (taken + between.most, taken + between.least) {
            (at_most, _) if at_most < least => Err(Breach::Surplus(least - at_most)),
            (_, at_least) if at_least > most => Err(Breach::Deficit(at_least - most)),
            _ => Ok(()),
        }
    }

    /// What purchases can have taken with this many numbers, less what was taken back: of all
    /// that is known only the last purchase can be.
    fn purchases(&self, there: &Position, numbers: u32, limit: Amount) -> (i64, i64) {
        let most = i64::from(numbers) * i64::from(limit.get());
        let next = Some(there.nv_cancellation).filter(|_| numbers > 0);
        match (next, self.nv.next()) {
            (Some(stated), Some(own)) if stated == own => {
                (-self.revocable, most - i64::from(limit.get()) - self.revocable)
            }
            (Some(stated), Some(own)) if stated > own => (-self.revocable, most),
            _ => (0, most),
        }
    }

    /// Whether the last online load and the last cancellation are what they were, or lie between.
    fn names(&self, there: &Position, between: &Between) -> Result<(), Breach> {
        let loaded = there.nv_load == self.nv_load || there.nv_load > self.nv && between.has_load;
        let cancelled = there.nv_cancellation == self.nv_cancellation || there.nv_cancellation > self.nv;
        let possible = there.nv_load <= there.nv && there.nv_cancellation <= there.nv;
        if loaded && cancelled && possible { Ok(()) } else { Err(Breach::Names) }
    }
}
