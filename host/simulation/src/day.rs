//! A business day: cards are issued and loaded, pay at terminals that have a line and
//! at terminals that never have one, the transfer card is carried, everything is
//! cleared and merchants are settled.

use apdu_spec::element::{Amount, Time};
use host::terminal::load::Funding;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use serde::Serialize;

use crate::collection::Cleared;
use crate::scheme::{Connection, Scheme};
use crate::world::Limits;
use crate::{Error, World};

/// Terminals of the demonstration.
pub const TERMINALS: &[(&str, Connection)] = &[
    ("kiosk", Connection::Online),
    ("bakery", Connection::Online),
    ("bus-12", Connection::Never),
    ("car-park", Connection::Never),
];

/// Payments of one terminal after which it is collected.
const COLLECT_AFTER: u32 = 60;
/// A day has sixteen hours, from six in the morning.
const DAY_SECONDS: u64 = 16 * 3_600;
/// One purchase in so many is cancelled again.
const CANCEL_ONE_IN: u32 = 50;
/// Limits of the purses of the demonstration: 200.00, no overdraft, 50.00 a purchase.
const LIMITS: Limits = Limits { maximum: 20_000, overdraft: 0, purchase: 5_000 };

/// How long a day is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Purses that are issued.
    pub purses: u64,
    /// Payments that are tried.
    pub payments: u64,
    /// When the day begins.
    pub start: Time,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Summary {
    /// Purses issued.
    pub purses: u64,
    /// Loads.
    pub loads: u64,
    /// Payments.
    pub payments: u64,
    /// Of these: cancelled again.
    pub cancelled: u64,
    /// Unloads.
    pub unloads: u64,
    /// Batches that reached the background system.
    pub batches: u64,
    /// Visits of the transfer card to a terminal.
    pub visits: u64,
}

/// Hears how far a day is: what is being done, how much is done, of how much.
pub type Progress<'p> = &'p mut dyn FnMut(&str, u64, u64);

/// The scheme of the demonstration.
#[must_use]
pub fn scheme() -> Scheme {
    Scheme::new(apdu_spec::element::Currency::EUR, TERMINALS)
}

/// A day in progress.
struct Day<'w> {
    world: &'w mut World,
    plan: Plan,
    /// Decides who pays what where; apart from the world's own generator, so that what
    /// cards draw does not change the day.
    choice: ChaCha12Rng,
    summary: Summary,
    /// Payments of each terminal since its last collection.
    since: Vec<u32>,
    cleared: Cleared,
}

/// Lives a day in a world that has just been made.
pub fn run(world: &mut World, plan: Plan, progress: Progress<'_>) -> Result<(Summary, Cleared), Error> {
    if plan.purses == 0 {
        return Err(Error::Order("a day needs at least one purse".into()));
    }
    let choice = ChaCha12Rng::seed_from_u64(world.random().next_u64());
    let since = vec![0; TERMINALS.len()];
    let mut day =
        Day { world, plan, choice, summary: Summary::default(), since, cleared: Cleared::default() };
    day.issue(progress)?;
    day.trade(progress)?;
    day.close(progress)?;
    Ok((day.summary, day.cleared))
}

