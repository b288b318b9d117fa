//! Secure channels: whatever one end secures, the other accepts, and nothing else.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod forgery;
mod fuzz_body;
#[path = "../../../fuzz/replay.rs"]
mod replay;
mod setup;

use apdu_spec::crypto::secure_channel::{
    ChannelKey, Error, HostOpening, KeySet, KeyType, Level, Mode, Protocol, Scp02Variant, Scp03Variant, Token,
};
use proptest::prelude::*;
use setup::{Setup, apply, command};

/// A command and its answer.
#[derive(Clone, Debug)]
struct Exchange {
    command: Vec<u8>,
    answer: Vec<u8>,
}

prop_compose! {
    fn exchange()(
        cla in prop::sample::select(vec![0x00, 0x80, 0x90, 0x83, 0x01]),
        [ins, p1, p2] in any::<[u8; 3]>(),
        data in data(255),
        le in any::<Option<u8>>(),
        answer in data(256),
        status in prop::sample::select(vec![0x9000_u16, 0x6283, 0x63C2, 0x6A80, 0x6985]),
    ) -> Exchange {
        Exchange { command: command([cla, ins, p1, p2], &data, le), answer: [&answer[..], &status.to_be_bytes()].concat() }
    }
}

/// Data of any length up to `most`; the ends are likelier.
fn data(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![Just(0), 1..20_usize, 200..=most, 0..=most];
    length.prop_flat_map(|length| prop::collection::vec(any::<u8>(), length))
}

pub(crate) fn setups() -> impl Strategy<Value = Setup> {
    prop::sample::select(Setup::all())
}

/// The data of a command, by its length.
fn data_length(command: &[u8]) -> usize {
    if command.len() > 5 { usize::from(command[4]) } else { 0 }
}

/// What fits at the level, computed otherwise than the code does: by trying.
fn limit(most: usize, setup: &Setup, mac: bool, encrypted: bool) -> usize {
    let block = if matches!(setup.protocol, Protocol::Scp02(_)) { 8 } else { 16 };
    let secured = |data: usize| {
        let mut length = data;
        if encrypted && data > 0 {
            length += 1;
            while !length.is_multiple_of(block) {
                length += 1;
            }
        }
        length + if mac { setup.mac() } else { 0 }
    };
    (0..=most).rev().find(|data| secured(*data) <= most).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn what_one_end_secures_the_other_accepts(
        setup in setups(),
        salt in any::<u8>(),
        exchanges in prop::collection::vec(exchange(), 1..8),
    ) {
        let (mut host, mut card) = setup.open(salt);
        let level = setup.level;
        let command_limit = limit(255, &setup, level.c_mac(), level.c_decryption());
        let answer_limit = limit(256, &setup, level.r_mac(), level.r_encryption());
        prop_assert_eq!(host.command_limit(), Ok(command_limit));
        prop_assert_eq!(card.answer_limit(), Ok(answer_limit));
        for Exchange { command, answer } in exchanges {
            let wrapped = apply(&command, |buffer, length| host.wrap(buffer, length));
            if data_length(&command) > command_limit {
                prop_assert_eq!(wrapped, Err(Error::TooLong { limit: command_limit }));
                continue;
            }
            let wrapped = wrapped.unwrap();
            prop_assert_eq!(wrapped == command, !level.c_mac());
            prop_assert_eq!(apply(&wrapped, |buffer, length| card.unwrap(buffer, length)), Ok(command));

            let is_error = answer[answer.len() - 2] == 0x6A || answer[answer.len() - 2] == 0x69;
            let mut answer = answer;
            let secured = apply(&answer, |buffer, length| card.wrap(buffer, length));
            if level.r_mac() && is_error && answer.len() > 2 {
                prop_assert_eq!(secured, Err(Error::Length));
                answer.drain(..answer.len() - 2);
            } else if !is_error && answer.len() - 2 > answer_limit {
                prop_assert_eq!(secured, Err(Error::TooLong { limit: answer_limit }));
                answer = vec![0x6F, 0x00];
            } else {
                let secured = secured.unwrap();
                prop_assert_eq!(secured == answer, !level.r_mac() || is_error);
                prop_assert_eq!(apply(&secured, |buffer, length| host.unwrap(buffer, length)), Ok(answer));
                continue;
            }
            // What could not be secured has changed nothing: the card gives another answer.
            let secured = apply(&answer, |buffer, length| card.wrap(buffer, length)).unwrap();
            prop_assert_eq!(apply(&secured, |buffer, length| host.unwrap(buffer, length)), Ok(answer));
        }
    }

    #[test]
    fn keys_and_sensitive_data_come_through(setup in setups(), salt in any::<u8>(), bytes in any::<[u8; 32]>()) {
        let (host, mut card) = setup.open(salt);
        for (kind, length) in
            [(KeyType::TripleDes, 16), (KeyType::Aes, 16), (KeyType::Aes, 24), (KeyType::Aes, 32)]
        {
            let key = ChannelKey::new(kind, &bytes[..length]).unwrap();
            let encrypted = host.encrypt_key(&key).unwrap();
            prop_assert_ne!(&encrypted.as_slice()[..length], &bytes[..length]);
            prop_assert_eq!(card.decrypt_key(kind, length, encrypted.as_slice()), Ok(key));
        }
        let mut data = bytes;
        host.encrypt_sensitive(&mut data).unwrap();
        prop_assert_ne!(data, bytes);
        card.decrypt_sensitive(&mut data).unwrap();
        prop_assert_eq!(data, bytes);
        prop_assert_eq!(host.encrypt_sensitive(&mut data[..9]), Err(Error::Length));
        prop_assert_eq!(card.decrypt_key(KeyType::Aes, 16, &[0; 33]), Err(Error::Length));
        prop_assert_eq!(card.decrypt_key(KeyType::Aes, 17, &[0; 32]), Err(Error::Keys));
    }

    #[test]
    fn whatever_the_fuzzer_sends(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz_body::run(&bytes);
    }
}

