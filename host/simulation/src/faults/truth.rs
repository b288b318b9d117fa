//! What is true: a small ledger that is told what cards have committed and what PSAMs and
//! the background system have said, and that notes the first thing that must not be.
//!
//! Left and right of the money equation come from different places. Amounts are those of
//! orders (the answers of PSAMs and of the background system), balances those of cards. A
//! value commit must carry out one order, once; whoever believes in a payment must be right;
//! evidence is forgotten only once it is stored.

use std::collections::{BTreeMap, BTreeSet};

use apdu_spec::element::Kind;

use super::tally::Tally;

/// A value commit of a purse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Commit {
    /// What it was.
    pub kind: Kind,
    /// Minor units.
    pub amount: u32,
    /// Who ordered: the number of the PSAM or load terminal.
    pub sam: u32,
    /// Its number of the transaction.
    pub nt_sam: u32,
    /// A purchase that the purse has taken back.
    pub cancelled: bool,
}

/// The order that a purse was about to carry out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ordered {
    /// What was ordered.
    pub kind: Kind,
    /// Minor units.
    pub amount: u32,
    /// Counterpart of the session.
    pub sam: u32,
    /// Its number of the transaction.
    pub nt_sam: u32,
    /// NT of the session.
    pub nt: u32,
}

/// A purse.
#[derive(Clone, Debug, Default)]
pub struct PurseTruth {
    /// Value commits, by NV from 1.
    pub commits: Vec<Commit>,
    /// Minor units.
    pub balance: i64,
    overdraft: i64,
    /// Nobody will ever read it again.
    pub lost: bool,
}

/// A purchase that a PSAM has ordered.
#[derive(Clone, Copy, Debug)]
struct Opening {
    purse: usize,
    amount: u32,
    debited: bool,
    completed: bool,
    /// The PSAM may have voided it: power failed before it said so.
    perhaps_voided: bool,
    voided: bool,
}

/// A load or unload that was approved.
#[derive(Clone, Copy, Debug)]
struct Approved {
    kind: Kind,
    amount: u32,
    done: bool,
}

/// The ledger.
#[derive(Debug, Default)]
pub struct Truth {
    /// Purses, by number from 0.
    pub purses: Vec<PurseTruth>,
    openings: BTreeMap<u32, Vec<Option<Opening>>>,
    approved: BTreeMap<(usize, u32), Approved>,
    stored: BTreeSet<(u32, u32)>,
    /// Committed by purses, after the amounts of the orders.
    pub loaded: i64,
    /// The same of unloads.
    pub unloaded: i64,
    /// The same of purchases, less those that were taken back.
    pub paid: i64,
    /// Sum of the balances of all cards, lost ones included.
    pub balances: i64,
    /// The first thing that must not be.
    pub violation: Option<String>,
}

