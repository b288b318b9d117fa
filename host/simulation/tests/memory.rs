//! The keys of a scheme are in no memory of a process that has closed it: neither of its vault nor of
//! the cards that ran here. The process reads its own memory to see.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../../background/tests/scan/mod.rs"]
mod scan;

use std::fs;
use std::path::Path;
use std::process::Command;

use apdu_spec::element::{Algorithm, Amount, Time};
use host::terminal::load::Funding;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use simulation::world::{Limits, Which};
use simulation::{World, day};

const NOW: Time = Time(1_770_000_000);
/// Stands over what the test knows of the keys, so that it does not find itself.
const MASK: u8 = 0xA5;
/// Names the directory to the process that makes the scheme.
const CHILD: &str = "PURSE_TEST_DIRECTORY";
/// Bytes that are looked for: a half of a key.
const HALF: usize = 8;

/// The halves of all master keys, masked.
fn masked_keys(directory: &Path) -> Vec<[u8; HALF]> {
    let bytes = fs::read(directory.join("masked")).unwrap();
    bytes.chunks_exact(HALF).map(|half| half.try_into().unwrap()).collect()
}

/// In a process of its own: makes the scheme, and notes its keys masked.
#[ignore = "the other test runs it"]
#[test]
fn make_the_scheme_for_the_other_test() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let directory = Path::new(&directory);
    let random = ChaCha12Rng::seed_from_u64(77);
    drop(World::create(&directory.join("data"), day::scheme(), Algorithm::AesCmac, random, NOW).unwrap());
    let text = fs::read_to_string(directory.join("data/vault.json")).unwrap();
    let words: Vec<_> = text.split('"').collect();
    let keys =
        words.windows(3).filter(|words| words[0] == "key").flat_map(|words| hex::decode(words[2]).unwrap());
    fs::write(directory.join("masked"), keys.map(|byte| byte ^ MASK).collect::<Vec<_>>()).unwrap();
}

/// How often each half is found in the memory of this process.
fn scan(halves: &[[u8; HALF]]) -> Vec<usize> {
    let mut sums = vec![0; halves.len()];
    scan::memory(&mut |piece| {
        for (half, sum) in halves.iter().zip(&mut sums) {
            let is = |window: &[u8]| window.iter().zip(half).all(|(have, masked)| have ^ MASK == *masked);
            *sum += piece.windows(HALF).filter(|window| is(window)).count();
        }
    });
    sums
}

#[test]
fn no_master_key_outlives_a_world() {
    let place = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "make_the_scheme_for_the_other_test"]).env(CHILD, place.path());
    assert!(child.output().unwrap().status.success());
    let halves = masked_keys(place.path());
    assert_eq!(halves.len(), 14, "seven keys");
    let none = vec![0; halves.len()];
    assert_eq!(scan(&halves), none, "the test finds itself");

    let random = ChaCha12Rng::seed_from_u64(3);
    let mut world = World::open(&place.path().join("data"), random).unwrap();
    let limits = Limits { maximum: 20_000, overdraft: 0, purchase: 5_000 };
    let purse = world.issue_purse(limits, NOW).unwrap();
    let amount = |minor| Amount::new(minor).unwrap();
    world.load(purse, amount(2_000), Funding::Account, NOW).unwrap();
    world.pay(purse, "kiosk", amount(500), NOW).unwrap();
    world.rekey(&Which::Sam("kiosk".into()), 1).unwrap();
    world.block(purse, true).unwrap();
    let alive = scan(&halves);
    assert!(alive.iter().all(|count| *count > 0), "a world has its keys: {alive:?}");
    drop(world);
    assert_eq!(scan(&halves), none, "after the world");
}
