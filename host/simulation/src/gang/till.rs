//! Money that leaves, and what may leave: counted from settlements, from accounts as the books hold
//! them, from the attendant's cash, and on the cards themselves.

use std::collections::BTreeMap;

use apdu_spec::element::{Amount, Kind, SamCounter};
use background::clearing::exception::Reason;
use background::store::commits::CommitState;
use background::store::transfers::TransferState;
use host::card::purse::PurseCard;
use host::terminal::load::{Funding, Transfer};
use host::terminal::transfer_journal::TransferIntent;

use super::Outcome;
use super::town::{GUARANTEED, HONEST_PLACES, HONEST_PURSES, Town};
use crate::Error;
use crate::faults::truth::purse_of;

/// Batches sent back that the background system keeps of one module: anybody can send them.
const KEPT_OF_A_MODULE: usize = 64;

/// What is counted.
#[derive(Debug, Default)]
pub struct Till {
    copies: bool,
    /// Paid to merchants, by number, minor units.
    settled: BTreeMap<u32, i64>,
    /// What honest merchants have sold, by place and payment.
    sold: BTreeMap<(usize, SamCounter), i64>,
    /// The most that copies have taken.
    taken: i64,
    /// Batches that have been taken in, of all PSAMs.
    batches: i64,
    /// The first thing that must not be.
    pub violation: Option<String>,
}

impl Till {
    /// Nothing has been counted; copies of purses may be about.
    #[must_use]
    pub fn new(copies: bool) -> Self {
        Self { copies, ..Self::default() }
    }