impl Truth {
    /// A purse is issued, the next number.
    pub fn issue(&mut self, overdraft: u32) {
        self.purses.push(PurseTruth { overdraft: overdraft.into(), ..PurseTruth::default() });
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

    /// A purse shows where it stands, after it was given this order.
    pub fn seen(&mut self, purse: usize, nv: u32, balance: i64, ordered: Option<Ordered>) {
        let known = &self.purses[purse];
        let (before, count) = (known.balance, known.commits.len());
        if nv as usize == count && balance == before {
            return;
        }
        let Some(ordered) = ordered.filter(|_| nv as usize == count + 1) else {
            return self.violate(|| {
                format!("purse {purse} went from NV {count}, balance {before}, to NV {nv}, balance {balance}")
            });
        };
        self.commit(purse, nv, balance, ordered);
    }

    fn commit(&mut self, purse: usize, nv: u32, balance: i64, ordered: Ordered) {
        let Ordered { kind, amount, sam, nt_sam, nt } = ordered;
        let amount = match kind {
            Kind::Cancellation => self.purses[purse].commits.last().map_or(0, |last| last.amount),
            _ => amount,
        };
        let delta = match kind {
            Kind::Load | Kind::Cancellation => i64::from(amount),
            _ => -i64::from(amount),
        };
        let allowed = match kind {
            Kind::Purchase => self.debit(purse, sam, nt_sam, amount),
            Kind::Cancellation => self.take_back(purse),
            _ => self.carry_out(purse, nt, kind, amount),
        };
        self.must(allowed, || {
            format!("purse {purse}, NV {nv}: {ordered:?} was not ordered so, or done before")
        });
        match kind {
            Kind::Load => self.loaded += delta,
            Kind::Unload => self.unloaded -= delta,
            _ => self.paid -= delta,
        }
        self.balances += balance - self.purses[purse].balance;
        let known = &mut self.purses[purse];
        known.balance = balance;
        known.commits.push(Commit { kind, amount, sam, nt_sam, cancelled: false });
        let floor = -known.overdraft;
        self.must(balance >= floor, || format!("purse {purse}, NV {nv}: balance {balance} is below {floor}"));
        self.balance_check();
    }

    /// The world's line of the money equation.
    pub fn balance_check(&mut self) {
        let Self { loaded, unloaded, balances, paid, .. } = *self;
        self.must(loaded - unloaded == balances + paid, || {
            format!("money: loaded {loaded} - unloaded {unloaded} is not balances {balances} + paid {paid}")
        });
    }

    fn opening(&mut self, sam: u32, nt: u32) -> Option<&mut Opening> {
        self.openings.get_mut(&sam)?.get_mut(nt as usize)?.as_mut()
    }

    /// Number of the purchase that a PSAM has ordered last.
    #[must_use]
    pub fn last_opened(&self, sam: u32) -> usize {
        self.openings.get(&sam).map_or(0, |openings| openings.len().saturating_sub(1))
    }

    fn debit(&mut self, purse: usize, sam: u32, nt: u32, amount: u32) -> bool {
        let Some(opening) = self.opening(sam, nt) else { return false };
        let first = !core::mem::replace(&mut opening.debited, true);
        first && !opening.completed && (opening.purse, opening.amount) == (purse, amount)
    }

    fn take_back(&mut self, purse: usize) -> bool {
        let Some(last) = self.purses[purse].commits.last_mut() else { return false };
        let (sam, nt) = (last.sam, last.nt_sam);
        let first = last.kind == Kind::Purchase && !core::mem::replace(&mut last.cancelled, true);
        first && self.opening(sam, nt).is_some_and(|opening| opening.voided)
    }

    fn carry_out(&mut self, purse: usize, nt: u32, kind: Kind, amount: u32) -> bool {
        let Some(approved) = self.approved.get_mut(&(purse, nt)) else { return false };
        let first = !core::mem::replace(&mut approved.done, true);
        first && (approved.kind, approved.amount) == (kind, amount)
    }

    /// A PSAM has ordered a purchase.
    pub fn opened(&mut self, sam: u32, nt: u32, purse: usize, amount: u32) {
        let openings = self.openings.entry(sam).or_default();
        let place = nt as usize;
        if openings.len() <= place {
            openings.resize(place + 1, None);
        }
        let opening =
            Opening { purse, amount, debited: false, completed: false, perhaps_voided: false, voided: false };
        let again = openings[place].replace(opening).is_some();
        self.must(!again, || format!("PSAM {sam} has used its number {nt} twice"));
    }

    /// Somebody believes that this purchase was paid.
    pub fn believed(&mut self, who: &str, sam: u32, nt: u32, amount: Option<u32>) {
        let debited = self
            .opening(sam, nt)
            .is_some_and(|opening| opening.debited && amount.is_none_or(|amount| amount == opening.amount));
        self.must(debited, || {
            format!("{who} believes that purchase {nt} of PSAM {sam} was paid; it was not")
        });
    }

    /// A terminal says that it has sent no order to the purse.
    pub fn not_sent(&mut self, sam: u32, nt: u32) {
        let debited = self.opening(sam, nt).is_some_and(|opening| opening.debited);
        self.must(!debited, || format!("terminal {sam} says that it has not sent order {nt}; it was paid"));
    }

    /// Somebody believes that this purchase was not paid, and never will be.
    pub fn disbelieved(&mut self, who: &str, sam: u32, nt: u32) {
        let debited = self.opening(sam, nt).is_some_and(|opening| {
            opening.completed = true;
            opening.debited
        });
        self.must(!debited, || {
            format!("{who} believes that purchase {nt} of PSAM {sam} was not paid; it was")
        });
    }

    /// A PSAM has voided a purchase and reveals its secret.
    pub fn voided(&mut self, sam: u32, nt: u32) {
        if let Some(opening) = self.opening(sam, nt) {
            opening.voided = true;
        }
    }

    /// A PSAM was to void a purchase, and lost power.
    pub fn perhaps_voided(&mut self, sam: u32, nt: u32) {
        if let Some(opening) = self.opening(sam, nt) {
            opening.perhaps_voided = true;
        }
    }

    /// Whether the PSAM may have voided this purchase.
    pub fn may_be_voided(&mut self, sam: u32, nt: u32) -> bool {
        self.opening(sam, nt).is_some_and(|opening| opening.voided || opening.perhaps_voided)
    }

    /// Whether a value commit is true.
    #[must_use]
    pub fn commit_of(&self, purse: usize, nv: u32) -> Option<&Commit> {
        self.purses.get(purse)?.commits.get((nv as usize).checked_sub(1)?)
    }

    /// Somebody shows evidence of a value commit that was verified.
    pub fn shown(&mut self, who: &str, purse: usize, nv: u32, kind: Kind, amount: u32) {
        let commit = self.commit_of(purse, nv).copied();
        let same = commit.is_some_and(|commit| (commit.kind, commit.amount) == (kind, amount));
        self.must(same, || {
            format!("{who} has taken NV {nv} of purse {purse} as {kind:?} {amount}; it is {commit:?}")
        });
    }

    /// The background system has approved a load or unload, perhaps again.
    pub fn authorised(&mut self, purse: usize, nt: u32, kind: Kind, amount: u32) {
        self.approved.entry((purse, nt)).or_insert(Approved { kind, amount, done: false });
    }

    /// The background system says that a batch is stored; whether for the first time.
    pub fn is_stored(&mut self, sam: u32, batch: u32) -> bool {
        self.stored.insert((sam, batch))
    }

    /// A PSAM has forgotten a batch.
    pub fn forgotten(&mut self, sam: u32, batch: u32) {
        let stored = self.stored.contains(&(sam, batch));
        self.must(stored, || format!("PSAM {sam} has forgotten batch {batch}, which is stored nowhere"));
    }
}

impl Truth {
    /// What payments, loads and unloads there were, and the terms of the equation.
    pub fn count(&self, tally: &mut Tally) {
        for commit in self.purses.iter().flat_map(|purse| &purse.commits) {
            match commit.kind {
                Kind::Purchase => tally.payments += 1,
                Kind::Cancellation => tally.cancelled += 1,
                Kind::Load => tally.loads += 1,
                Kind::Unload => tally.unloads += 1,
                Kind::Recovery => {}
            }
        }
        let Self { loaded, unloaded, balances, paid, .. } = *self;
        (tally.loaded, tally.unloaded, tally.balances, tally.paid) = (loaded, unloaded, balances, paid);
    }

    /// A number that stands for all value commits, in order (FNV-1a).
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut digest = 0xCBF2_9CE4_8422_2325_u64;
        let mut take = |number: u32| digest = (digest ^ u64::from(number)).wrapping_mul(0x0100_0000_01B3);
        for commit in self.purses.iter().flat_map(|purse| &purse.commits) {
            [commit.kind as u32, commit.amount, commit.sam, commit.nt_sam].into_iter().for_each(&mut take);
        }
        digest
    }
}
