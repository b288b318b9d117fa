//! Images that older programs wrote. Each was made by the program of its time, and stands here
//! as it left it.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use host::card::purse::PurseCard;
use host::reader::virtual_reader::VirtualReader;
use rand_core::SeedableRng;

/// A purse after a short day: version 2, made by `purse demo --purses 2 --payments 60`.
const VERSION_2: &[u8] = include_bytes!("images/purse-version-2.card");
/// What that program said of it: balance in minor units, value commits.
const BALANCE: i32 = 265;
const COMMITS: u32 = 45;

#[test]
fn a_purse_of_version_2_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("card");
    std::fs::write(&path, VERSION_2).unwrap();
    for power_up in 0..3 {
        let random = Box::new(rand_chacha::ChaCha12Rng::seed_from_u64(power_up));
        let mut reader = VirtualReader::open(&path, random, false).unwrap();
        let mut purse = PurseCard::select(&mut reader).unwrap();
        assert_eq!(purse.balance().unwrap().balance.0, BALANCE);
        assert_eq!(purse.information().unwrap().nv.get(), COMMITS);
        assert_eq!(purse.log().unwrap()[0].nv.get(), COMMITS);
    }
    assert_eq!(std::fs::read(&path).unwrap()[12..16], [0, 0, 0, 2], "an older program still reads it");
}
