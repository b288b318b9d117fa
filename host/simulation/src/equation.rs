//! The money equation of a world (design, section 9): what purses really hold, counted
//! on the cards, against what the background system has booked.
//!
//! ```text
//! loads - unloads = sum of signed balances + payments, each counted once by (purse, NV)
//! ```
//!
//! A payment is looked for in three places: in the books, in PSAMs that still keep its
//! record, and in the logs of purses. A cancelled purchase is none. A load or unload counts
//! once its purse has committed it: of those that are in doubt in the books, the ones that
//! show in a log or in a receipt. Who cannot be read is named, and everybody else is counted.

use std::collections::{BTreeMap, BTreeSet};

use apdu_spec::element::{Balance, BatchNumber, Counter, IepId, Kind};
use apdu_spec::purse::LogLine;
use apdu_spec::record::{BatchRecord, Outcome};
use background::MerchantId;
use background::reports::PaymentState;
use serde::Serialize;

use crate::failure::Failure;
use crate::{Error, World};

/// The terms of a world, in minor units.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Equation {
    /// Loads that purses have committed.
    pub loaded: i64,
    /// Unloads that purses have committed.
    pub unloaded: i64,
    /// Sum of the balances on the cards.
    pub balances: i64,
    /// Cards.
    pub purses: u64,
    /// Cards of purses that are TERMINATED, locked or damaged: what is on them is not in the
    /// balances, nobody can read it.
    pub unread: u64,
    /// Payments that the background system has.
    pub received: i64,
    /// Payments that are in PSAMs, or on the way from there, and nowhere else.
    pub in_terminals: i64,
    /// Payments that only the log of the purse shows: their answer was lost.
    pub in_receipts: i64,
    /// Purses and terminals that ought to be readable, and why they are not. What only they know
    /// is in no term.
    #[serde(skip)]
    pub failed: Vec<Failure>,
}

impl Equation {
    /// Whether everything was read, so that the terms are all that there is.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.unread == 0 && self.failed.is_empty()
    }

    /// Left side less right side. Zero: no cent was made or lost. Where cards cannot be read,
    /// it is what must be on them.
    #[must_use]
    pub const fn difference(&self) -> i64 {
        self.loaded - self.unloaded - self.balances - self.received - self.in_terminals - self.in_receipts
    }
}

/// A purchase, by what makes it one.
type Key = (IepId, Counter);

/// Purchases and cancellations as some place knows them.
#[derive(Default)]
struct Known {
    purchases: BTreeMap<Key, i64>,
    /// Loads and unloads.
    transfers: BTreeSet<Key>,
    /// NV of the purchases that were taken back.
    cancelled: BTreeSet<Key>,
}

impl World {
    /// Counts the money on both sides.
    pub fn equation(&mut self) -> Result<Equation, Error> {
        let mut equation = Equation::default();
        let (provider, currency) = (self.scheme.provider(), self.scheme.currency());
        let books = self.background.books(provider, currency)?;
        let received = self.known_to_background()?;
        let in_terminals = self.known_to_terminals(&mut equation.failed);
        let in_purses = self.known_to_purses(&mut equation)?;

        (equation.loaded, equation.unloaded) = (books.loaded, books.unloaded);
        for line in self.background.transfers_in_doubt()? {
            let key = self.key(&line.purse, line.nv)?;
            let done = in_terminals.transfers.contains(&key) || in_purses.transfers.contains(&key);
            match (line.load, done) {
                // Booked when its order left, and the purse never got that.
                (true, false) => equation.loaded -= line.amount.minor,
                // Booked when its evidence comes, and that is still on the way.
                (false, true) => equation.unloaded += line.amount.minor,
                (true, true) | (false, false) => {}
            }
        }
        let mut cancelled = received.cancelled.clone();
        cancelled.extend(in_terminals.cancelled.iter().chain(&in_purses.cancelled));

        let mut counted = BTreeSet::new();
        let places = [
            (received, &mut equation.received),
            (in_terminals, &mut equation.in_terminals),
            (in_purses, &mut equation.in_receipts),
        ];
        for (known, sum) in places {
            for (key, amount) in known.purchases {
                if !cancelled.contains(&key) && counted.insert(key) {
                    *sum += amount;
                }
            }
        }
        Ok(equation)
    }

