//! What nobody secured is refused: flipped, replayed, dropped, swapped, foreign.

use apdu_spec::crypto::secure_channel::{CardChannel, Error, HostChannel, HostOpening, Opening};
use apdu_spec::wire::Element as _;
use proptest::prelude::*;

use crate::setup::{Setup, apply, command};
use crate::setups;

fn wrap(host: &mut HostChannel, plain: &[u8]) -> Vec<u8> {
    apply(plain, |buffer, length| host.wrap(buffer, length)).unwrap()
}

fn unwrap(card: &mut CardChannel, wrapped: &[u8]) -> Result<Vec<u8>, Error> {
    apply(wrapped, |buffer, length| card.unwrap(buffer, length))
}

fn authenticate(card: &mut CardChannel, frame: &[u8]) -> Result<Vec<u8>, Error> {
    apply(frame, |buffer, length| card.authenticate(buffer, length).map(|_| 0))
}

/// `bytes` with one bit turned.
fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// Setups whose commands carry a MAC.
fn secured() -> impl Strategy<Value = Setup> {
    setups().prop_filter("commands carry a MAC", |setup| setup.level.c_mac())
}

fn some_data() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..40)
}

/// Whether the MAC covers a bit: not the logical channel, and not Le.
fn is_covered(frame: &[u8], bit: usize) -> bool {
    let channel = bit < 2;
    let le = bit / 8 >= 5 + usize::from(frame[4]);
    !channel && !le
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn every_flipped_bit_of_a_command(
        setup in secured(), data in some_data(), le in any::<Option<u8>>(), header in any::<[u8; 3]>(),
    ) {
        let (mut host, card) = setup.open(1);
        let [ins, p1, p2] = header;
        let plain = command([0x80, ins, p1, p2], &data, le);
        let wrapped = wrap(&mut host, &plain);
        for bit in 0..wrapped.len() * 8 {
            let mut card = card.clone();
            let found = unwrap(&mut card, &flipped(&wrapped, bit));
            if is_covered(&wrapped, bit) {
                prop_assert!(found.is_err(), "bit {} of {:02X?}", bit, wrapped);
                // And the session is over, also for the right command.
                prop_assert_eq!(unwrap(&mut card, &wrapped), Err(Error::Aborted));
                prop_assert_eq!(card.level(), None);
            } else {
                // What is not covered changes nothing else: neither data nor instruction.
                let found = found.unwrap();
                prop_assert_eq!(&found[1..4 + data.len().min(1) + data.len()], &plain[1..4 + data.len().min(1) + data.len()]);
            }
        }
        prop_assert_eq!(unwrap(&mut card.clone(), &wrapped), Ok(plain));
    }

    #[test]
    fn every_flipped_bit_of_an_answer(
        setup in secured(),
        data in some_data(),
        status in prop::sample::select(vec![[0x90, 0x00], [0x62, 0x83], [0x63, 0xC2], [0x6A, 0x80]]),
    ) {
        if !setup.level.r_mac() {
            return Ok(());
        }
        let (mut host, mut card) = setup.open(1);
        let wrapped = wrap(&mut host, &[0x80, 0xCA, 0x00, 0x66, 0x00]);
        unwrap(&mut card, &wrapped).unwrap();
        let is_error = status[0] == 0x6A;
        let data = if is_error { Vec::new() } else { data };
        let plain = [&data[..], &status].concat();
        let answer = apply(&plain, |buffer, length| card.wrap(buffer, length)).unwrap();
        for bit in 0..answer.len() * 8 {
            let mut host = host.clone();
            let changed = flipped(&answer, bit);
            match apply(&changed, |buffer, length| host.unwrap(buffer, length)) {
                // An error says nothing but that there is an error.
                Ok(found) => prop_assert!(is_error && found == changed && ![0x90, 0x62, 0x63].contains(&found[0])),
                Err(_) => prop_assert_eq!(host.level(), None),
            }
        }
        // Cut short, it is refused, or says that there is an error.
        for length in 0..answer.len() {
            let found = apply(&answer[..length], |buffer, length| host.clone().unwrap(buffer, length));
            let success = matches!(answer[..length], [0x90, 0x00] | [0x62 | 0x63, _]);
            prop_assert!(found.is_err() || (length == 2 && !success));
        }
        prop_assert_eq!(apply(&answer, |buffer, length| host.unwrap(buffer, length)), Ok(plain));
    }

    #[test]
    fn replayed_dropped_and_swapped_commands(setup in secured(), data in prop::collection::vec(some_data(), 4)) {
        let (mut host, mut card) = setup.open(1);
        let plain: Vec<_> = data.iter().map(|data| command([0x80, 0xE2, 0, 0], data, None)).collect();
        let wrapped: Vec<_> = plain.iter().map(|plain| wrap(&mut host, plain)).collect();
        for (turn, right) in wrapped.iter().enumerate() {
            for (other, frame) in wrapped.iter().enumerate() {
                if other != turn {
                    prop_assert_eq!(unwrap(&mut card.clone(), frame), Err(Error::Mac), "{} for {}", other, turn);
                }
            }
            prop_assert_eq!(unwrap(&mut card, right), Ok(plain[turn].clone()));
        }
    }

    #[test]
    fn replayed_and_swapped_answers(setup in secured(), data in prop::collection::vec(some_data(), 3)) {
        if !setup.level.r_mac() {
            return Ok(());
        }
        let (mut host, mut card) = setup.open(1);
        let mut before: Vec<Vec<u8>> = Vec::new();
        for data in data {
            let wrapped = wrap(&mut host, &[0x80, 0xCA, 0x00, 0x66]);
            unwrap(&mut card, &wrapped).unwrap();
            let plain = [&data[..], &[0x90, 0x00]].concat();
            let answer = apply(&plain, |buffer, length| card.wrap(buffer, length)).unwrap();
            for old in &before {
                let found = apply(old, |buffer, length| host.clone().unwrap(buffer, length));
                prop_assert_eq!(found, Err(Error::Mac));
            }
            prop_assert_eq!(apply(&answer, |buffer, length| host.unwrap(buffer, length)), Ok(plain));
            prop_assert_eq!(apply(&answer, |buffer, length| host.clone().unwrap(buffer, length)), Err(Error::Order));
            prop_assert_eq!(apply(&answer, |buffer, length| card.wrap(buffer, length)), Err(Error::Order));
            before.push(answer);
        }
    }

    #[test]
    fn a_command_of_another_session(setup in secured(), data in some_data(), salt in 2_u8..) {
        let (mut host, _) = setup.open(1);
        let (_, mut card) = setup.open(salt);
        let wrapped = wrap(&mut host, &command([0x80, 0xE2, 0, 0], &data, None));
        prop_assert_eq!(unwrap(&mut card, &wrapped), Err(Error::Mac));
    }

    #[test]
    fn every_flipped_bit_of_the_authentication(setup in setups()) {
        let (_, card, frame) = setup.begin(1);
        for bit in (0..frame.len() * 8).filter(|bit| is_covered(&frame, *bit)) {
            let mut card = card.clone();
            prop_assert!(authenticate(&mut card, &flipped(&frame, bit)).is_err(), "bit {}", bit);
            // There is one try for each INITIALIZE UPDATE.
            prop_assert_eq!(authenticate(&mut card, &frame), Err(Error::Closed));
        }
        let mut card = card;
        prop_assert!(authenticate(&mut card, &frame).is_ok());
        prop_assert_eq!(authenticate(&mut card, &frame), Err(Error::Closed));
    }

    /// Parameter i and, in SCP03, the sequence counter are not covered: what they change is
    /// refused when it matters.
    #[test]
    fn every_flipped_bit_of_the_opening(setup in setups()) {
        let opening = setup.initialize(1, &mut CardChannel::new());
        let mut bytes = [0; 40];
        let bytes = opening.to_slice(&mut bytes).unwrap();
        let covered = match opening {
            Opening::Scp02 { .. } => 0..bytes.len(),
            Opening::Scp03 { .. } => 2..2 + 2 * setup.mac(),
        };
        for bit in (covered.start * 8..covered.end * 8).chain(0..8) {
            let Ok(changed) = Opening::from_bytes(&flipped(bytes, bit)) else { continue };
            let found = HostOpening::new(&setup.keys(1), &setup.challenge(1), &changed);
            prop_assert!(found.is_err(), "bit {} of {:?}", bit, opening);
        }
    }
}