impl Day<'_> {
    /// The time at which payment `number` takes place.
    fn time(&self, number: u64) -> Time {
        let seconds = DAY_SECONDS.saturating_mul(number) / self.plan.payments.max(1);
        Time(self.plan.start.0.saturating_add(u32::try_from(seconds).unwrap_or(u32::MAX)))
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.choice.next_u32() % bound.max(1)
    }

    fn issue(&mut self, progress: Progress<'_>) -> Result<(), Error> {
        for number in 1..=self.plan.purses {
            progress("issuing and loading purses", number - 1, self.plan.purses);
            let purse = self.world.issue_purse(LIMITS, self.plan.start)?;
            let minor = 2_000 + 500 * self.below(5);
            self.load(purse, minor, self.plan.start)?;
            self.summary.purses += 1;
        }
        Ok(())
    }

    fn load(&mut self, purse: u64, minor: u32, now: Time) -> Result<(), Error> {
        let funding = if self.below(4) == 0 { Funding::Cash } else { Funding::Account };
        let amount = Amount::new(minor).unwrap_or_default();
        self.world.load(purse, amount, funding, now)?;
        self.summary.loads += 1;
        Ok(())
    }

    fn trade(&mut self, progress: Progress<'_>) -> Result<(), Error> {
        for number in 0..self.plan.payments {
            progress("paying", number, self.plan.payments);
            self.pay(self.time(number))?;
        }
        Ok(())
    }

    /// One purse pays somewhere; where its balance does not suffice, it is loaded first.
    fn pay(&mut self, now: Time) -> Result<(), Error> {
        let purses = u32::try_from(self.plan.purses).unwrap_or(u32::MAX);
        let purse = 1 + u64::from(self.below(purses));
        let place = self.below(4) as usize % TERMINALS.len();
        let (terminal, connection) = TERMINALS[place];
        let amount = Amount::new(50 + 5 * self.below(150)).unwrap_or_default();
        let receipt = match self.world.pay(purse, terminal, amount, now) {
            Err(Error::NotPaid(Some(apdu_spec::StatusWord::INSUFFICIENT_BALANCE))) => {
                self.load(purse, 2_000, now)?;
                self.world.pay(purse, terminal, amount, now)?
            }
            other => other?,
        };
        self.summary.payments += 1;
        if self.below(CANCEL_ONE_IN) == 0 {
            self.world.cancel(purse, terminal, receipt.nt_psam)?;
            self.summary.cancelled += 1;
        }
        self.since[place] += 1;
        if self.since[place] >= COLLECT_AFTER {
            self.collect(place, connection, now)?;
        }
        Ok(())
    }

    /// Empties one terminal. The transfer card is carried on to the background system, so
    /// that its next visit brings the acknowledgements.
    fn collect(&mut self, place: usize, connection: Connection, now: Time) -> Result<(), Error> {
        let (terminal, _) = TERMINALS[place];
        self.since[place] = 0;
        self.world.collect(terminal)?;
        match connection {
            Connection::Online => self.world.deliver(terminal, now, &mut self.cleared)?,
            Connection::Never => {
                self.summary.visits += 1;
                self.world.unload_transfer_card(now, &mut self.cleared)?;
            }
        }
        Ok(())
    }

    /// The evening: some holders unload, all terminals are emptied, everything is cleared,
    /// and the transfer card brings the last acknowledgements back.
    fn close(&mut self, progress: Progress<'_>) -> Result<(), Error> {
        let now = self.time(self.plan.payments);
        for (place, (_, connection)) in TERMINALS.iter().enumerate() {
            progress("collecting", place as u64, TERMINALS.len() as u64);
            self.collect(place, *connection, now)?;
        }
        self.unload_one(now)?;
        progress("settling", 0, 1);
        let cleared = self.world.clear(now)?;
        self.cleared.extend(cleared);
        for (terminal, _) in TERMINALS.iter().filter(|(_, connection)| *connection == Connection::Never) {
            self.world.collect(terminal)?;
            self.summary.visits += 1;
        }
        self.summary.batches = self.cleared.stored.len() as u64;
        progress("settling", 1, 1);
        Ok(())
    }

    /// The first holder takes everything home.
    fn unload_one(&mut self, now: Time) -> Result<(), Error> {
        let mut card = host::card::purse::PurseCard::select(self.world.purse(1)?)?;
        let balance = card.balance()?.balance.0;
        if let Some(amount) = u32::try_from(balance).ok().filter(|minor| *minor > 0).and_then(Amount::new) {
            self.world.unload(1, amount, Funding::Account, now)?;
            self.summary.unloads += 1;
        }
        Ok(())
    }
}
