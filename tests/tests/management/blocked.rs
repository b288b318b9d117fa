//! A card that wrong authentications have blocked, where its issuer has set a limit: no value
//! moves, evidence stays readable, and once the issuer has lifted it all goes on.

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::declare::{Command as _, Row};
use apdu_spec::element::Random;
use apdu_spec::life_cycle::{CardState, LifeCycle};
use apdu_spec::personalisation::{DataGroup, DomainParameters};
use apdu_spec::purse::{
    DebitIep, GetBalance, PreviousByNt, PreviousRequest, PurseCommand, ReadLog, ReadRecord,
};
use apdu_spec::record::Counterpart;
use apdu_spec::sam::{CloseBatch, CollectRequest, CreditPsam, CreditRequest, PsamCollect, SamCommand};
use apdu_spec::security_domain::{DataBlock, ExternalAuthenticate};
use apdu_spec::transfer::TransferCommand;
use card_os::applets::AppletKind;
use host::card::{execute, select};
use host::reader::Reader as _;
use system_tests::scheme::{GROUP, amount, counter, sam_id};

use crate::scheme::{Station, load, order, pay, psam, purse, refused};

/// Wrong authentications that the issuer allows.
const LIMIT: u8 = 3;

/// Sets the limit.
fn limit(card: &mut Station) {
    let parameters = DomainParameters { attempts: LIMIT, ..DomainParameters::initial() };
    card.domain().store(&DataBlock::of(true, 0, DataGroup::Domain, &parameters).unwrap()).unwrap();
}

/// Uses the attempts up, at whatever is selected.
fn block(card: &mut Station) {
    let update = [0x80, 0x50, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0];
    let forged = [&[0x84, ExternalAuthenticate::ROW.ins, 0x33, 0, 16][..], &[0xEE; 16]].concat();
    for _ in 0..LIMIT {
        assert_eq!(status(card, &update), StatusWord::OK);
        assert_ne!(status(card, &forged), StatusWord::OK);
    }
}

/// The issuer lifts it.
fn lift(card: &mut Station) {
    card.domain().set_card_state(CardState::OpReady).unwrap();
}

fn status(card: &mut Station, command: &[u8]) -> StatusWord {
    StatusWord(u16::from_be_bytes(*card.transmit(command).unwrap().last_chunk().unwrap()))
}

/// A command of this row, of the least length.
fn command(row: &Row) -> Vec<u8> {
    row.frame(&vec![0; row.request.min], &mut [0; 300]).unwrap().to_vec()
}

/// Each command of an application, tried on its card before, while and after it is blocked.
fn gate(mut card: Station, name: &[u8], rows: &[Row]) {
    limit(&mut card);
    let tried = |card: &mut Station| -> Vec<StatusWord> {
        rows.iter().map(|row| status(card, &command(row))).collect()
    };
    select(&mut card, name).unwrap();
    let before = tried(&mut card);
    assert!(!before.contains(&StatusWord::CARD_BLOCKED));
    block(&mut card);
    // A PSAM closes its batch each time, and keeps four.
    for power_up in 0..2 {
        for (row, (status, before)) in rows.iter().zip(tried(&mut card).into_iter().zip(&before)) {
            let answered = row.states.contains(&LifeCycle::Blocked);
            let expected = if answered { *before } else { StatusWord::CARD_BLOCKED };
            assert_eq!(status, expected, "{} {power_up}", row.name);
        }
        card.reset().unwrap();
        assert_eq!(refused(select(&mut card, name)), ("Select", StatusWord::BLOCKED));
    }
    lift(&mut card);
    select(&mut card, name).unwrap();
    assert_eq!(tried(&mut card), before);
}

#[test]
fn what_moves_value_is_stopped_and_what_answers_questions_is_not() {
    let mut card = purse(11, 1, 1);
    load(&mut card, Aid::PURSE, 1_000).unwrap();
    gate(card, Aid::PURSE, PurseCommand::ROWS);
    gate(psam(1, &[1], &[11]), Aid::PSAM, SamCommand::ROWS);
    // One that nobody has personalised has nothing to tell either way.
    gate(Station::blank(AppletKind::Transfer, 1), Aid::TRANSFER, TransferCommand::ROWS);
}

#[test]
fn a_purse_that_is_blocked_before_its_debit_pays_nothing_and_says_so() {
    let (mut card, mut terminal) = (purse(11, 1, 1), psam(1, &[1], &[11]));
    limit(&mut card);
    load(&mut card, Aid::PURSE, 1_000).unwrap();
    pay(&mut card, Aid::PURSE, &mut terminal, 30).unwrap();
    let (_, meant) = order(&mut card, &mut terminal, 10).unwrap();
    block(&mut card);
    assert_eq!(refused(execute::<DebitIep>(&mut card, &meant)), ("DebitIep", StatusWord::CARD_BLOCKED));
    assert_eq!(execute::<GetBalance>(&mut card, &()).unwrap().balance.0, 970);
    assert_eq!(execute::<ReadRecord>(&mut card, &ReadLog { record: 1 }).unwrap().amount, amount(30));
    // The first session loaded, the second paid, the third was to pay.
    let counterpart = Counterpart { sam: sam_id(1), challenge: Random([7; 8]) };
    let mut previous = |number| {
        let request = PreviousRequest { group: GROUP, version: 1, counterpart, number: counter(number) };
        execute::<PreviousByNt>(&mut card, &request).unwrap().found
    };
    assert_eq!([previous(2), previous(3)], [1, 0]);
    lift(&mut card);
    pay(&mut card, Aid::PURSE, &mut terminal, 10).unwrap();
    assert_eq!(execute::<GetBalance>(&mut card, &()).unwrap().balance.0, 960);
}

#[test]
fn a_psam_that_is_blocked_before_its_credit_hands_in_what_it_has() {
    let (mut card, mut terminal) = (purse(11, 1, 1), psam(1, &[1], &[11]));
    limit(&mut terminal);
    load(&mut card, Aid::PURSE, 1_000).unwrap();
    select(&mut terminal, Aid::PSAM).unwrap();
    pay(&mut card, Aid::PURSE, &mut terminal, 30).unwrap();
    let (_, meant) = order(&mut card, &mut terminal, 10).unwrap();
    let executed = execute::<DebitIep>(&mut card, &meant).unwrap();
    block(&mut terminal);
    let credit = CreditRequest { nt: meant.order.nt, s3: executed.s3, s6: executed.s6 };
    let refusal = refused(execute::<CreditPsam>(&mut terminal, &credit));
    assert_eq!(refusal, ("CreditPsam", StatusWord::CARD_BLOCKED));
    // A payment and a claim, each under S5; the receipt of the claim is with the purse.
    let trailer = execute::<CloseBatch>(&mut terminal, &()).unwrap();
    for index in 0..2 {
        let request = CollectRequest { batch: trailer.batch, index };
        execute::<PsamCollect>(&mut terminal, &request).unwrap();
    }
    assert_eq!(refused(order(&mut card, &mut terminal, 10)), ("GetChallenge", StatusWord::CARD_BLOCKED));
    lift(&mut terminal);
    select(&mut terminal, Aid::PSAM).unwrap();
    pay(&mut card, Aid::PURSE, &mut terminal, 10).unwrap();
}
