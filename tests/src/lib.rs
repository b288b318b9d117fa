//! What the system's tests and benchmarks share: [`chip`] is a card's memory in RAM
//! that counts what is written, [`till`] is purses and PSAMs in this process with the
//! bytes that pass between them, [`records`] makes batches without any card.

pub mod chip;
pub mod records;
pub mod scheme;
pub mod till;
