//! A world of cards, terminals and a background system, in a directory.
//!
//! [`world`] keeps it and carries out what a person at a terminal does; [`collection`]
//! moves batches and acknowledgements, [`delivery`] those that a transfer card brings, and
//! [`failure`] says who could not do their part; [`day`] is a business day, [`replay`] lives real
//! statements on our cards; [`issuance`] is the personalisation line; [`equation`] counts the
//! money on both sides. [`model`] is the whole system without keys and bytes, the oracle of
//! [`faults`] and of the tests.
//!
//! *Now* is an argument and randomness comes in from outside, so that the same seed
//! gives the same day.

pub mod authority;
pub mod collection;
pub mod day;
pub mod delivery;
pub mod equation;
pub mod error;
pub mod failure;
pub mod faults;
pub mod gang;
pub mod issuance;
pub mod model;
pub mod replay;
pub mod scheme;
pub mod statement;
pub mod weaken;
pub mod world;

pub use error::Error;
pub use scheme::Scheme;
pub use world::World;