#[test]
fn every_setup_opens() {
    let all = Setup::all();
    assert_eq!(all.len(), 174);
    for setup in all {
        let (mut host, mut card) = setup.open(1);
        for _ in 0..3 {
            let plain = command([0x80, 0xF2, 0x40, 0x00], &[0x4F, 0x00], Some(0));
            let wrapped = apply(&plain, |buffer, length| host.wrap(buffer, length)).unwrap();
            assert_eq!(apply(&wrapped, |buffer, length| card.unwrap(buffer, length)), Ok(plain), "{setup:?}");
            let answer = [1, 2, 3, 0x90, 0x00];
            let secured = apply(&answer, |buffer, length| card.wrap(buffer, length)).unwrap();
            assert_eq!(apply(&secured, |buffer, length| host.unwrap(buffer, length)).unwrap(), answer);
        }
    }
}

#[test]
fn an_error_answer_leaves_both_ends_in_step() {
    for setup in Setup::all() {
        let (mut host, mut card) = setup.open(2);
        for (answer, data) in
            [(&[0x6A, 0x88][..], &[7; 5][..]), (&[0x69, 0x85], &[]), (&[5, 0x90, 0], &[9; 16])]
        {
            let plain = command([0x80, 0xF2, 0x40, 0x00], data, None);
            let wrapped = apply(&plain, |buffer, length| host.wrap(buffer, length)).unwrap();
            assert_eq!(apply(&wrapped, |buffer, length| card.unwrap(buffer, length)), Ok(plain));
            let secured = apply(answer, |buffer, length| card.wrap(buffer, length)).unwrap();
            assert_eq!(apply(&secured, |buffer, length| host.unwrap(buffer, length)).unwrap(), answer);
        }
    }
}

#[test]
fn a_level_that_the_protocol_lacks_is_refused_at_both_ends() {
    for (protocol, key_length, level) in [
        (Protocol::Scp02(Scp02Variant::Random), 16, Level::CMacRMac),
        (Protocol::Scp03(Scp03Variant::new(0x00).unwrap()), 16, Level::CDecryptionCMacRMac),
        (Protocol::Scp03(Scp03Variant::new(0x30).unwrap()), 32, Level::CDecryptionREncryptionCMacRMac),
    ] {
        let setup = Setup { protocol, key_length, level };
        let mut card = apdu_spec::crypto::secure_channel::CardChannel::new();
        let opening = setup.initialize(0, &mut card);
        let host = HostOpening::new(&setup.keys(0), &setup.challenge(0), &opening).unwrap();
        assert_eq!(host.authenticate(level, &mut [0; 40]).map(drop), Err(Error::Level));
        let frame = command([0x84, 0x82, level as u8, 0x00], &[0; 16], None);
        assert_eq!(apply(&frame, |b, l| card.authenticate(b, l).map(|_| l)), Err(Error::Level));
        assert_eq!(card.level(), None);
    }
}

