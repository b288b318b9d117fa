//! The fuzzer's body of this crate on stable Rust: every committed seed and every crash that
//! was ever found, and some random inputs.

#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../../fuzz/replay.rs"]
mod replay;
#[allow(unreachable_pub)] // the fuzzer uses it too
#[path = "fuzz_bodies/vpcd.rs"]
mod vpcd;

use host::reader::vpcd::put;
use rand_core::{Rng, SeedableRng};
use replay::replay;

fn stream(piece: u8, payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![piece];
    payloads.iter().for_each(|payload| put(payload, &mut bytes));
    bytes
}

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let select: &[u8] = b"\x00\xA4\x04\x00\x06\xF0PURSE";
    let torn = stream(255, &[&[1], select]);
    vec![
        ("select", stream(255, &[&[1], &[4], select, &[0x90, 0x5C, 0, 0, 0], &[0]])),
        ("resets", stream(1, &[&[1], select, &[2], select, &[0], &[1], select])),
        ("empty_and_unknown", stream(2, &[&[], &[3], &[255], &[1], &[], select])),
        ("without_power", stream(9, &[select])),
        ("longest", stream(255, &[&[1], &[0; 65_535], select])),
        ("torn", torn[..torn.len() - 3].to_vec()),
    ]
}

#[test]
fn seeds_and_crashes_are_replayed() {
    replay("vpcd_frames", vpcd::run, &seeds());
}

/// Messages of random lengths and bytes, some cut, in random pieces.
#[test]
fn random_streams() {
    for seed in 0..2_000 {
        let mut random = rand_chacha::ChaCha12Rng::seed_from_u64(seed);
        let mut bytes = stream(random.next_u32().to_be_bytes()[0], &[&[1]]);
        for _ in 0..random.next_u32() % 12 {
            let mut payload = vec![0; (random.next_u32() % 24) as usize];
            random.fill_bytes(&mut payload);
            put(&payload, &mut bytes);
        }
        bytes.truncate(bytes.len() - (random.next_u32() % 3) as usize);
        vpcd::run(&bytes);
    }
}
