//! Images that older programs wrote. Each was made by the program of its time, and stands here
//! as it left it.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use host::reader::virtual_reader::VirtualReader;
use rand_core::SeedableRng;

/// A purse after a short day: version 2, made by `purse demo --purses 2 --payments 60`.
const VERSION_2: &[u8] = include_bytes!("images/purse-version-2.card");

#[test]
fn a_purse_of_the_first_layout_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("card");
    std::fs::write(&path, VERSION_2).unwrap();
    let random = Box::new(rand_chacha::ChaCha12Rng::seed_from_u64(1));
    let refusal = VirtualReader::open(&path, random, false).unwrap_err().to_string();
    assert!(refusal.contains("version 2, whose records this program does not understand"), "{refusal}");
    assert_eq!(std::fs::read(&path).unwrap(), VERSION_2);
}
