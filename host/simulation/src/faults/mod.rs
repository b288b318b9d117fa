//! A simulator of the whole system in which everything goes wrong, from one seed.
//!
//! Real cards on chips that lose power at any byte, real terminals, the real messages as
//! bytes, the real background system on SQLite in memory. What is simulated is what they
//! stand on: [chip], readers ([slot], [purse], [psam]), [disk], [link], couriers (`courier`), and people, honest
//! ([`steps`]) and not ([`people`]; `crooks`, [`opened`]).
//!
//! The oracle is the abstract [model](crate::model): cards and books are asked what they have
//! committed, that is told to it ([`truth`]), and what it refuses must not have happened; no
//! cent may be made or lost, whoever believes in a payment is right. Now and then and at the
//! end all books are held against it ([`audit`]); at the end everything settles within a bound
//! ([`drain`]). What fails is made smaller ([`shrink`]).
//!
//! No clock, no thread, no order of a hash map decides anything: the same [`run::Plan`] gives
//! the same run.

pub mod audit;
mod books;
pub mod campaign;
pub mod chance;
pub mod chip;
mod courier;
mod crooks;
pub mod disk;
pub mod drain;
pub mod fate;
pub mod link;
mod middle;
pub mod opened;
pub mod people;
pub mod psam;
pub mod purse;
pub mod rates;
pub mod run;
pub mod shrink;
pub mod site;
pub mod slot;
pub mod steps;
pub mod system;
pub mod tally;
pub mod truth;

pub use rates::{Fault, Rates};
pub use run::{Outcome, Plan, Violation, run};
pub use tally::Tally;
