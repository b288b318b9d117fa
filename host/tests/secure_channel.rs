//! Typed cards through a secure channel with a card of ours, in every kind of channel, and
//! what the host does when it breaks.

#![allow(clippy::unwrap_used)] // a test fails by panicking

#[allow(dead_code)] // its `main`
#[path = "../examples/secure_channel.rs"]
mod example;
mod issuer;

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::{
    Error as ChannelError, KeyType, Level, Mode, Protocol, Scp02Variant,
};
use card_os::applets::AppletKind;
use host::Error;
use host::card::domain::{Access, SecurityDomain, key_information, recognition};
use host::card::secure::{SecureReader, Wish};
use host::card::select;
use host::card::transfer::TransferCard;
use host::reader::Reader;
use issuer::{
    Line, OWN, access, aes, blank, keys, keys_of, prepare, random, refused, scp02, scp03, transfer_blocks,
};

/// A personalised transfer card, selected, and a channel to it.
fn full() -> SecureReader<Line> {
    let mut line = blank(AppletKind::Transfer);
    let name = Aid::new(Aid::TRANSFER).unwrap();
    let mut domain = SecurityDomain::open(&mut line, &Access::initial(), &mut random()).unwrap();
    domain.personalise(&name, &transfer_blocks()).unwrap();
    select(&mut line, Aid::TRANSFER).unwrap();
    let Access { keys, wish } = Access::initial();
    SecureReader::open(line, &keys, wish, &mut random()).unwrap()
}

