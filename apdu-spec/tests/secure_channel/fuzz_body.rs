//! What the fuzzer runs: an honest session, and an attacker on the line who has no key. As a
//! function of bytes, so that stable Rust replays seeds and crashes.

#![allow(dead_code, unreachable_pub, missing_docs)] // the fuzzer and the tests use it each in part
#![allow(clippy::unwrap_used)] // what fails here fails the run

use apdu_spec::crypto::secure_channel::{CardChannel, HostChannel, HostOpening, Opening};
use apdu_spec::wire::Element as _;

use super::setup::{Setup, apply, command};

/// Takes values from the front of the fuzzer's bytes; zeros when they are used up.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(count.min(self.0.len()));
        self.0 = tail;
        head
    }

    /// A length of one byte, or FF and two, then so many bytes.
    fn frame(&mut self) -> &'a [u8] {
        let length = match self.byte() {
            0xFF => usize::from(u16::from_be_bytes([self.byte(), self.byte()])),
            length => usize::from(length),
        };
        self.take(length)
    }
}

/// Nothing that the attacker makes is accepted, and nothing panics.
pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let all = Setup::all();
    let setup = all[usize::from(input.byte()) % all.len()];
    let (mut host, mut card) = setup.open(input.byte());
    while !input.0.is_empty() {
        match input.byte() % 6 {
            0 => exchange(&mut input, &mut host, &mut card),
            1 => forged_command(&setup, &card, input.frame()),
            2 => forged_answer(&setup, &mut host, &mut card, input.frame()),
            3 => changed_command(&setup, &mut input, &host, &card),
            4 => forged_opening(&setup, &mut input),
            _ => small_buffer(&mut input, &host, &card),
        }
    }
}

/// A command with data of the fuzzer's, and an answer.
fn exchange(input: &mut Input<'_>, host: &mut HostChannel, card: &mut CardChannel) {
    let data = input.take(200).iter().copied().take(usize::from(input.byte()) % 200).collect::<Vec<_>>();
    let plain = command([0x80, 0xE2, input.byte(), 0], &data, Some(0));
    let wrapped = apply(&plain, |buffer, length| host.wrap(buffer, length)).unwrap();
    assert_eq!(apply(&wrapped, |buffer, length| card.unwrap(buffer, length)), Ok(plain));
    let answer = [&data[..], &[0x90, 0x00]].concat();
    let secured = apply(&answer, |buffer, length| card.wrap(buffer, length)).unwrap();
    assert_eq!(apply(&secured, |buffer, length| host.unwrap(buffer, length)), Ok(answer));
}

fn forged_command(setup: &Setup, card: &CardChannel, frame: &[u8]) {
    let found = apply(frame, |buffer, length| card.clone().unwrap(buffer, length));
    assert!(found.is_err() || !setup.level.c_mac(), "forged: {frame:02X?}");
}

/// At a level with R-MAC, an attacker can pretend errors, nothing else.
fn forged_answer(setup: &Setup, host: &mut HostChannel, card: &mut CardChannel, forged: &[u8]) {
    let plain = [0x80, 0xCA, 0x00, 0x66];
    let wrapped = apply(&plain, |buffer, length| host.wrap(buffer, length)).unwrap();
    apply(&wrapped, |buffer, length| card.unwrap(buffer, length)).unwrap();
    if let Ok(found) = apply(forged, |buffer, length| host.clone().unwrap(buffer, length)) {
        assert_eq!(found, forged);
        let is_error =
            matches!(found[..], [first, second] if [first, second] != [0x90, 0x00] && first & 0xFE != 0x62);
        assert!(is_error || !setup.level.r_mac(), "forged: {forged:02X?}");
    }
}

/// A good command of which one byte is another, cut or lengthened.
fn changed_command(setup: &Setup, input: &mut Input<'_>, host: &HostChannel, card: &CardChannel) {
    let (place, change, length) = (input.byte(), input.byte(), input.byte());
    let plain = command([0x80, 0xE2, 0, 0], input.frame().get(..20).unwrap_or_default(), None);
    let wrapped = apply(&plain, |buffer, length| host.clone().wrap(buffer, length)).unwrap();
    let mut changed = wrapped.clone();
    let place = usize::from(place) % changed.len();
    changed[place] ^= change;
    changed.resize(usize::from(length) % 64 + 1, change);
    let channel = 0x03;
    let same = changed.len() == wrapped.len() || changed.len() == wrapped.len() + 1;
    let same =
        same && changed[0] | channel == wrapped[0] | channel && changed[1..].starts_with(&wrapped[1..]);
    let found = apply(&changed, |buffer, length| card.clone().unwrap(buffer, length));
    assert!(found.is_err() || same || !setup.level.c_mac(), "{wrapped:02X?} as {changed:02X?}");
}

/// An opening and an authentication out of nothing.
fn forged_opening(setup: &Setup, input: &mut Input<'_>) {
    if let Ok(opening) = Opening::from_bytes(input.frame()) {
        assert!(HostOpening::new(&setup.keys(1), &setup.challenge(1), &opening).is_err());
    }
    let mut card = CardChannel::new();
    setup.initialize(1, &mut card);
    let found = apply(input.frame(), |buffer, length| card.authenticate(buffer, length).map(|_| 0));
    assert!(found.is_err());
}

/// Buffers of any size, and lengths that have nothing to do with them.
fn small_buffer(input: &mut Input<'_>, host: &HostChannel, card: &CardChannel) {
    let length = usize::from(input.byte()) * usize::from(input.byte() % 4);
    let frame = input.frame();
    for operate in [
        |_: &mut CardChannel, host: &mut HostChannel, buffer: &mut [u8], length| host.wrap(buffer, length),
        |_: &mut CardChannel, host: &mut HostChannel, buffer: &mut [u8], length| host.unwrap(buffer, length),
        |card: &mut CardChannel, _: &mut HostChannel, buffer: &mut [u8], length| card.unwrap(buffer, length),
        |card: &mut CardChannel, _: &mut HostChannel, buffer: &mut [u8], length| card.wrap(buffer, length),
    ] {
        let mut buffer = frame.to_vec();
        let _ = operate(&mut card.clone(), &mut host.clone(), &mut buffer, length);
    }
}