    /// What must not be; the first one counts.
    pub fn violate(&mut self, text: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(text());
        }
    }

    fn must(&mut self, is_so: bool, text: impl FnOnce() -> String) {
        if !is_so {
            self.violate(text);
        }
    }

    /// An honest merchant believes that he was paid, and hands the goods over.
    pub fn sold(&mut self, payment: (usize, SamCounter), amount: Amount) {
        self.sold.insert(payment, amount.get().into());
    }

    /// He has the goods back.
    pub fn taken_back(&mut self, payment: (usize, SamCounter)) {
        self.sold.remove(&payment);
    }

    /// A payment that somebody may bring back.
    #[must_use]
    pub fn some_sale(&self, place: impl FnOnce(usize) -> usize) -> Option<(usize, SamCounter)> {
        self.sold.keys().nth(place(self.sold.len())).copied()
    }

    /// A load or unload has ended at the attendant's terminal: cash leaves as his screen says, and has
    /// to leave in the books.
    pub fn attended(&mut self, town: &mut Town, end: &Transfer) -> Result<(), Error> {
        use TransferState as S;
        let kept = |intent: &TransferIntent, town: &mut Town| town.books().transfer(intent.iep, intent.nt);
        match end {
            Transfer::Done(intent) if intent.kind == Kind::Unload => {
                let known =
                    kept(intent, town)?.filter(|known| is_this(known.request.counterpart.challenge, intent));
                let booked = known.is_some_and(|known| matches!(known.state, S::Confirmed | S::Complete));
                self.must(booked, || format!("{intent:?} was paid out, and the books do not know it"));
            }
            Transfer::Refused(intent, _) if intent.kind == Kind::Load && intent.funding == Funding::Cash => {
                let known =
                    kept(intent, town)?.filter(|known| is_this(known.request.counterpart.challenge, intent));
                let moved = known.is_some_and(|known| !matches!(known.state, S::Reversed | S::Refused));
                self.must(!moved, || format!("{intent:?} was given back, and the books count it"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Merchants are paid.
    pub fn settle(&mut self, town: &mut Town) -> Result<(), Error> {
        let now = town.system.now;
        for line in town.books().settle(now)?.merchants {
            *self.settled.entry(line.merchant).or_default() += line.total.minor;
        }
        self.count(town)
    }

    /// What was paid out and what a purse holds is not more than what was paid in for it, and what copies
    /// may cost. The books say for which purse; what has left says that it was so much.
    pub fn count(&mut self, town: &mut Town) -> Result<(), Error> {
        self.batches = i64::try_from(town.stored.len()).unwrap_or(i64::MAX);
        let mut paid_out = vec![0; town.cards.purses()];
        let mut voided = paid_out.clone();
        let mut all = 0;
        town.books().commits(|iep, line| {
            if matches!(line.state, CommitState::Settled | CommitState::CancelledLate) {
                let minor = i64::from(line.amount.get());
                all += minor;
                paid_out[purse_of(iep.number.get())] += minor;
            } else if line.state == CommitState::Voided {
                voided[purse_of(iep.number.get())] += i64::from(line.amount.get());
            }
        })?;
        for (line, voided) in town.books().purses()?.iter().zip(voided) {
            let overdrawn = line.shadow.minor < -voided - i64::from(line.overdraft);
            self.must(!overdrawn || line.hotlisted, || {
                format!("purse {} has paid more than it had, and nobody takes notice: {line:?}", line.purse)
            });
        }
        let settled: i64 = self.settled.values().sum();
        self.must(all == settled, || format!("{settled} has been settled; the books say {all}"));
        let transfers = town.transferred()?;
        for (purse, (out, paid_in)) in paid_out.into_iter().zip(transfers).enumerate() {
            let balance = PurseCard::select(&mut town.cards.hand(purse))?.balance()?.balance;
            let gained = out + i64::from(balance.0) - paid_in;
            self.taken = self.taken.max(gained);
            let bound = self.bound();
            self.must(gained <= bound, || {
                format!("purse {purse}: {out} settled and {balance:?} on the card, {paid_in} paid in; {bound} more may be")
            });
        }
        Ok(())
    }

    /// What copies may cost: in each batch that was taken in, what one purse is guaranteed there.
    fn bound(&self) -> i64 {
        let guaranteed = i64::from(GUARANTEED.get()) * self.batches;
        if self.copies { guaranteed } else { 0 }
    }

    /// What must be so at the end, when everybody honest has brought in what he has.
    pub fn close(&mut self, town: &mut Town) -> Result<(), Error> {
        self.count(town)?;
        for (at, merchant) in town.merchants.clone().into_iter().enumerate() {
            let sold: i64 =
                self.sold.iter().filter(|((place, _), _)| *place == at).map(|(_, minor)| minor).sum();
            let settled = self.settled.get(&merchant.0).copied().unwrap_or_default();
            let short = sold - settled;
            let place = HONEST_PLACES[at];
            self.must(short <= 0 || self.copies, || {
                format!("the honest merchant at {place} is short of {short}")
            });
        }
        let lines = town.books().purses()?;
        for (index, line) in lines.iter().enumerate() {
            let honest = index < HONEST_PURSES;
            self.must(!honest || !line.hotlisted, || {
                format!("the honest purse {} is on the hotlist", line.purse)
            });
        }
        let mut kept: BTreeMap<String, usize> = BTreeMap::new();
        for line in town.books().exceptions()? {
            if line.purse.is_none() && Reason::REFUSALS.iter().any(|reason| reason.code() == line.reason) {
                *kept.entry(line.sam.unwrap_or_default()).or_default() += 1;
            }
        }
        let most = kept.values().max().copied().unwrap_or_default();
        self.must(most <= KEPT_OF_A_MODULE, || format!("{most} refused batches are kept of one module"));
        Ok(())
    }

    /// How it ended after this move.
    #[must_use]
    pub fn outcome(self, number: u64, town: &Town) -> Outcome {
        let (taken, bound) = (self.taken, self.bound());
        Outcome {
            violation: self.violation.map(|text| (number, text)),
            sent: town.watch().sent(),
            taken,
            bound,
        }
    }
}

/// Whether a transfer in the books is the one that the attendant began.
fn is_this(challenge: apdu_spec::element::Random, intent: &TransferIntent) -> bool {
    challenge == intent.challenge
}
