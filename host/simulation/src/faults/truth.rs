//! What is true: the abstract [`Model`], told what cards, PSAMs and the background system
//! have committed, and the first thing that must not be.
//!
//! Cards are asked where they stand after each command that may have committed something,
//! and once more after power has failed; the background system after each message. What has
//! changed becomes an event of the model; what the model refuses must not have happened; and
//! where the model stands afterwards, card and books must stand as well: a cent that was made
//! shows at the step that made it.
//!
//! Amounts of the model are those of orders (the answers of PSAMs and of the background
//! system), balances are compared with those of cards. What the model does not know stays
//! here: what terminals believe, who shows evidence to whom, and which number the load
//! terminal gave its orders, which only the books check. Settlement is the books' own as well.

use std::collections::{BTreeMap, BTreeSet};

use apdu_spec::element::{Kind as Wire, Random};

use super::tally::Tally;
use crate::model::{Commit, Event, Kind, Minor, Model, Purchase, Refused, Session};

/// An order that a purse was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ordered {
    /// What was ordered.
    pub kind: Kind,
    /// Minor units; nothing of a cancellation.
    pub amount: Minor,
    /// The purchase that a PSAM ordered.
    pub purchase: Option<Purchase>,
}

/// Where a purse shows that it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Sessions.
    pub nt: usize,
    /// Value commits.
    pub nv: usize,
    /// Receipts held.
    pub receipts: usize,
    /// Minor units.
    pub balance: Minor,
}

/// The model and what it disagrees with.
#[derive(Debug, Default)]
pub struct Truth {
    /// What is true.
    pub model: Model,
    /// Loads and unloads of which the issuer does not know what became.
    pub pending: Vec<Session>,
    /// Sessions of which the load terminal says that they move no value.
    not_moved: BTreeSet<Session>,
    /// The challenge that each purse was asked for in its session.
    challenges: BTreeMap<Session, Random>,
    /// Orders that each PSAM has given, and the number of the last one.
    orders: BTreeMap<usize, (u64, usize)>,
    /// The first thing that must not be.
    pub violation: Option<String>,
}

impl Truth {
    /// Something was committed. What the model refuses must not have happened.
    pub fn tell(&mut self, event: Event) {
        if let Err(refused) = self.model.apply(event) {
            self.violate(|| format!("{event:?} must not have happened: {}", reason(refused)));
        }
    }

