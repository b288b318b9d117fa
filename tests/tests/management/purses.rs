//! Two purses of two providers on one card, kept apart.

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::element::Kind;
use apdu_spec::life_cycle::LifeCycle;
use apdu_spec::purse::{DebitIep, GetPurseData};
use card_os::applets::AppletKind;
use host::card::{execute, select};
use host::reader::Reader as _;

use crate::scheme::{
    ROUND, Station, aid, balance, collect, iep, load, order, pay, psam, purse, purse_blocks, refused, shown,
    unload,
};

const FIRST: &[u8] = Aid::PURSE;
const SECOND: &[u8] = b"\xF0SECOND";
const PROVIDERS: [u32; 2] = [11, 12];

/// A card with purses of both providers, and a PSAM that takes both.
fn both() -> (Station, Station) {
    let mut station = purse(PROVIDERS[0], 1, 1);
    install(&mut station, 1);
    (station, psam(1, &[1], &PROVIDERS))
}

/// The second purse, of its provider's number `number`.
fn install(station: &mut Station, number: u64) {
    station.domain().install(AppletKind::Purse, &aid(SECOND)).unwrap();
    station.store(SECOND, &purse_blocks(iep(PROVIDERS[1], number), 1, None)).unwrap();
}

fn states(station: &mut Station) -> Vec<(Aid, u8)> {
    let all = station.domain().applications().unwrap();
    all.into_iter().map(|entry| (entry.aid, entry.state)).collect()
}

#[test]
fn each_has_its_own_balance_log_and_counters() {
    let (mut card, mut psam) = both();
    load(&mut card, FIRST, 5_000).unwrap();
    let untouched = shown(&mut card, SECOND);
    assert_eq!((untouched.0.nt.get(), untouched.0.nv.get(), untouched.1), (0, 0, 0));
    for minor in 1..=3 {
        pay(&mut card, FIRST, &mut psam, minor).unwrap();
        card.reset().unwrap();
    }
    assert_eq!(shown(&mut card, SECOND), untouched);
    let first = shown(&mut card, FIRST);
    assert_eq!((first.0.nv.get(), first.1, first.2.len()), (4, 4_994, 4));
    load(&mut card, SECOND, 700).unwrap();
    pay(&mut card, SECOND, &mut psam, 50).unwrap();
    assert_eq!(shown(&mut card, FIRST), first);
    let second = shown(&mut card, SECOND);
    assert_eq!((second.0.nv.get(), second.1), (2, 650));
    assert_eq!(second.2.iter().map(|line| line.kind).collect::<Vec<_>>(), [Kind::Purchase, Kind::Load]);
    assert_eq!(first.0.identity.iep, iep(11, 1));
    assert_eq!(second.0.identity.iep, iep(12, 1));
}

#[test]
fn an_order_for_one_is_nothing_to_the_other() {
    let (mut card, mut psam) = both();
    for name in [FIRST, SECOND] {
        load(&mut card, name, 1_000).unwrap();
    }
    select(&mut card, FIRST).unwrap();
    let (_, meant) = order(&mut card, &mut psam, 10).unwrap();
    // The session ends with SELECT, and in one of its own the other finds the MAC wrong.
    select(&mut card, SECOND).unwrap();
    let early = refused(execute::<DebitIep>(&mut card, &meant));
    assert_eq!(early, ("DebitIep", StatusWord::CONDITIONS_NOT_SATISFIED));
    let _own = order(&mut card, &mut psam, 10).unwrap();
    assert_eq!(refused(execute::<DebitIep>(&mut card, &meant)), ("DebitIep", StatusWord::WRONG_MAC));
    assert_eq!([FIRST, SECOND].map(|name| balance(&mut card, name)), [1_000; 2]);
}

#[test]
fn one_provider_blocks_its_purse_and_the_other_pays() {
    let (mut card, mut psam) = both();
    for name in [FIRST, SECOND] {
        load(&mut card, name, 1_000).unwrap();
    }
    for (blocked, other) in [(FIRST, SECOND), (SECOND, FIRST)] {
        card.domain().block(&aid(blocked), true).unwrap();
        for _ in 0..2 {
            assert_eq!(refused(select(&mut card, blocked)), ("Select", StatusWord::BLOCKED));
            // It answers questions, and moves no value.
            execute::<GetPurseData>(&mut card, &()).unwrap();
            let refusal = refused(order(&mut card, &mut psam, 10));
            assert_eq!(refusal, ("InitializeIep", StatusWord::CONDITIONS_NOT_SATISFIED));
            pay(&mut card, other, &mut psam, 10).unwrap();
            card.reset().unwrap();
        }
        let blocked_state = |name| if name == blocked { LifeCycle::Blocked } else { LifeCycle::Personalized };
        let expected = [FIRST, SECOND].map(|name| (aid(name), blocked_state(name) as u8));
        assert_eq!(states(&mut card), expected);
        card.domain().block(&aid(blocked), false).unwrap();
        pay(&mut card, blocked, &mut psam, 10).unwrap();
    }
}

