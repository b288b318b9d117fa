//! Clearing: value that moved.
//!
//! `intake` takes a batch in, `seal` checks that it is whole, `verify` recomputes
//! every MAC, `post` books what is good and `deduplicate` sees that it counts once;
//! `claims` and `cancellation` handle what needs other evidence first; [`exception`]
//! names what cannot be booked. [`settle`], `net` and [`reconcile`] come after.
//!
//! A batch is one transaction: records, ledger, shadow balances and claims are stored
//! together or not at all, and the acknowledgement leaves after that.

pub(crate) mod booking;
pub(crate) mod cancellation;
pub(crate) mod claims;
pub(crate) mod deduplicate;
pub mod exception;
pub(crate) mod intake;
pub(crate) mod net;
pub(crate) mod post;
pub mod reconcile;
pub(crate) mod release;
pub(crate) mod seal;
pub mod settle;
pub(crate) mod verify;