#[test]
fn other_keys_are_refused_by_either_end() {
    for setup in Setup::all() {
        let mut card = CardChannel::new();
        let opening = setup.initialize(1, &mut card);
        let stranger = HostOpening::new(&setup.keys(2), &setup.challenge(1), &opening);
        assert_eq!(stranger.map(drop), Err(Error::Cryptogram));
        // A host that shows what the card has shown has not shown that it has the keys.
        let mut bytes = [0; 40];
        let shown = opening.to_slice(&mut bytes).unwrap();
        let echoed = command([0x84, 0x82, 0x01, 0x00], &shown[shown.len() - 2 * setup.mac()..], None);
        assert_eq!(authenticate(&mut card, &echoed), Err(Error::Mac));
    }
}

#[test]
fn messaging_is_what_was_agreed() {
    for setup in Setup::all() {
        let (mut host, card) = setup.open(1);
        let plain = command([0x80, 0xE2, 0, 0], &[1; 30], None);
        let pretended = command([0x84, 0xE2, 0, 0], &[1; 30], None);
        let other = command([0x8C, 0xE2, 0, 0], &[1; 30], None);
        let missing = command([0x84, 0xE2, 0, 0], &[], None);
        if setup.level.c_mac() {
            assert_eq!(unwrap(&mut card.clone(), &plain), Err(Error::Messaging));
            assert_eq!(unwrap(&mut card.clone(), &pretended), Err(Error::Mac));
            assert_eq!(unwrap(&mut card.clone(), &missing), Err(Error::Mac));
            let wrapped = apply(&pretended, |buffer, length| host.wrap(buffer, length));
            assert_eq!(wrapped, Err(Error::Messaging));
        } else {
            assert_eq!(unwrap(&mut card.clone(), &plain), Ok(plain));
            assert_eq!(unwrap(&mut card.clone(), &pretended), Err(Error::Messaging));
        }
        assert_eq!(unwrap(&mut card.clone(), &other), Err(Error::Messaging));
        assert_eq!(unwrap(&mut card.clone(), &[0x84, 0xE2, 0, 0, 0, 1, 0, 9]), Err(Error::Length));
        let mut closed = card;
        closed.close();
        assert_eq!(unwrap(&mut closed, &pretended), Err(Error::Closed));
    }
}
