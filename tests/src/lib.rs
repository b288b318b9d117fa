//! What the system's tests and benchmarks share: [`scheme`] is who takes part, [`chip`]
//! a card's memory in RAM that counts what is written, [`till`] purses and PSAMs in this
//! process with the bytes that pass between them, [`personalisation`] the line that makes
//! purses, [`records`] batches made without any card, [`ram`] the size of a card, [`relay`]
//! who sits between a terminal and a card, [`explore`] an explorer of state machines.

#![allow(clippy::cast_precision_loss)] // averages of counts

pub mod chip;
pub mod explore;
pub mod personalisation;
pub mod ram;
pub mod records;
pub mod relay;
pub mod scheme;
pub mod till;
