//! The holder's PIN.

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::Level;
use apdu_spec::element::{Kind, Pin};
use apdu_spec::personalisation::{DataGroup, PinPolicy};
use apdu_spec::purse::{ChangePin, ChangePinRequest, PresentPin, ResetPin, VerifyPin};
use apdu_spec::security_domain::DataBlock;
use card_os::applets::AppletKind;
use host::Error;
use host::card::domain::Access;
use host::card::secure::SecureReader;
use host::card::{execute, select};
use host::reader::Reader;
use system_tests::scheme::amount;

use crate::scheme::{Station, aid, balance, iep, load, purse, purse_blocks, random, refused, transfer_here};

const TRIES: u8 = 3;
const LIMIT: u32 = 1_000;
const BLOCKED: (&str, StatusWord) = ("VerifyPin", StatusWord::AUTHENTICATION_BLOCKED);

fn pin(digits: &str) -> Pin {
    Pin::new(digits).unwrap()
}

fn policy(digits: &str) -> PinPolicy {
    PinPolicy { tries: TRIES, load_limit: amount(LIMIT), pin: pin(digits) }
}

/// A purse whose PIN is 1234, selected.
fn with_pin() -> Station {
    let mut card = Station::blank(AppletKind::Purse, 1);
    card.store(Aid::PURSE, &purse_blocks(iep(11, 1), 1, Some(&policy("1234")))).unwrap();
    select(&mut card, Aid::PURSE).unwrap();
    card
}

fn verify(card: &mut Station, digits: &str) -> Result<(), Error> {
    execute::<VerifyPin>(card, &PresentPin { pin: pin(digits) })
}

fn change(card: &mut Station, old: &str, new: &str) -> Result<(), Error> {
    execute::<ChangePin>(card, &ChangePinRequest { old: pin(old), new: pin(new) })
}

/// The issuer gives the purse that is selected another PIN, in a channel of this level.
fn reset(card: &mut Station, digits: &str, level: Level) -> Result<(), Error> {
    let Access { keys, mut wish } = Access::initial();
    wish.level = level;
    let mut channel = SecureReader::open(card, &keys, wish, &mut random())?;
    execute::<ResetPin>(&mut channel, &PresentPin { pin: pin(digits) })
}

fn off_and_on(card: &mut Station) {
    card.reset().unwrap();
    select(card, Aid::PURSE).unwrap();
}

#[test]
fn a_load_above_the_limit_needs_the_pin() {
    let needs_it = ("InitializeLoad", StatusWord::SECURITY_NOT_SATISFIED);
    let mut card = with_pin();
    transfer_here(&mut card, Kind::Load, LIMIT).unwrap();
    assert_eq!(refused(transfer_here(&mut card, Kind::Load, LIMIT + 1)), needs_it);
    verify(&mut card, "1234").unwrap();
    for _ in 0..2 {
        transfer_here(&mut card, Kind::Load, LIMIT + 1).unwrap();
    }
    // It is known as long as the purse stays selected, and no longer.
    select(&mut card, Aid::PURSE).unwrap();
    assert_eq!(refused(transfer_here(&mut card, Kind::Load, LIMIT + 1)), needs_it);
    verify(&mut card, "1234").unwrap();
    select(&mut card, Aid::SECURITY_DOMAIN).unwrap();
    assert_eq!(refused(load(&mut card, Aid::PURSE, LIMIT + 1)), needs_it);
    verify(&mut card, "1234").unwrap();
    off_and_on(&mut card);
    assert_eq!(refused(transfer_here(&mut card, Kind::Load, LIMIT + 1)), needs_it);
    // A wrong one forgets a right one.
    verify(&mut card, "1234").unwrap();
    assert_eq!(refused(verify(&mut card, "1235")), ("VerifyPin", StatusWord::wrong_pin(2)));
    assert_eq!(refused(transfer_here(&mut card, Kind::Load, LIMIT + 1)), needs_it);
    assert_eq!(balance(&mut card, Aid::PURSE), i32::try_from(3 * LIMIT + 2).unwrap());
}

#[test]
fn wrong_pins_block_it_and_power_gives_none_back() {
    for with_losses_of_power in [false, true] {
        let mut card = with_pin();
        for left in (0..TRIES).rev() {
            assert_eq!(refused(verify(&mut card, "4321")), ("VerifyPin", StatusWord::wrong_pin(left)));
            if with_losses_of_power {
                off_and_on(&mut card);
            }
        }
        for _ in 0..2 {
            assert_eq!(refused(verify(&mut card, "1234")), BLOCKED);
            let refusal = refused(change(&mut card, "1234", "9999"));
            assert_eq!(refusal, ("ChangePin", StatusWord::AUTHENTICATION_BLOCKED));
            off_and_on(&mut card);
        }
        // What needs no PIN goes on.
        transfer_here(&mut card, Kind::Load, LIMIT).unwrap();
    }
}

