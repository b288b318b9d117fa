//! Clearing: value that moved.
//!
//! `intake` takes a batch in, `seal` checks that it is whole and `sequence` that it follows the
//! one before, `verify` recomputes every MAC, `post` books what is good and `deduplicate` sees that it
//! counts once; `claims` and `cancellation` handle what needs other evidence first; [`exception`]
//! names what cannot be booked. [`settle`], `net` and [`reconcile`] come after.
//!
//! What a purse says of itself is believed as far as its keys reach: `statement` holds it against
//! what is known (`continuity`), and [`guarantee`] says who bears a payment that nothing covers.
//! A payment is owed to its merchant once its own PSAM has handed it in, or is `lost` and the
//! payment final.
//!
//! The secret that cancels a payment protects nobody from who has the purchase key of a group: whoever
//! makes S2 chooses the commitment in it, and can so have a purse pay under another PSAM's name and take
//! it back with a secret of his own. It is worth nothing only because that PSAM has never handed it in.
//!
//! A batch is one transaction: records, ledger, shadow balances and claims are stored
//! together or not at all, and the acknowledgement leaves after that.

pub(crate) mod booking;
pub(crate) mod cancellation;
pub(crate) mod claims;
mod continuity;
pub(crate) mod deduplicate;
pub mod exception;
pub mod guarantee;
pub(crate) mod intake;
pub(crate) mod lost;
pub(crate) mod net;
pub(crate) mod post;
pub(crate) mod rate;
pub mod reconcile;
pub(crate) mod release;
pub(crate) mod seal;
mod sequence;
pub mod settle;
pub(crate) mod statement;
pub(crate) mod verify;