#[test]
fn a_purse_with_value_or_evidence_stays() {
    let (mut card, mut psam) = both();
    let delete = |card: &mut Station| card.domain().delete(&aid(SECOND));
    load(&mut card, SECOND, 100).unwrap();
    assert_eq!(refused(delete(&mut card)), ("Delete", StatusWord::CONDITIONS_NOT_SATISFIED));
    // Spent to the end: its receipts are somebody's money.
    pay(&mut card, SECOND, &mut psam, 100).unwrap();
    assert_eq!(balance(&mut card, SECOND), 0);
    assert_eq!(refused(delete(&mut card)), ("Delete", StatusWord::CONDITIONS_NOT_SATISFIED));
    assert_eq!(balance(&mut card, SECOND), 0);
    load(&mut card, SECOND, 30).unwrap();
    unload(&mut card, SECOND, 30).unwrap();
    delete(&mut card).unwrap();
    assert_eq!(refused(select(&mut card, SECOND)), ("Select", StatusWord::APPLICATION_NOT_FOUND));
    assert_eq!(refused(delete(&mut card)), ("Delete", StatusWord::REFERENCE_NOT_FOUND));
    assert_eq!(states(&mut card), [(aid(FIRST), LifeCycle::Personalized as u8)]);
    card.reset().unwrap();
    assert_eq!(states(&mut card), [(aid(FIRST), LifeCycle::Personalized as u8)]);
}

/// Pays so often with the purse of this name, and empties it in the end.
fn live(card: &mut Station, name: &[u8], psam: &mut Station, purchases: u32) {
    for round in 0..purchases.div_ceil(ROUND) {
        load(card, name, 1_000).unwrap();
        for _ in 0..ROUND.min(purchases - round * ROUND) {
            pay(card, name, psam, 3).unwrap();
        }
        collect(psam);
        card.reset().unwrap();
    }
    let rest = u32::try_from(balance(card, name)).unwrap();
    if rest > 0 {
        unload(card, name, rest).unwrap();
    }
}

#[test]
fn a_new_purse_in_the_place_of_a_deleted_one_knows_nothing_of_it() {
    let (mut card, mut psam) = both();
    load(&mut card, FIRST, 5_000).unwrap();
    pay(&mut card, FIRST, &mut psam, 7).unwrap();
    let neighbour = shown(&mut card, FIRST);
    for number in 2..=4 {
        live(&mut card, SECOND, &mut psam, 200);
        assert!(shown(&mut card, SECOND).0.nv.get() > 200);
        card.domain().delete(&aid(SECOND)).unwrap();
        if number == 3 {
            card.reset().unwrap();
        }
        install(&mut card, number);
        for _ in 0..2 {
            let (information, balance, log) = shown(&mut card, SECOND);
            assert_eq!(information.identity.iep, iep(12, number));
            let counts = (information.nt.get(), information.nv.get(), information.receipts);
            assert_eq!((counts, balance, log), ((0, 0, 0), 0, vec![]));
            card.reset().unwrap();
        }
        assert_eq!(shown(&mut card, FIRST), neighbour);
    }
    live(&mut card, SECOND, &mut psam, 20);
    pay(&mut card, FIRST, &mut psam, 1).unwrap();
}

#[test]
fn both_purses_live_long_side_by_side() {
    let (mut card, mut psam) = both();
    for _ in 0..14 {
        for name in [FIRST, SECOND] {
            load(&mut card, name, 100).unwrap();
        }
        for _ in 0..ROUND {
            pay(&mut card, FIRST, &mut psam, 1).unwrap();
            pay(&mut card, SECOND, &mut psam, 2).unwrap();
        }
        collect(&mut psam);
        card.reset().unwrap();
    }
    let paid = 14 * i32::try_from(ROUND).unwrap();
    assert_eq!([FIRST, SECOND].map(|name| balance(&mut card, name)), [1_400 - paid, 1_400 - 2 * paid]);
}

#[test]
fn names_are_found_as_a_reader_asks_for_them() {
    let longer: &[u8] = b"\xF0PURSE2";
    let mut card = Station::blank(AppletKind::Purse, 1);
    // In the place of the first, then another one that begins with its name.
    card.domain().delete(&aid(FIRST)).unwrap();
    card.domain().install(AppletKind::Purse, &aid(longer)).unwrap();
    assert_eq!(host::card::select_with_fci(&mut card, FIRST).unwrap(), longer);
    card.domain().install(AppletKind::Purse, &aid(FIRST)).unwrap();
    for (asked, found) in [(FIRST, FIRST), (longer, longer), (&b"\xF0PUR"[..], longer)] {
        assert_eq!(host::card::select_with_fci(&mut card, asked).unwrap(), found, "{asked:02X?}");
    }
    let again = refused(card.domain().install(AppletKind::Purse, &aid(FIRST)));
    assert_eq!(again, ("Install", StatusWord::CONDITIONS_NOT_SATISFIED));
    for name in [Aid::SECURITY_DOMAIN, Aid::GELDKARTE, b"\xF0ABC"] {
        let refusal = refused(card.domain().install(AppletKind::Purse, &aid(name)));
        assert_eq!(refusal, ("Install", StatusWord::WRONG_DATA), "{name:02X?}");
    }
    let full = refused(card.domain().install(AppletKind::Purse, &aid(b"\xF0THIRD")));
    assert_eq!(full, ("Install", StatusWord::NOT_ENOUGH_MEMORY));
}