#[test]
fn a_right_pin_gives_all_tries_back() {
    let mut card = with_pin();
    for _ in 0..3 {
        for left in (1..TRIES).rev() {
            assert_eq!(refused(verify(&mut card, "0000")), ("VerifyPin", StatusWord::wrong_pin(left)));
        }
        off_and_on(&mut card);
        verify(&mut card, "1234").unwrap();
    }
}

#[test]
fn the_holder_changes_the_pin_who_knows_it() {
    let mut card = with_pin();
    assert_eq!(refused(change(&mut card, "0000", "5678")), ("ChangePin", StatusWord::wrong_pin(2)));
    assert_eq!(refused(verify(&mut card, "5678")), ("VerifyPin", StatusWord::wrong_pin(1)));
    change(&mut card, "1234", "567890123456").unwrap();
    transfer_here(&mut card, Kind::Load, LIMIT + 1).unwrap();
    off_and_on(&mut card);
    assert_eq!(refused(verify(&mut card, "1234")), ("VerifyPin", StatusWord::wrong_pin(2)));
    verify(&mut card, "567890123456").unwrap();
}

#[test]
fn the_issuer_alone_sets_it_anew_and_in_a_channel_that_is_encrypted() {
    let mut card = with_pin();
    for _ in 0..TRIES {
        refused(verify(&mut card, "0000"));
    }
    let unsatisfied = ("ResetPin", StatusWord::SECURITY_NOT_SATISFIED);
    let plain = execute::<ResetPin>(&mut card, &PresentPin { pin: pin("5678") });
    assert_eq!(refused(plain), unsatisfied);
    for level in [Level::Authenticated, Level::CMac, Level::CMacRMac] {
        assert_eq!(refused(reset(&mut card, "5678", level)), unsatisfied);
        select(&mut card, Aid::PURSE).unwrap();
        assert_eq!(refused(verify(&mut card, "1234")), BLOCKED);
    }
    for level in [Level::CDecryptionCMac, Level::CDecryptionREncryptionCMacRMac] {
        reset(&mut card, "5678", level).unwrap();
        off_and_on(&mut card);
        verify(&mut card, "5678").unwrap();
        for left in (0..TRIES).rev() {
            assert_eq!(refused(verify(&mut card, "1234")), ("VerifyPin", StatusWord::wrong_pin(left)));
        }
    }
    // Or through the security domain, with another policy.
    let block = DataBlock::of(true, 0, DataGroup::Pin, &policy("2468")).unwrap();
    card.store(Aid::PURSE, &[block]).unwrap();
    select(&mut card, Aid::PURSE).unwrap();
    verify(&mut card, "2468").unwrap();
}

#[test]
fn a_purse_without_pin_asks_for_none() {
    let mut card = purse(11, 1, 1);
    load(&mut card, Aid::PURSE, 10 * LIMIT).unwrap();
    assert_eq!(refused(verify(&mut card, "1234")), ("VerifyPin", StatusWord::REFERENCE_NOT_FOUND));
    let changed = refused(change(&mut card, "1234", "5678"));
    assert_eq!(changed, ("ChangePin", StatusWord::REFERENCE_NOT_FOUND));
}

#[test]
fn two_purses_have_two_pins() {
    const SECOND: &[u8] = b"\xF0SECOND";
    let mut card = with_pin();
    card.domain().install(AppletKind::Purse, &aid(SECOND)).unwrap();
    card.store(SECOND, &purse_blocks(iep(12, 1), 1, Some(&policy("9876")))).unwrap();
    select(&mut card, SECOND).unwrap();
    for _ in 0..TRIES {
        refused(verify(&mut card, "1234"));
    }
    assert_eq!(refused(verify(&mut card, "9876")), BLOCKED);
    select(&mut card, Aid::PURSE).unwrap();
    verify(&mut card, "1234").unwrap();
    // Who has shown one PIN has not shown the other.
    select(&mut card, SECOND).unwrap();
    let refusal = refused(transfer_here(&mut card, Kind::Load, LIMIT + 1));
    assert_eq!(refusal, ("InitializeLoad", StatusWord::SECURITY_NOT_SATISFIED));
    reset(&mut card, "1111", Level::CDecryptionCMac).unwrap();
    select(&mut card, Aid::PURSE).unwrap();
    verify(&mut card, "1234").unwrap();
}

#[test]
fn a_blocked_purse_takes_no_pin() {
    let mut card = with_pin();
    card.domain().block(&aid(Aid::PURSE), true).unwrap();
    refused(select(&mut card, Aid::PURSE));
    for _ in 0..2 * TRIES {
        let refusal = refused(verify(&mut card, "0000"));
        assert_eq!(refusal, ("VerifyPin", StatusWord::CONDITIONS_NOT_SATISFIED));
    }
    card.domain().block(&aid(Aid::PURSE), false).unwrap();
    select(&mut card, Aid::PURSE).unwrap();
    assert_eq!(refused(verify(&mut card, "0000")), ("VerifyPin", StatusWord::wrong_pin(TRIES - 1)));
}
