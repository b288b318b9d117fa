//! The fuzzer's bodies on stable Rust: every committed seed and every crash that was ever
//! found, and a few thousand random inputs.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod fuzz_bodies;
#[path = "../../fuzz/replay.rs"]
mod replay;
mod support;

use fuzz_bodies::{raw, structured};
use proptest::prelude::*;
use replay::replay;

/// Seeds of raw frames: each request of the golden vectors, to a card of its kind.
fn raw_seeds() -> Vec<(String, Vec<u8>)> {
    let vectors = include_str!("../../apdu-spec/vectors/commands.txt");
    let mut seeds = Vec::new();
    let mut name = "";
    for line in vectors.lines() {
        if let Some(request) = line.strip_prefix("> ") {
            let (set, command) = name.split_once('.').unwrap();
            let kind = match set {
                "SamCommand" => 1_u8,
                "TransferCommand" => 2,
                _ => 0,
            };
            // A personalised card; management comes through the issuer's channel.
            let choice = if set == "SecurityDomainCommand" { 3 + 18 } else { kind + 3 };
            let frame: Vec<u8> = (0..request.len() / 2)
                .map(|at| u8::from_str_radix(&request[2 * at..2 * at + 2], 16).unwrap())
                .collect();
            let length = u8::try_from(frame.len()).unwrap();
            seeds.push((command.into(), [&[choice, length], &frame[..]].concat()));
        } else if line.contains("Command.") && !line.starts_with('#') {
            name = line;
        }
    }
    seeds
}

/// Seeds of honest steps: the codes of `structured::run`.
fn structured_seeds() -> Vec<(String, Vec<u8>)> {
    let purchase = [0xA0, 100, 0, 0];
    let torn_debit = |at| [0xA0, 100, 4 << 5, at];
    let torn_credit = |at| [0xA0, 100, 5 << 5, at];
    let cancellation = [0xC0, 100, 0, 0];
    let recovery = [0xC8, 0, 0, 0];
    let taking_over = [0xD0, 0, 0, 0];
    let close = [0xE0, 0, 0, 0];
    let (acknowledge, reset_purse, reset_sam) = ([0xE8], [0xF0], [0xF8]);
    let many = |count: usize| [&taking_over[..], &purchase].concat().repeat(count);
    vec![
        ("purchases".into(), purchase.repeat(3)),
        ("torn_debit".into(), [&torn_debit(40)[..], &recovery, &close].concat()),
        ("torn_credit".into(), [&torn_credit(20)[..], &recovery, &close].concat()),
        ("cancellation".into(), [&purchase[..], &cancellation, &cancellation].concat()),
        ("torn_cancellation".into(), [&purchase[..], &[0xC0, 100, 2 << 5, 60], &cancellation].concat()),
        ("receipts".into(), many(20)),
        ("batches".into(), [&purchase[..], &close, &acknowledge, &purchase, &close].concat()),
        ("resets".into(), [&purchase[..], &reset_purse, &reset_sam, &purchase].concat()),
    ]
}

#[test]
fn seeds_and_crashes_are_replayed() {
    replay("apdu_raw", raw::run, &raw_seeds());
    replay("apdu_structured", structured::run, &structured_seeds());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_frames(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        raw::run(&bytes);
    }

    #[test]
    fn random_commands(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        structured::run(&bytes);
    }
}
