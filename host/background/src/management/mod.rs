//! Management: who takes part, what is issued, which keys are in use.

pub mod hotlist;
pub mod issuance;
pub mod keys;
pub mod participants;
