//! The fuzzer's bodies of this crate on stable Rust: every committed seed and every crash that
//! was ever found, and some random inputs.

#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../../fuzz/replay.rs"]
mod replay;
#[allow(unreachable_pub)] // the fuzzer uses it too
#[path = "fuzz_bodies/sealed_image.rs"]
mod sealed_image;
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

/// Edits of a sealed card, and whole files.
fn images() -> Vec<(&'static str, Vec<u8>)> {
    let whole = |edits: &[u8]| [&[0, 0xFF, 0xFF], edits].concat();
    vec![
        ("untouched", whole(&[])),
        ("head", whole(&[0, 9, 1])),
        ("first_record", whole(&[0, 90, 1])),
        ("length_of_a_record", whole(&[0, 84, 0xFF])),
        ("cut", vec![0, 0x01, 0x00]),
        ("text", b"\x01no image at all".to_vec()),
    ]
}

#[test]
fn images_are_replayed() {
    let run = |bytes: &[u8]| {
        sealed_image::run(bytes);
    };
    replay("sealed_image", run, &images());
}

/// A card that was not touched opens, and of those with a byte changed only few: what is changed behind
/// its last step, or in a step that is then lost.
#[test]
fn a_sealed_image_with_a_byte_changed_anywhere() {
    assert!(sealed_image::run(&[0, 0xFF, 0xFF]));
    let mut opened = 0;
    for place in (0..2_000_u16).step_by(3).chain((2_000..0x9000).step_by(997)) {
        let [high, low] = place.to_be_bytes();
        opened += usize::from(sealed_image::run(&[0, 0xFF, 0xFF, high, low, 0x10]));
        sealed_image::run(&[0, high, low]);
    }
    assert!(opened < 60, "{opened} opened");
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