    /// Notes what must not be; the first one counts.
    pub fn violate(&mut self, text: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(text());
        }
    }

    /// Something that must be.
    pub fn must(&mut self, is_so: bool, text: impl FnOnce() -> String) {
        if !is_so {
            self.violate(text);
        }
    }

    /// A purse has answered INITIALIZE IEP to whoever asked with this challenge.
    pub fn stated(&mut self, purse: usize, nt: usize, challenge: Random) {
        self.tell(Event::SessionOpened { purse });
        self.challenges.insert((purse, nt), challenge);
        let now = self.model.purses[purse].nt;
        self.must(nt == now, || format!("purse {purse} states session {nt}; it must be {now}"));
    }

    /// A purse shows where it stands, after it was given this order.
    pub fn seen(&mut self, purse: usize, stands: Standing, ordered: Option<Ordered>) {
        // A session counts even where power failed before S1 left.
        if stands.nt == self.model.purses[purse].nt + 1 {
            self.tell(Event::SessionOpened { purse });
        }
        if let Some(ordered) = ordered {
            self.answered(purse, stands.nv, ordered);
        }
        let known = &self.model.purses[purse];
        let (nv, balance) = (known.log.len(), known.balance);
        let receipts = nv - known.freed();
        self.must((stands.nv, stands.receipts, stands.balance) == (nv, receipts, balance), || {
            format!("purse {purse}: {stands:?}; it must have NV {nv}, {receipts} receipts, balance {balance}")
        });
    }

    /// A purse that stands at `nv` now has carried an order out or not.
    fn answered(&mut self, purse: usize, nv: usize, ordered: Ordered) {
        if nv != self.model.purses[purse].log.len() + 1 {
            return self.tell(Event::SessionEnded { purse });
        }
        let cancels = ordered.kind == Kind::Cancellation;
        self.tell(if cancels { Event::Cancelled { purse } } else { Event::Executed { purse } });
        let last = self.model.purses[purse].log.last().copied();
        let late = last.map(|entry| (purse, entry.nt)).filter(|session| self.not_moved.contains(session));
        self.must(late.is_none(), || {
            format!("{late:?} moves value after the load terminal said it does not")
        });
        let done = last.map(|entry| entry.order);
        let same = done.is_some_and(|done| {
            let Ordered { kind, amount, purchase } = ordered;
            done.kind == kind && (cancels || (done.amount, done.purchase) == (amount, purchase))
        });
        self.must(same, || {
            format!("purse {purse}, NV {nv}: {ordered:?} was not what it was to do: {done:?}")
        });
    }

    /// Where a PSAM shows that it stands: purchases, open batch, oldest batch.
    pub fn sam_seen(&mut self, sam: usize, stands: [usize; 3]) {
        let known = &self.model.sams[sam];
        let must = [known.openings.len(), known.closed.len() + 1, known.forgotten + 1];
        self.must(stands == must, || format!("PSAM {sam}: NT, batch, oldest {stands:?}; must be {must:?}"));
    }

    /// An order of a PSAM has left, or was lost with its answer; its number, where it was seen.
    pub fn ordered(&mut self, sam: usize, session: Session, number: Option<usize>) {
        let openings = self.model.sams[sam].openings.iter();
        let place = openings.rev().position(|of| of.session == session);
        let known = place.map(|back| self.model.sams[sam].openings.len() - back);
        self.must(number.is_none() || number == known, || {
            format!("PSAM {sam} gave an order of {session:?} number {number:?}; it must be {known:?}")
        });
        let orders = self.orders.entry(sam).or_default();
        *orders = (orders.0 + 1, known.unwrap_or_default());
    }

    /// How many orders a PSAM has given, and the number of the last one.
    #[must_use]
    pub fn orders(&self, sam: usize) -> (u64, usize) {
        self.orders.get(&sam).copied().unwrap_or_default()
    }

    /// Whether a purchase was debited, and its amount.
    fn debited(&self, purchase: Purchase) -> Option<Minor> {
        let entry = self.model.entry(self.model.debited(purchase)?);
        entry.ok().map(|entry| entry.order.amount)
    }

    /// A terminal believes that this purchase was paid.
    pub fn believed(&mut self, purchase: Purchase, amount: Minor) {
        let debited = self.debited(purchase);
        self.must(debited == Some(amount), || {
            format!(
                "a terminal believes that purchase {purchase:?} was paid with {amount}; it was {debited:?}"
            )
        });
    }

    /// A terminal believes that this purchase was not paid, and never will be.
    pub fn disbelieved(&mut self, purchase: Purchase) {
        let open = self.model.opening(purchase).is_ok_and(|of| {
            let purse = &self.model.purses[of.session.0];
            purse.in_session && purse.nt == of.session.1
        });
        let debited = self.debited(purchase).is_some();
        self.must(!debited && !open, || {
            format!("a terminal believes that purchase {purchase:?} was never paid: {debited}, {open}")
        });
    }

    /// A terminal says that it has sent no order to the purse.
    pub fn not_sent(&mut self, purchase: Purchase) {
        let debited = self.debited(purchase).is_some();
        self.must(!debited, || {
            format!("a terminal says that it has not sent order {purchase:?}; it was paid")
        });
    }

    /// The load terminal says that what it began with this challenge moved no value, and never
    /// will. The number of the session may be a line's invention; then there is no such session.
    pub fn not_moved(&mut self, session: Session, challenge: Random) {
        if self.challenges.get(&session) != Some(&challenge) {
            return;
        }
        self.not_moved.insert(session);
        let moved = self.model.purses[session.0].log.iter().any(|entry| entry.nt == session.1);
        self.must(!moved, || format!("the load terminal says that session {session:?} moved no value"));
    }

    /// Somebody shows evidence of a value commit that was verified.
    pub fn shown(&mut self, who: &str, commit: Commit, kind: Option<Kind>, amount: u32) {
        let order = self.model.entry(commit).ok().map(|entry| entry.order);
        let same = order.is_some_and(|order| (Some(order.kind), order.amount) == (kind, amount.into()));
        self.must(same, || format!("{who} has taken {commit:?} as {kind:?} {amount}; it is {order:?}"));
    }

    /// What payments, loads and unloads there were, and the terms of the equation.
    pub fn count(&self, tally: &mut Tally) {
        for (_, entry) in self.model.commits() {
            match entry.order.kind {
                Kind::Purchase => tally.payments += 1,
                Kind::Cancellation => tally.cancelled += 1,
                Kind::Load => tally.loads += 1,
                Kind::Unload => tally.unloads += 1,
            }
        }
        let equation = self.model.equation();
        (tally.loaded, tally.unloaded) = (equation.loaded, equation.unloaded);
        (tally.balances, tally.paid) = (equation.balances, equation.payments);
    }

    /// A number that stands for all value commits, in order (FNV-1a).
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut digest = 0xCBF2_9CE4_8422_2325_u64;
        let mut take = |number: u64| digest = (digest ^ number).wrapping_mul(0x0100_0000_01B3);
        for (_, entry) in self.model.commits() {
            let (sam, nt) = entry.order.purchase.unwrap_or_default();
            let numbers = [entry.order.kind as u64, entry.order.amount.unsigned_abs(), sam as u64, nt as u64];
            numbers.into_iter().for_each(&mut take);
        }
        digest
    }
}

const fn reason(refused: Refused) -> &'static str {
    match refused {
        Refused::Unknown => "it names what does not exist",
        Refused::NoSession => "no session is open that has such an order",
        Refused::OutOfBounds => "a balance is below its floor or above its maximum",
        Refused::Conflict => "something else was done under this name before",
        Refused::Untrue => "it states what is not so",
        Refused::EvidenceLost => "the last evidence of a value commit is forgotten",
    }
}

/// What moves value, in the model's words.
#[must_use]
pub const fn kind(kind: Wire) -> Option<Kind> {
    match kind {
        Wire::Load => Some(Kind::Load),
        Wire::Unload => Some(Kind::Unload),
        Wire::Purchase => Some(Kind::Purchase),
        Wire::Cancellation => Some(Kind::Cancellation),
        Wire::Recovery => None,
    }
}

/// Purses count from 1 on the wire and from 0 here; number 0, which is nobody's, is none here either.
#[must_use]
pub fn purse_of(number: u64) -> usize {
    number.checked_sub(1).and_then(|index| usize::try_from(index).ok()).unwrap_or(usize::MAX)
}

/// So do PSAMs.
#[must_use]
pub const fn sam_of(number: u32) -> usize {
    (number as usize).wrapping_sub(1)
}

#[test]
fn the_number_of_nobody_is_no_place() {
    assert_eq!((purse_of(4), sam_of(4)), (3, 3));
    assert_eq!((purse_of(0), sam_of(0)), (usize::MAX, usize::MAX), "a garbled message names it");
}