    fn known_to_background(&mut self) -> Result<Known, Error> {
        let mut known = Known::default();
        let merchants = self.background.merchant_statements()?;
        let numbers: BTreeSet<u32> = merchants.iter().map(|merchant| merchant.merchant).collect();
        for number in numbers {
            for payment in self.background.payments_of(MerchantId(number))? {
                let key = self.key(&payment.purse, payment.nv)?;
                known.purchases.insert(key, payment.amount.minor);
                // Whether the merchant was paid before or not.
                if matches!(payment.state, PaymentState::Cancelled | PaymentState::CancelledLate) {
                    known.cancelled.insert(key);
                }
            }
        }
        Ok(known)
    }

    /// A value commit as the books name it.
    fn key(&self, purse: &str, nv: u32) -> Result<Key, Error> {
        let provider = self.scheme.provider.to_string();
        let number = purse.strip_prefix(&provider).and_then(|rest| rest.strip_prefix('-'));
        let iep = number.and_then(|number| self.iep(number.parse().ok()?).ok());
        iep.zip(Counter::new(nv))
            .ok_or_else(|| Error::Mismatch(format!("the books name NV {nv} of a purse {purse:?}")))
    }

    fn known_to_terminals(&mut self, failed: &mut Vec<Failure>) -> Known {
        let mut known = Known::default();
        let names: Vec<_> = self.scheme.terminals.iter().map(|terminal| terminal.name.clone()).collect();
        for name in names {
            match self.records_at(&name) {
                Ok(records) => records.iter().for_each(|record| known.take(record)),
                Err(error) => failed.push(Failure::new(name, error)),
            }
        }
        known
    }

    /// All records that the PSAM of a terminal keeps.
    fn records_at(&mut self, name: &str) -> Result<Vec<BatchRecord>, Error> {
        let number = match self.start_terminal(name) {
            Err(Error::Module(..)) if self.has_no_module(name)? => return Ok(Vec::new()),
            started => started?,
        };
        let Some(terminal) = self.terminals.get_mut(&number) else { return Ok(Vec::new()) };
        let sam = terminal.sam();
        let information = sam.information()?;
        let mut records = Vec::new();
        for batch in information.oldest.get()..=information.batch.get() {
            let Some(batch) = BatchNumber::new(batch) else { break };
            let count =
                if batch == information.batch { information.entries } else { sam.trailer(batch)?.count };
            for index in 0..count {
                records.push(sam.collect(batch, index)?);
            }
        }
        Ok(records)
    }

    fn known_to_purses(&mut self, equation: &mut Equation) -> Result<Known, Error> {
        let mut known = Known::default();
        for number in self.purse_numbers() {
            let iep = self.iep(number)?;
            match self.balance_and_log(number) {
                // A purse that was deleted held no value, and what it did is in the books.
                Ok(None) => {}
                Ok(Some((balance, log))) => {
                    equation.balances += i64::from(balance.0);
                    equation.purses += 1;
                    log.iter().for_each(|line| known.note(iep, line.kind, line.nv, line.amount.get()));
                }
                Err(error) => {
                    equation.unread += 1;
                    // Nobody can do anything about a card that is TERMINATED.
                    let failure = Failure::new(format!("purse {number}"), &error);
                    equation.failed.extend(Some(failure).filter(|_| !matches!(error, Error::Terminated(_))));
                }
            }
        }
        Ok(known)
    }

    /// What a purse says of itself; nothing where it was deleted.
    fn balance_and_log(&mut self, number: u64) -> Result<Option<(Balance, Vec<LogLine>)>, Error> {
        let Some(mut card) = self.personalised_card(number)? else { return Ok(None) };
        Ok(Some((card.balance()?.balance, card.log()?)))
    }
}

impl Known {
    /// A record of a PSAM.
    fn take(&mut self, record: &BatchRecord) {
        let entry = &record.value.entry;
        let moved = matches!(record.outcome, Outcome::Credited | Outcome::Receipt | Outcome::Voided);
        if let Some(nv) = entry.nv().filter(|_| moved) {
            self.note(record.value.identity.iep, entry.kind, nv, entry.order.amount.get());
        }
    }

    fn note(&mut self, iep: IepId, kind: Kind, nv: Counter, amount: u32) {
        match kind {
            Kind::Purchase => drop(self.purchases.insert((iep, nv), i64::from(amount))),
            // It takes back the value commit right before.
            Kind::Cancellation => {
                let before = nv.get().checked_sub(1).and_then(Counter::new);
                self.cancelled.extend(before.map(|before| (iep, before)));
            }
            Kind::Load | Kind::Unload => drop(self.transfers.insert((iep, nv))),
            Kind::Recovery => {}
        }
    }
}
