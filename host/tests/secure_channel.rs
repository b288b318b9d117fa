//! Typed cards through a secure channel, and what the host does when it breaks.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod security_domain;

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::{Error as ChannelError, Level, Mode, Protocol};
use host::Error;
use host::card::secure::{SecureReader, Wish};
use host::card::select;
use host::card::transfer::TransferCard;
use host::reader::Reader;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;
use security_domain::{Domain, KEY_VERSION, keys, personalise, scp02, scp03};

fn wish(protocol: Protocol, level: Level) -> Wish {
    let mode = match protocol {
        Protocol::Scp02(_) => Mode::S8,
        Protocol::Scp03(variant) => variant.mode(),
    };
    Wish { key_version: 0, mode, level }
}

/// A card with its application selected, and a channel to it.
fn opened(protocol: Protocol, length: usize, level: Level) -> SecureReader<Domain> {
    let mut domain = Domain::new(protocol, keys(protocol, length));
    select(&mut domain, Aid::TRANSFER).unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(9);
    SecureReader::open(domain, &keys(protocol, length), wish(protocol, level), &mut random).unwrap()
}

fn full() -> SecureReader<Domain> {
    opened(scp03(0x70), 16, Level::CDecryptionREncryptionCMacRMac)
}

fn channel_error<T: std::fmt::Debug>(result: Result<T, Error>) -> ChannelError {
    match result {
        Err(Error::SecureChannel(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_card_is_personalised_and_used_through_every_kind_of_channel() {
    let kinds = [(scp03(0x70), 16), (scp03(0x60), 24), (scp03(0x78), 32), (scp03(0x00), 16), (scp02(), 16)];
    for (protocol, length) in kinds {
        for level in Level::ALL {
            if level.r_mac() && ![0x60, 0x70, 0x78].contains(&protocol.to_bytes()[1]) {
                continue;
            }
            let mut reader = opened(protocol, length, *level);
            assert_eq!(reader.key_version(), KEY_VERSION);
            personalise(&mut reader).unwrap();
            let mut card = TransferCard::selected(&mut reader);
            let information = card.information().unwrap();
            assert_eq!(information.first_parcel, information.next_parcel);
            // An error of the card is told as such, and the channel goes on.
            assert_eq!(card.parcel(77).unwrap_err().status(), Some(StatusWord::RECORD_NOT_FOUND));
            card.information().unwrap();
        }
    }
}

#[test]
fn a_card_with_other_keys_is_refused() {
    let protocol = scp03(0x70);
    let mut domain = Domain::new(protocol, keys(protocol, 16));
    let mut random = ChaCha8Rng::seed_from_u64(9);
    let wish = wish(protocol, Level::CMac);
    let mut open = |domain: &mut Domain, keys, wish| {
        SecureReader::open(domain, &keys, wish, &mut random).map(|reader| reader.key_version())
    };
    assert_eq!(channel_error(open(&mut domain, keys(protocol, 32), wish)), ChannelError::Cryptogram);
    // Another protocol than the keys are for: no key is used in a cipher that it is not for.
    assert_eq!(channel_error(open(&mut domain, keys(scp02(), 16), wish)), ChannelError::Keys);
    let other = Wish { key_version: 0x31, ..wish };
    let status = open(&mut domain, keys(protocol, 16), other).unwrap_err().status();
    assert_eq!(status, Some(StatusWord::REFERENCE_NOT_FOUND));
    let long = Wish { mode: Mode::S16, ..wish };
    let status = open(&mut domain, keys(protocol, 16), long).unwrap_err().status();
    assert_eq!(status, Some(StatusWord::WRONG_LENGTH));
    assert_eq!(open(&mut domain, keys(protocol, 16), wish).unwrap(), KEY_VERSION);
}

#[test]
fn a_changed_answer_ends_the_channel() {
    let mut reader = full();
    personalise(&mut reader).unwrap();
    let mut domain = reader.into_inner();
    let attacks: [fn(&mut Vec<u8>); 3] =
        [|answer| answer[0] ^= 1, |answer| answer.truncate(0), |answer| *answer = vec![0x90, 0x00]];
    for (attack, found) in
        attacks.into_iter().zip([ChannelError::Mac, ChannelError::Length, ChannelError::Mac])
    {
        let wish = wish(scp03(0x70), Level::CDecryptionREncryptionCMacRMac);
        let mut random = ChaCha8Rng::seed_from_u64(9);
        domain.attack = attack;
        let mut reader = SecureReader::open(domain, &keys(scp03(0x70), 16), wish, &mut random).unwrap();
        assert_eq!(channel_error(TransferCard::selected(&mut reader).information()), found);
        assert_eq!(channel_error(TransferCard::selected(&mut reader).information()), ChannelError::Closed);
        domain = reader.into_inner();
    }
}

#[test]
fn data_that_are_too_long_are_told_and_the_channel_goes_on() {
    let mut reader = full();
    personalise(&mut reader).unwrap();
    assert_eq!(reader.command_limit().unwrap(), 239);
    for length in [240_u8, 255] {
        let command = [&[0x80, 0xE2, 0x00, 0x00, length][..], &vec![0; usize::from(length)], &[0]].concat();
        let error = reader.transmit(&command).unwrap_err();
        assert_eq!(
            error.to_string(),
            "secure channel: the data field is too long for this security level: 239 bytes fit"
        );
    }
    let endless = [&[0x80, 0xE2, 0x00, 0x00, 0x00, 0x10, 0x00][..], &[0; 0x1000]].concat();
    assert_eq!(channel_error(reader.transmit(&endless)), ChannelError::TooLong { limit: 239 });
    TransferCard::selected(&mut reader).information().unwrap();
}

#[test]
fn after_a_reset_there_is_no_channel() {
    let mut reader = full();
    reader.reset().unwrap();
    assert_eq!(channel_error(reader.transmit(&[0x80, 0xCA, 0x00, 0x66])), ChannelError::Closed);
}
