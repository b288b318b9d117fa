//! Seeds and crashes of this crate's fuzz targets, replayed on stable.
//! `PURSE_BLESS=1` writes seeds that are missing.

#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "fuzz_bodies/trace/mod.rs"]
mod bodies;
#[path = "../../fuzz/replay.rs"]
mod replay;

use std::time::Duration;

use bodies::BODIES;
use host::trace::{CardLabel, gsmtap, pcap};
use replay::replay;

fn capture() -> Vec<u8> {
    let card = CardLabel::purse(1);
    let mut file = pcap::head().to_vec();
    let packets = [
        gsmtap::reset(card, 1),
        gsmtap::exchange(card, 2, b"\0\xA4\x04\x0C\x06\xF0PURSE", Some(&[0x90, 0])),
        gsmtap::exchange(
            card,
            3,
            &[0x90, 0x5C, 0, 0, 0],
            Some(b"\0\0\x04\xE2\0\0\x3A\x98\x03\xD2\x02\x90\0"),
        ),
        gsmtap::exchange(card, 4, &[0, 0x20, 0, 0x80, 4, 1, 2, 3, 4], None),
    ];
    for packet in packets {
        pcap::write(&mut file, Duration::from_secs(1_768_197_600), &packet).unwrap();
    }
    file
}

/// Name of the target, name of the seed, its bytes.
fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let listing = "Using T=1 protocol\n> RESET\n< OK: 3B 80 80 01 01 \n> 90 5C 00 00 00\n< 00 00 04 E2 00 00 3A \
        98 03 D2 02 \n90 00 : Normal processing.\n> 908A000003000001 00\n< KO: gone\n";
    let lines = "# all that can be typed\nSelect occurrence=0 aid=purse\nexpect 9000 balance=1250\nreset\n90 5c:00 \
        0000\nInitializeLoad version=1 counterpart.sam.acquirer=280101 counterpart.sam.number=0x7 \
        counterpart.challenge=D0:D1:D2:D3:D4:D5:D6:D7 amount=2000\nStoreData last=128 block=0 group=Key content=A5\n\
        DebitIep order.amount=1 order.time=2026-01-12T06:00:00Z order.nt=1 order.taken_over=0 \
        order.terms=0000000000000000 s2=0102030405060708\nReadRecord record=256\n";
    vec![
        ("recording", "capture", capture()),
        ("recording", "plain", b"00A4040006F05055525345\n905C000000\n".to_vec()),
        ("recording", "scriptor", listing.into()),
        ("script", "lines", lines.into()),
    ]
}

#[test]
fn seeds_and_crashes_are_replayed() {
    for (target, body) in BODIES {
        let own = seeds().into_iter().filter(|(name, ..)| *name == target);
        let own: Vec<_> = own.map(|(_, name, bytes)| (name, bytes)).collect();
        replay(target, body, &own);
    }
}

/// Seeds with a byte changed, cut, and doubled: a fuzzer's first minute.
#[test]
fn seeds_that_are_damaged() {
    for (target, body) in BODIES {
        for (_, _, seed) in seeds().into_iter().filter(|(name, ..)| *name == target) {
            for place in 0..seed.len() {
                body(&seed[..place]);
                for value in [0, 1, 0x20, 0x3E, 0x7F, 0xFF, seed[place] ^ 0x80, seed[place].wrapping_add(1)] {
                    let mut damaged = seed.clone();
                    damaged[place] = value;
                    body(&damaged);
                }
            }
        }
    }
}
