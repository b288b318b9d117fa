//! Double-entry ledger: every movement is one immutable posting from one account to
//! another, posted once by the key of its event.

pub mod account;
pub mod chart;
pub mod equation;
pub mod posting;
