//! The whole system without keys, bytes, messages, time or limits of memory: what the
//! design (sections 6 and 9) says of value, and nothing else. The oracle of every layer.
//!
//! A driver tells it what happened ([`Event`]). What the design forbids is [`Refused`] and
//! leaves the model as it was; so a system that lies, or does what it must not, is found at
//! that step. [`oracle`] answers for value: the money equation, completeness, and whether a
//! line of some ledger stands for a true event.
//!
//! Purses and PSAMs count from 0 in the order of their issue; NT, NV and batches from 1, as
//! on the cards. [`cards`] are the rules of what is on cards, [`books`] those of the
//! background system. One issuer, one currency, no offline loads.

pub mod books;
pub mod cards;
pub mod oracle;
#[cfg(test)]
mod tests;

use books::Books;
use cards::{Purse, Sam};

/// Minor units.
pub type Minor = i64;
/// A value commit: purse and NV.
pub type Commit = (usize, u32);
/// A session: purse and NT.
pub type Session = (usize, u32);
/// A purchase as its PSAM counts: PSAM and NT_PSAM.
pub type Purchase = (usize, u32);

/// What a value commit is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Value comes from an account.
    Load,
    /// Value goes back to the holder.
    Unload,
    /// Value is spent.
    Purchase,
    /// The purchase right before is taken back.
    Cancellation,
}

/// What happens in the world, each at the moment when it is committed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // the fields are numbers, as the module says
pub enum Event {
    /// A purse is issued, the next number.
    PurseIssued { maximum: Minor, overdraft: Minor },
    /// A PSAM is installed, the next number.
    SamInstalled,
    /// INITIALIZE IEP: NT is used up, S1 leaves; an older session is over.
    SessionOpened { purse: usize },
    /// GET PREVIOUS, a refused order, SELECT, loss of power: the session of the purse is over.
    SessionEnded { purse: usize },
    /// The issuer's S2 leaves (again), an approval or a refusal. `freed`: receipts up to this
    /// NV are taken over.
    Authorised { session: Session, kind: Kind, amount: Minor, approved: bool, freed: u32 },
    /// The purse carries out the approved load or unload of its session.
    Transferred { purse: usize },
    /// The purse's S6 over a load or unload comes in (again) from its terminal.
    Reported { commit: Commit },
    /// The background system concludes from a later word of the purse what became of a transfer.
    Concluded { session: Session, moved: bool },
    /// INITIALIZE PSAM: S1 is good, S2 leaves; the next NT_PSAM.
    PurchaseOpened { sam: usize, session: Session, amount: Minor, freed: u32 },
    /// DEBIT IEP: the purse carries out the order of its session.
    Debited { purse: usize },
    /// CREDIT PSAM: S3 is good.
    Credited { purchase: Purchase },
    /// PSAM COMPLETE: the purse says that it was never debited.
    Completed { purchase: Purchase },
    /// An open purchase becomes a claim.
    Claimed { purchase: Purchase },
    /// PSAM STORE RECEIPT.
    ReceiptStored { sam: usize, commit: Commit },
    /// PSAM CANCEL PURCHASE: the void is committed, the secret leaves (again).
    Voided { purchase: Purchase },
    /// CREDIT IEP for Cancellation.
    Cancelled { purse: usize },
    /// The PSAM closes its batch; what is still open becomes a claim.
    BatchClosed { sam: usize },
    /// A closed batch is stored by the background system (again).
    BatchArrived { sam: usize, batch: u32 },
    /// The PSAM forgets a batch on the word that it is stored (again).
    Acknowledged { sam: usize, batch: u32 },
    /// The background system closes a claim as never debited.
    ClaimClosed { purchase: Purchase },
    /// The merchant is paid.
    Settled { commit: Commit },
    /// Purchases opened from now on are exceptions.
    Hotlisted { purse: usize },
    /// Nobody will ever read this purse again.
    PurseDestroyed { purse: usize },
    /// Nobody will ever read this PSAM again; copies of its closed batches may exist.
    SamDestroyed { sam: usize },
    /// The shadow balance of a dead purse is paid to its holder.
    Refunded { purse: usize },
}

