//! Management: who takes part, what is issued, which keys are in use, what takes two people.

pub mod approvals;
pub mod hotlist;
pub mod issuance;
pub mod keys;
pub mod modules;
pub mod operators;
pub mod participants;