fn channel_error<T: std::fmt::Debug>(result: Result<T, Error>) -> ChannelError {
    match result {
        Err(Error::SecureChannel(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// Whether the protocol has this level.
fn has(protocol: Protocol, level: Level) -> bool {
    let [version, i] = protocol.to_bytes();
    let (mac, encryption) = if version == 3 { (i & 0x20 != 0, i & 0x40 != 0) } else { (false, false) };
    (!level.r_mac() || mac) && (!level.r_encryption() || encryption)
}

/// All kinds: every length of key, mode, kind of challenge, and what answers may have.
fn kinds() -> [(Protocol, usize); 8] {
    [
        (scp03(0x70), 16),
        (scp03(0x60), 24),
        (scp03(0x71), 32),
        (scp03(0x61), 24),
        (scp03(0x10), 32),
        (scp03(0x20), 16),
        (scp02(Scp02Variant::PseudoRandom), 16),
        (scp02(Scp02Variant::Random), 16),
    ]
}

#[test]
fn a_card_is_personalised_and_used_through_every_kind_of_channel() {
    let name = Aid::new(Aid::TRANSFER).unwrap();
    for (protocol, length) in kinds() {
        for level in Level::ALL.iter().copied() {
            let own = access(protocol, keys_of(protocol, length), level);
            let mut line = blank(AppletKind::Transfer);
            prepare(&mut line, protocol, &own.keys);
            let domain = SecurityDomain::open(&mut line, &own, &mut random());
            if !has(protocol, level) {
                // The host asks for no level that the card does not announce.
                let refused = domain.err().unwrap();
                assert!(
                    matches!(refused, Error::SecureChannel(ChannelError::Level)),
                    "{protocol:?} {level:?}: {refused:?}"
                );
                continue;
            }
            let mut domain = domain.unwrap();
            assert_eq!(domain.key_version(), OWN);
            assert_eq!(domain.applications().unwrap().len(), 1, "{protocol:?} {level:?}");
            let result = domain.personalise(&name, &transfer_blocks());
            if level.c_decryption() {
                result.unwrap();
            } else {
                // Without MAC nothing is managed, without encryption no key goes in.
                assert_eq!(refused(result), StatusWord::SECURITY_NOT_SATISFIED);
                let encrypted = access(protocol, own.keys.clone(), Level::CDecryptionCMac);
                let mut domain = SecurityDomain::open(&mut line, &encrypted, &mut random()).unwrap();
                domain.personalise(&name, &transfer_blocks()).unwrap();
            }
            select(&mut line, Aid::TRANSFER).unwrap();
            let mut reader = SecureReader::open(&mut line, &own.keys, own.wish, &mut random()).unwrap();
            let mut card = TransferCard::selected(&mut reader);
            let information = card.information().unwrap();
            assert_eq!(information.first_parcel, information.next_parcel);
            // An error of the card is told as such, and the channel goes on.
            assert_eq!(refused(card.parcel(77)), StatusWord::RECORD_NOT_FOUND);
            card.information().unwrap();
        }
    }
}

#[test]
fn what_the_card_is_managed_with_is_told_without_a_channel() {
    for (protocol, length) in kinds() {
        let mut line = blank(AppletKind::Transfer);
        let own = access(protocol, keys_of(protocol, length), Level::CMac);
        prepare(&mut line, protocol, &own.keys);
        drop(SecurityDomain::open(&mut line, &own, &mut random()).unwrap());
        // SELECT ends the channel.
        select(&mut line, Aid::SECURITY_DOMAIN).unwrap();
        let keys = key_information(&mut line).unwrap();
        let told: Vec<_> = keys.iter().map(|key| (key.number, key.version, key.kind, key.length)).collect();
        let kind = own.keys.enc.kind() as u8;
        let length = u8::try_from(length).unwrap();
        assert_eq!(told, [1, 2, 3].map(|number| (number, OWN, kind, length)));
        let identifier = [&b"\x2A\x86\x48\x86\xFC\x6B\x04"[..], &protocol.to_bytes()].concat();
        let data = recognition(&mut line).unwrap();
        assert!(data.windows(identifier.len()).any(|part| part == identifier), "{protocol:?}: {data:02X?}");
    }
}

#[test]
fn the_example_runs() {
    example::run().unwrap();
}

#[test]
fn a_card_with_other_keys_is_refused() {
    let mut line = blank(AppletKind::Transfer);
    prepare(&mut line, scp03(0x70), &aes(0));
    let wish = Wish { key_version: OWN, mode: Mode::S8, level: Level::CMac };
    let mut open = |keys, wish| {
        select(&mut line, Aid::SECURITY_DOMAIN).unwrap();
        SecureReader::open(&mut line, &keys, wish, &mut random()).map(|reader| reader.key_version())
    };
    assert_eq!(channel_error(open(keys(KeyType::Aes, 32, 0), wish)), ChannelError::Cryptogram);
    // Another protocol than the keys are for: no key is used in a cipher that it is not for.
    assert_eq!(channel_error(open(keys(KeyType::TripleDes, 16, 0), wish)), ChannelError::Keys);
    let other = Wish { key_version: 0x31, ..wish };
    assert_eq!(refused(open(aes(0), other)), StatusWord::REFERENCE_NOT_FOUND);
    let long = Wish { mode: Mode::S16, ..wish };
    assert_eq!(refused(open(aes(0), long)), StatusWord::WRONG_LENGTH);
    assert_eq!(open(aes(0), wish).unwrap(), OWN);
}

#[test]
fn a_changed_answer_ends_the_channel() {
    let mut line = full().into_inner();
    let attacks: [fn(&mut Vec<u8>); 4] = [
        |answer| answer[0] ^= 1,
        |answer| answer.truncate(0),
        |answer| *answer = vec![0x90, 0x00],
        |answer| *answer.last_mut().unwrap() ^= 1,
    ];
    let found = [ChannelError::Mac, ChannelError::Length, ChannelError::Mac, ChannelError::Mac];
    for (attack, found) in attacks.into_iter().zip(found) {
        let Access { keys, wish } = Access::initial();
        line.attack = attack;
        let mut reader = SecureReader::open(line, &keys, wish, &mut random()).unwrap();
        assert_eq!(channel_error(TransferCard::selected(&mut reader).information()), found);
        assert_eq!(channel_error(TransferCard::selected(&mut reader).information()), ChannelError::Closed);
        line = reader.into_inner();
    }
}

#[test]
fn data_that_are_too_long_are_told_and_the_channel_goes_on() {
    let mut reader = full();
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
    TransferCard::selected(&mut reader).information().unwrap();
    reader.reset().unwrap();
    assert_eq!(channel_error(reader.transmit(&[0x80, 0xCA, 0x00, 0x66])), ChannelError::Closed);
    // Nor on the card: what was secured for the channel before is nothing to it.
    let mut line = reader.into_inner();
    let secured = line.last();
    assert_eq!(secured[0] & 0x04, 0x04);
    select(&mut line, Aid::TRANSFER).unwrap();
    assert_eq!(line.status(&secured), StatusWord::CLASS_NOT_SUPPORTED);
}