/// Why something must not have happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refused {
    /// No such purse, PSAM, session, purchase, batch or transfer.
    Unknown,
    /// The card does not exist any more.
    Dead,
    /// The session is over, or has no order.
    NoSession,
    /// A balance would leave its range.
    OutOfBounds,
    /// Something else was done under this name before.
    Conflict,
    /// It states what is not so.
    Untrue,
    /// The last evidence of a value commit would be forgotten.
    EvidenceLost,
}

/// The system.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Model {
    /// All purses, by number.
    pub purses: Vec<Purse>,
    /// All PSAMs, by number.
    pub sams: Vec<Sam>,
    /// The background system.
    pub books: Books,
}

impl Model {
    /// Something has happened. What is refused changes nothing.
    pub fn apply(&mut self, event: Event) -> Result<(), Refused> {
        match event {
            Event::PurseIssued { maximum, overdraft } => self.issue(maximum, overdraft),
            Event::SamInstalled => self.sams.push(Sam::new()),
            Event::SessionOpened { purse } => self.live_purse(purse)?.open_session(),
            Event::SessionEnded { purse } => self.live_purse(purse)?.end_session(),
            Event::Authorised { session, kind, amount, approved, freed } => {
                self.authorise(session, kind, amount, approved, freed)?;
            }
            Event::Transferred { purse } => self.transfer(purse)?,
            Event::Reported { commit } => self.report(commit)?,
            Event::Concluded { session, moved } => self.conclude(session, moved)?,
            Event::PurchaseOpened { sam, session, amount, freed } => {
                self.open_purchase(sam, session, amount, freed)?;
            }
            Event::Debited { purse } => self.debit(purse)?,
            Event::Credited { purchase } => self.credit(purchase)?,
            Event::Completed { purchase } => self.complete(purchase)?,
            Event::Claimed { purchase } => self.claim(purchase)?,
            Event::ReceiptStored { sam, commit } => self.store_receipt(sam, commit)?,
            Event::Voided { purchase } => self.void(purchase)?,
            Event::Cancelled { purse } => self.cancel(purse)?,
            Event::BatchClosed { sam } => self.live_sam(sam)?.close_batch(),
            Event::BatchArrived { sam, batch } => self.arrive(sam, batch)?,
            Event::Acknowledged { sam, batch } => self.acknowledge(sam, batch)?,
            Event::ClaimClosed { purchase } => self.close_claim(purchase)?,
            Event::Settled { commit } => self.books.settle(commit)?,
            Event::Hotlisted { purse } => self.known_purse(purse)?.hotlisted = true,
            Event::PurseDestroyed { purse } => self.live_purse(purse)?.destroy(),
            Event::SamDestroyed { sam } => self.live_sam(sam)?.alive = false,
            Event::Refunded { purse } => self.refund(purse)?,
        }
        Ok(())
    }

    fn known_purse(&mut self, purse: usize) -> Result<&mut Purse, Refused> {
        self.purses.get_mut(purse).ok_or(Refused::Unknown)
    }

    fn live_purse(&mut self, purse: usize) -> Result<&mut Purse, Refused> {
        let purse = self.known_purse(purse)?;
        if purse.alive { Ok(purse) } else { Err(Refused::Dead) }
    }

    fn live_sam(&mut self, sam: usize) -> Result<&mut Sam, Refused> {
        let sam = self.sams.get_mut(sam).ok_or(Refused::Unknown)?;
        if sam.alive { Ok(sam) } else { Err(Refused::Dead) }
    }
}

/// The condition under which something may happen.
const fn demand(condition: bool, otherwise: Refused) -> Result<(), Refused> {
    if condition { Ok(()) } else { Err(otherwise) }
}
