//! Writing the files that the tests compare with: only with `PURSE_BLESS=1` in the
//! environment. Vectors that exist are never changed, missing ones are added.

use std::path::PathBuf;

use crate::examples::Example;
use crate::vectors::{Vector, name, parse};

/// Whether files may be written.
pub(crate) fn wanted() -> bool {
    std::env::var_os("PURSE_BLESS").is_some_and(|value| value == "1")
}

/// A file of this crate.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Writes a generated page.
pub(crate) fn page(file: &str, text: &str) {
    std::fs::write(path(file), text).unwrap();
}

/// Adds vectors for the examples that have none yet.
pub(crate) fn add_missing(file: &str, examples: &[Example]) {
    let mut text = std::fs::read_to_string(path(file)).unwrap();
    let held: Vec<String> = parse(&text).into_iter().map(|vector| vector.name).collect();
    for example in examples.iter().filter(|example| !held.contains(&name(&example.row))) {
        Vector::decode(&example.row, &example.request, &example.response).write(&mut text);
    }
    std::fs::write(path(file), text).unwrap();
}
