//! Wrong MACs slow a card down: who guesses waits, each time twice as long.

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::element::{Kind, Mac, Random, SamCounter};
use apdu_spec::purse::{CreditLoad, Execute, GetBalance, InitializeIep, InitializePurchase};
use apdu_spec::purse::{InitializeLoad, InitializeTransfer, Initialized};
use apdu_spec::record::{Counterpart, Decision, Order, Terms};
use apdu_spec::sam::{GetChallenge, InitializePsam, OpenPurchase};
use card_os::applets::AppletKind;
use host::card::{execute, select};
use host::reader::Reader as _;
use system_tests::scheme::{GROUP, NOW, amount, sam_id};

use crate::scheme::{Station, aid, iep, load, pay, psam, purse, purse_blocks, refused, shown, transfer_here};

/// What the card waits before the command that checks a MAC, after so many wrong ones: none,
/// then doubled up to a limit.
const DELAYS: [u64; 11] = [0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 12_800, 12_800];

/// A load with a wrong S2, at the purse that is selected; how long the card waited for it.
fn guess(card: &mut Station) -> u64 {
    let counterpart = Counterpart { sam: sam_id(900), challenge: Random([9; 8]) };
    let request = InitializeTransfer { version: 1, counterpart, amount: amount(5) };
    let Initialized { statement, .. } = execute::<InitializeLoad>(card, &request).unwrap();
    let before = card.delayed();
    let order = Order {
        amount: amount(5),
        time: NOW,
        nt: SamCounter(1),
        taken_over: statement.position.nv,
        terms: Terms::decision(Decision::Approved(statement.position.balance)),
    };
    let refusal = refused(execute::<CreditLoad>(card, &Execute { order, s2: Mac::default() }));
    assert_eq!(refusal, ("CreditLoad", StatusWord::WRONG_MAC));
    card.delayed() - before
}

fn guesses(card: &mut Station, times: usize) -> Vec<u64> {
    (0..times).map(|_| guess(card)).collect()
}

#[test]
fn each_wrong_mac_doubles_the_delay() {
    let mut card = purse(11, 1, 1);
    select(&mut card, Aid::PURSE).unwrap();
    assert_eq!(guesses(&mut card, DELAYS.len()), DELAYS);
    // Neither SELECT nor power takes it away.
    select(&mut card, Aid::PURSE).unwrap();
    assert_eq!(guess(&mut card), 12_800);
    for _ in 0..2 {
        card.reset().unwrap();
        select(&mut card, Aid::PURSE).unwrap();
        assert_eq!(guess(&mut card), 12_800);
    }
}

#[test]
fn it_survives_losses_of_power_from_the_first_on() {
    let mut card = purse(11, 1, 1);
    for delay in DELAYS {
        card.reset().unwrap();
        select(&mut card, Aid::PURSE).unwrap();
        assert_eq!(guess(&mut card), delay);
    }
}

#[test]
fn a_right_purchase_or_load_ends_it() {
    let mut terminal = psam(1, &[1], &[11]);
    let mut card = purse(11, 1, 1);
    load(&mut card, Aid::PURSE, 1_000).unwrap();
    for right in 0..4 {
        select(&mut card, Aid::PURSE).unwrap();
        assert_eq!(guesses(&mut card, 4), DELAYS[..4]);
        let before = card.delayed();
        // The right one waits as well: nobody knows before.
        if right % 2 == 0 {
            pay(&mut card, Aid::PURSE, &mut terminal, 1).unwrap();
        } else {
            transfer_here(&mut card, Kind::Load, 1).unwrap();
        }
        assert_eq!(card.delayed() - before, DELAYS[4]);
        let before = card.delayed();
        pay(&mut card, Aid::PURSE, &mut terminal, 1).unwrap();
        assert_eq!(card.delayed(), before);
        if right == 2 {
            card.reset().unwrap();
        }
    }
}

#[test]
fn a_card_that_nobody_guesses_at_never_waits() {
    let mut terminal = psam(1, &[1], &[11]);
    let mut card = purse(11, 1, 1);
    for _ in 0..3 {
        load(&mut card, Aid::PURSE, 100).unwrap();
        pay(&mut card, Aid::PURSE, &mut terminal, 1).unwrap();
    }
    assert_eq!([card.delayed(), terminal.delayed()], [0, 0]);
}

#[test]
fn what_checks_no_mac_does_not_wait() {
    let mut card = purse(11, 1, 1);
    select(&mut card, Aid::PURSE).unwrap();
    guesses(&mut card, 5);
    let before = card.delayed();
    shown(&mut card, Aid::PURSE);
    execute::<GetBalance>(&mut card, &()).unwrap();
    drop(card.domain());
    assert_eq!(card.delayed(), before);
}

#[test]
fn another_purse_on_the_card_does_not_wait() {
    const SECOND: &[u8] = b"\xF0SECOND";
    let mut terminal = psam(1, &[1], &[11, 12]);
    let mut card = purse(11, 1, 1);
    card.domain().install(AppletKind::Purse, &aid(SECOND)).unwrap();
    card.store(SECOND, &purse_blocks(iep(12, 1), 1, None)).unwrap();
    load(&mut card, SECOND, 100).unwrap();
    select(&mut card, Aid::PURSE).unwrap();
    guesses(&mut card, 5);
    let before = card.delayed();
    pay(&mut card, SECOND, &mut terminal, 1).unwrap();
    assert_eq!(card.delayed(), before);
    select(&mut card, Aid::PURSE).unwrap();
    assert_eq!(guess(&mut card), DELAYS[5]);
}

#[test]
fn a_psam_waits_too() {
    let mut terminal = psam(1, &[1], &[11]);
    let mut card = purse(11, 1, 1);
    load(&mut card, Aid::PURSE, 100).unwrap();
    let mut guess_at = |terminal: &mut Station| {
        let challenge = execute::<GetChallenge>(terminal, &()).unwrap().challenge;
        let counterpart = Counterpart { sam: sam_id(1), challenge };
        select(&mut card, Aid::PURSE).unwrap();
        let request = InitializePurchase { group: GROUP, version: 1, counterpart };
        let Initialized { key, statement, .. } = execute::<InitializeIep>(&mut card, &request).unwrap();
        let before = terminal.delayed();
        let request = OpenPurchase { key, statement, s1: Mac::default(), amount: amount(1), time: NOW };
        let refusal = refused(execute::<InitializePsam>(terminal, &request));
        assert_eq!(refusal, ("InitializePsam", StatusWord::WRONG_MAC));
        terminal.delayed() - before
    };
    for delay in &DELAYS[..5] {
        assert_eq!(guess_at(&mut terminal), *delay);
        terminal.reset().unwrap();
        select(&mut terminal, Aid::PSAM).unwrap();
    }
    let before = terminal.delayed();
    pay(&mut card, Aid::PURSE, &mut terminal, 1).unwrap();
    assert_eq!(terminal.delayed() - before, DELAYS[5]);
    let before = terminal.delayed();
    pay(&mut card, Aid::PURSE, &mut terminal, 1).unwrap();
    assert_eq!(terminal.delayed(), before);
}