#[test]
fn keys_challenge_and_protocol_must_belong_together() {
    let [aes, des] = [KeyType::Aes, KeyType::TripleDes].map(|kind| ChannelKey::new(kind, &[7; 16]).unwrap());
    let long = ChannelKey::aes(&[7; 24]).unwrap();
    let set =
        |enc: &ChannelKey, mac: &ChannelKey| KeySet { enc: enc.clone(), mac: mac.clone(), dek: enc.clone() };
    let scp03 = Protocol::Scp03(Scp03Variant::new(0x70).unwrap());
    let scp02 = Protocol::Scp02(Scp02Variant::PseudoRandom);
    let (short, wide) = (Token::short([1; 8]), Token::new(Mode::S16, [1; 16]));
    let fresh = |sequence| apdu_spec::crypto::secure_channel::Freshness {
        sequence,
        aid: setup::AID,
        random: [3; 16],
    };
    let mut card = apdu_spec::crypto::secure_channel::CardChannel::new();
    let mut open = |keys: &KeySet, protocol, challenge: &Token, sequence| {
        card.initialize(keys, protocol, challenge, &fresh(sequence)).map(drop)
    };
    assert_eq!(open(&set(&des, &des), scp03, &short, 1), Err(Error::Keys));
    assert_eq!(open(&set(&aes, &aes), scp02, &short, 1), Err(Error::Keys));
    assert_eq!(open(&set(&aes, &long), scp03, &short, 1), Err(Error::Keys));
    assert_eq!(open(&set(&aes, &aes), scp03, &wide, 1), Err(Error::Keys));
    assert_eq!(open(&set(&des, &des), scp02, &wide, 1), Err(Error::Keys));
    assert_eq!(open(&set(&aes, &aes), scp03, &short, 0x100_0000), Err(Error::Counter));
    assert_eq!(open(&set(&des, &des), scp02, &short, 0x1_0000), Err(Error::Counter));
    assert_eq!(open(&set(&aes, &aes), scp03, &short, 0xFF_FFFF), Ok(()));
    assert_eq!(open(&set(&des, &des), scp02, &short, 0xFFFF), Ok(()));
}

#[test]
fn nothing_secret_is_shown() {
    let setup = Setup::all()[100];
    let shown = format!("{:?} {:?} {:?}", setup.keys(5), setup.begin(5), setup.open(5));
    for key in [setup.keys(5).enc, setup.keys(5).mac, setup.keys(5).dek] {
        assert!(!shown.to_lowercase().contains(&hex::encode(&key.expose()[..4])));
        assert!(!shown.contains(&format!("{:?}", &key.expose()[..4])[1..10]));
    }
}

#[test]
fn a_buffer_without_room_is_told_and_changes_nothing() {
    for setup in Setup::all() {
        let (mut host, mut card) = setup.open(3);
        let plain = command([0x80, 0xE2, 0x00, 0x00], &[4; 20], Some(0));
        let whole = apply(&plain, |buffer, length| host.clone().wrap(buffer, length)).unwrap();
        for size in plain.len()..whole.len() {
            let mut buffer = vec![0; size];
            buffer[..plain.len()].copy_from_slice(&plain);
            assert_eq!(host.wrap(&mut buffer, plain.len()), Err(Error::Buffer));
        }
        assert_eq!(apply(&plain, |buffer, length| host.wrap(buffer, length)), Ok(whole.clone()));
        apply(&whole, |buffer, length| card.unwrap(buffer, length)).unwrap();
        let answer = [&[8; 30][..], &[0x90, 0x00]].concat();
        let whole = apply(&answer, |buffer, length| card.clone().wrap(buffer, length)).unwrap();
        for size in answer.len()..whole.len() {
            let mut buffer = vec![0; size];
            buffer[..answer.len()].copy_from_slice(&answer);
            assert_eq!(card.wrap(&mut buffer, answer.len()), Err(Error::Buffer));
        }
        assert_eq!(apply(&answer, |buffer, length| card.wrap(buffer, length)), Ok(whole));
    }
}

/// Seeds of the fuzzer: each of its steps, in sessions of several kinds.
fn seeds() -> Vec<(String, Vec<u8>)> {
    let step = |kind: u8, bytes: &[u8]| [&[kind, u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let mut steps = vec![("exchanges".into(), [&[0][..], &[7; 200], &[33, 1]].concat().repeat(3))];
    for (kind, name) in
        ["", "command", "answer", "", "opening"].into_iter().enumerate().filter(|it| !it.1.is_empty())
    {
        let kind = u8::try_from(kind).unwrap();
        let frame = command([0x84, 0xE2, 0, 0], &[9; 24], Some(0));
        steps.push((name.to_string(), [step(kind, &frame), step(kind, &[0x90, 0x00])].concat()));
    }
    steps.push(("changed".into(), [&[3, 9, 1, 33][..], &[20], &[5; 20]].concat()));
    steps.push((
        "buffers".into(),
        [&[5, 30, 1][..], &[32], &command([0x80, 0xE2, 0, 0], &[9; 27], None)].concat(),
    ));
    let all = Setup::all();
    let kinds = [0, 5, 60, all.len() - 1];
    let seed = |kind: usize, (name, steps): &(String, Vec<u8>)| {
        (format!("{name}_{kind}"), [&[u8::try_from(kind).unwrap(), 1][..], steps].concat())
    };
    kinds.iter().flat_map(|kind| steps.iter().map(|step| seed(*kind, step)).collect::<Vec<_>>()).collect()
}

#[test]
fn seeds_and_crashes_are_replayed() {
    replay::replay("secure_channel", fuzz_body::run, &seeds());
}
