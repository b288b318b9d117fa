//! Planted faults: slips that a programmer could make, each with the test that must notice.
//!
//! `list` reads them from `faults/*.toml`, `tree` keeps a copy of the sources and plants a
//! fault in it, `trial` runs the tests there and says what came of it. The list is also held
//! against the sources in every run of the tests (`tests/tests/planted.rs`), so that no
//! change of the code disarms a fault unnoticed.

pub mod list;
pub mod tree;
pub mod trial;

use std::path::PathBuf;

/// The root of the repository that this program was built from.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
