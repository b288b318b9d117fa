//! What cards and their issuer check and keep, each as a switch that is on.
//!
//! A type parameter of the card, never a feature of a crate: a production card is
//! `Card<P>`, which is `Card<P, All>`, and the compiler leaves no other in. A simulation
//! that switches one off must see money made or lost; that is how its oracle is
//! tested, and how one learns what each of them is for.

use core::fmt::Debug;

use crate::record::{Position, Statement};

/// The switches. Everything is on unless a type says otherwise.
pub trait Protections: Debug + Send + 'static {
    /// All: the numbers of sessions and value commits are in K1 and under S1. Without, a
    /// purse whose generator repeats itself takes a recorded order again.
    const NUMBERS_UNDER_MAC: bool = true;
    /// Issuer: S6 is checked. Without, whoever has opened a PSAM writes payments himself.
    const CERTIFICATE_VERIFIED: bool = true;
    /// Purse: the number of a session is committed before S1 leaves.
    const SESSION_COUNTED: bool = true;
    /// Purse: S2 is checked before value moves.
    const ORDER_VERIFIED: bool = true;
    /// Purse: a purchase stays within balance and overdraft.
    const BALANCE_CHECKED: bool = true;
    /// Purse: the evidence of a value commit is kept until somebody has taken it over.
    const RECEIPT_KEPT: bool = true;
    /// PSAM: S3 is checked before a payment is credited.
    const ANSWER_VERIFIED: bool = true;
    /// PSAM: a payment is voided only where its own purse says that it was its last.
    const LAST_PURCHASE_PROVEN: bool = true;
    /// Issuer: a payment is owed to its merchant once its own PSAM has handed it in. Without, a
    /// receipt collects what that PSAM has cancelled since.
    const PAYABLE_BY_OWN_BATCH: bool = true;
    /// Issuer: load terminals complete loads and unloads alone. Without, payments come in past
    /// their PSAM, which may have cancelled them.
    const TRANSFERS_ALONE_COMPLETED: bool = true;
    /// Issuer: what a purse states is held against what is known of it, and what it has paid against
    /// what it can have had. Without, copies of a purse pay for ever.
    const CONTINUITY_CHECKED: bool = true;
    /// Issuer: what waits for its evidence, and what is kept of refusals, is bounded. Without,
    /// whoever sends messages fills the database.
    const BOUNDED_WAITING: bool = true;
    /// PSAM: a batch is forgotten only on the word of the background system.
    const ACKNOWLEDGEMENT_VERIFIED: bool = true;

    /// What K1 and S1 cover of a statement: all of it.
    #[inline]
    #[must_use]
    fn covered(statement: Statement) -> Statement {
        if Self::NUMBERS_UNDER_MAC { statement } else { unnumbered(statement) }
    }
}

/// A statement without the numbers that rise.
#[must_use]
pub fn unnumbered(statement: Statement) -> Statement {
    let (nt, nv, nv_load, nv_cancellation) = Default::default();
    let position = Position { nt, nv, nv_load, nv_cancellation, receipts: 0, ..statement.position };
    Statement { position, ..statement }
}

/// Everything on: a production card.
#[derive(Clone, Copy, Debug)]
pub enum All {}

impl Protections for All {}
