//! MACs and key ladders against published vectors, against the `cmac` crate, and against a
//! second implementation of one purchase (`vectors/make_signatures.py`).

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod story;

use aes::Aes128;
use apdu_spec::crypto::Key;
use apdu_spec::crypto::mac::MacKey;
use apdu_spec::element::{Algorithm, Mac};
use cmac::{Cmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use story::Story;

/// The lines of a vector file, in words.
fn lines(file: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    file.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect())
}

fn unhex(text: &str) -> Vec<u8> {
    if text == "-" { Vec::new() } else { hex::decode(text).unwrap() }
}

fn key(text: &str) -> Key {
    Key::new(unhex(text).try_into().unwrap())
}

/// Key, message and MAC of each line; the MAC is truncated to eight bytes.
fn published(file: &'static str, algorithm: Algorithm) -> usize {
    let mut count = 0;
    for line in lines(file) {
        let [secret, message, mac] = line[..] else { panic!("{line:?}") };
        let found = MacKey::new(&key(secret), algorithm).mac(&unhex(message));
        assert_eq!(found.0[..], unhex(mac)[..8], "{line:?}");
        count += 1;
    }
    count
}

#[test]
fn cmac_of_sp_800_38b() {
    assert_eq!(published(include_str!("../vectors/cmac.txt"), Algorithm::AesCmac), 4);
}

#[test]
fn retail_mac_of_iso_9797_1_and_icao_9303() {
    assert_eq!(published(include_str!("../vectors/retail_mac.txt"), Algorithm::RetailMac), 3);
}

/// A MAC key in the story is the key of the file: they make the same MAC of any message.
fn same(found: &MacKey, expected: &str, algorithm: Algorithm) -> bool {
    let expected = MacKey::new(&key(expected), algorithm);
    [&b""[..], b"one block exactly", &[0x5A; 100]]
        .into_iter()
        .all(|message| found.mac(message) == expected.mac(message))
}

#[test]
fn keys_and_macs_of_one_purchase_as_computed_elsewhere() {
    let mut checked = 0;
    for algorithm in Algorithm::ALL.iter().copied() {
        let story = Story::tell(algorithm);
        let name = format!("{algorithm:?}");
        let vectors = lines(include_str!("../vectors/signatures.txt")).filter(|line| line[0] == name);
        for line in vectors {
            let [_, what, expected] = line[..] else { panic!("{line:?}") };
            let mac = |mac: Mac| unhex(expected) == mac.0;
            let right = match what {
                "K1" => same(story.k1.mac_key(), expected, algorithm),
                "KS" => same(&story.ks, expected, algorithm),
                "K6" => *story.k6.key() == key(expected),
                "KR" => same(&story.kr, expected, algorithm),
                "KP" => *story.kp.key() == key(expected),
                "SECRET" => story.secret == key(expected),
                "COMMITMENT" => mac(story.order.terms.to_commitment()),
                "S1" => mac(story.s1),
                "S2" => mac(story.s2),
                "S3" => mac(story.s3),
                "S4" => mac(story.trailer.s4),
                "S5" => mac(story.record.s5),
                "S6" => mac(story.s6),
                "CHAIN" => mac(story.trailer.chain),
                "ACKNOWLEDGEMENT" => mac(story.acknowledgement.mac),
                "PREVIOUS" => mac(story.previous.mac),
                "RELEASE" => mac(story.release.mac),
                card_key => story.card_keys.get(card_key) == Some(&key(expected)),
            };
            assert!(right, "{line:?}");
            checked += 1;
        }
    }
    assert_eq!(checked, 2 * (5 + 17));
}

proptest! {
    #[test]
    fn cmac_is_that_of_the_cmac_crate(secret: [u8; 16], bytes: [u8; 32], step: u8) {
        // A random message of every length.
        let message: Vec<u8> = (0..=255_u8).map(|n| bytes[usize::from(n) % 32] ^ n.wrapping_mul(step)).collect();
        let ours = MacKey::new(&Key::new(secret), Algorithm::AesCmac);
        for length in 0..=message.len() {
            let mut theirs = Cmac::<Aes128>::new(&secret.into());
            theirs.update(&message[..length]);
            prop_assert_eq!(&ours.mac(&message[..length]).0[..], &theirs.finalize().into_bytes()[..8]);
        }
    }

    #[test]
    fn any_bit_changed_in_message_mac_or_key_is_refused(secret: [u8; 16], message in prop::collection::vec(any::<u8>(), 1..128)) {
        for algorithm in Algorithm::ALL.iter().copied() {
            let mac_key = MacKey::new(&Key::new(secret), algorithm);
            let mac = mac_key.mac(&message);
            for bit in 0..64 {
                let mut wrong = mac;
                wrong.0[bit / 8] ^= 1 << (bit % 8);
                prop_assert_ne!(wrong, mac);
            }
            for bit in 0..8 * message.len() {
                let mut other = message.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                prop_assert_ne!(mac_key.mac(&other), mac);
            }
            for bit in 0..128 {
                // The lowest bit of each byte of a DES key is parity.
                if algorithm == Algorithm::RetailMac && bit % 8 == 0 {
                    continue;
                }
                let mut other = secret;
                other[bit / 8] ^= 1 << (bit % 8);
                prop_assert_ne!(MacKey::new(&Key::new(other), algorithm).mac(&message), mac);
            }
        }
    }
}
