//! Keys are rolled over while cards are in use.

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::Level;
use apdu_spec::purse::{Cancel, CreditCancellation, GetPurseData, PreviousByNv, PreviousRequest};
use apdu_spec::record::Counterpart;
use apdu_spec::sam::{CancelPurchase, GetChallenge, GetSamData, PsamCancel, SamInformation};
use host::card::domain::{Access, SecurityDomain};
use host::card::{execute, select};
use host::reader::Reader as _;

use crate::scheme::{
    Station, aid, collect, finish, floor, generation, iep, load, order, pay, psam, purse, purse_keys, random,
    refused, sam_keys, shown, transfer_here,
};

const RETIRED: StatusWord = StatusWord::KEY_RETIRED;

/// A purse of provider 11 with value, whose keys are of this version.
fn loaded(number: u64, version: u8) -> Station {
    let mut card = purse(11, number, version);
    load(&mut card, Aid::PURSE, 5_000).unwrap();
    card
}

/// Its issuer gives a purse the keys of this version as well.
fn roll(card: &mut Station, number: u64, version: u8) -> Result<(), host::Error> {
    card.store(Aid::PURSE, &[generation(purse_keys(iep(11, number), version))])
}

/// The same with a PSAM, which is then selected again.
fn roll_psam(psam: &mut Station, version: u8) {
    psam.store(Aid::PSAM, &[generation(sam_keys(version))]).unwrap();
    select(psam, Aid::PSAM).unwrap();
}

fn retire(card: &mut Station, name: &[u8], version: u8) -> Result<(), host::Error> {
    let result = card.store(name, &[floor(version)]);
    select(card, name).unwrap();
    result
}

#[test]
fn a_psam_of_two_generations_serves_purses_of_either() {
    let mut both = psam(1, &[1, 2], &[11]);
    let (mut old, mut new) = (loaded(1, 1), loaded(2, 2));
    for minor in 1..=3 {
        assert_eq!(pay(&mut old, Aid::PURSE, &mut both, minor).unwrap(), 1);
        assert_eq!(pay(&mut new, Aid::PURSE, &mut both, minor).unwrap(), 2);
    }
    collect(&mut both);
}

#[test]
fn cards_are_rolled_over_one_by_one_and_pay_all_the_time() {
    let (mut first, mut second) = (psam(1, &[1], &[11]), psam(2, &[1], &[11]));
    let mut card = loaded(1, 1);
    assert_eq!(pay(&mut card, Aid::PURSE, &mut first, 1).unwrap(), 1);
    // One terminal is new: the purse of old pays there.
    roll_psam(&mut first, 2);
    assert_eq!(execute::<GetSamData>(&mut first, &()).unwrap().version, 2);
    assert_eq!(pay(&mut card, Aid::PURSE, &mut first, 1).unwrap(), 1);
    // The purse is new: it pays with the new key where it can, and else with the old one.
    roll(&mut card, 1, 2).unwrap();
    assert_eq!(pay(&mut card, Aid::PURSE, &mut first, 1).unwrap(), 2);
    assert_eq!(pay(&mut card, Aid::PURSE, &mut second, 1).unwrap(), 1);
    for card in [&mut card, &mut first, &mut second] {
        card.reset().unwrap();
    }
    select(&mut first, Aid::PSAM).unwrap();
    select(&mut second, Aid::PSAM).unwrap();
    assert_eq!(pay(&mut card, Aid::PURSE, &mut first, 1).unwrap(), 2);
    assert_eq!(pay(&mut card, Aid::PURSE, &mut second, 1).unwrap(), 1);
    // The new load key is used at once, and the balance is what it was.
    load(&mut card, Aid::PURSE, 6).unwrap();
    assert_eq!(shown(&mut card, Aid::PURSE).1, 5_000);
    // Entries of both versions are in one batch.
    collect(&mut first);
    collect(&mut second);
}

#[test]
fn a_retired_version_is_refused_at_the_psam() {
    let mut psam = psam(1, &[1, 2], &[11]);
    let (mut old, mut new) = (loaded(1, 1), loaded(2, 2));
    pay(&mut old, Aid::PURSE, &mut psam, 1).unwrap();
    let before = shown(&mut old, Aid::PURSE);
    retire(&mut psam, Aid::PSAM, 2).unwrap();
    for _ in 0..2 {
        let refusal = refused(pay(&mut old, Aid::PURSE, &mut psam, 1));
        assert_eq!(refusal, ("InitializePsam", RETIRED));
        assert_eq!(shown(&mut old, Aid::PURSE).1, before.1);
        assert_eq!(pay(&mut new, Aid::PURSE, &mut psam, 1).unwrap(), 2);
        psam.reset().unwrap();
        select(&mut psam, Aid::PSAM).unwrap();
    }
    // The purse gets its new keys, and pays again. What it paid before is in the batch.
    roll(&mut old, 1, 2).unwrap();
    assert_eq!(pay(&mut old, Aid::PURSE, &mut psam, 1).unwrap(), 2);
    collect(&mut psam);
}

#[test]
fn a_retired_version_is_refused_at_the_purse() {
    let (mut old, mut new) = (psam(1, &[1], &[11]), psam(2, &[1, 2], &[11]));
    let mut card = loaded(1, 1);
    roll(&mut card, 1, 2).unwrap();
    retire(&mut card, Aid::PURSE, 2).unwrap();
    for _ in 0..2 {
        let refusal = refused(pay(&mut card, Aid::PURSE, &mut old, 1));
        assert_eq!(refusal, ("InitializeIep", RETIRED));
        assert_eq!(pay(&mut card, Aid::PURSE, &mut new, 1).unwrap(), 2);
        load(&mut card, Aid::PURSE, 1).unwrap();
        card.reset().unwrap();
    }
    roll_psam(&mut old, 2);
    assert_eq!(pay(&mut card, Aid::PURSE, &mut old, 1).unwrap(), 2);
}

/// The purse gives its word under the version that is left. The PSAM voids before it reveals the
/// secret: a purse that had no key for the rest would have lost the amount.
#[test]
fn what_was_paid_under_a_retired_version_can_be_taken_back() {
    let mut psam = psam(1, &[1, 2], &[11]);
    let mut card = loaded(1, 1);
    assert_eq!(pay(&mut card, Aid::PURSE, &mut psam, 30).unwrap(), 1);
    let SamInformation { sam, group, nt, .. } = execute::<GetSamData>(&mut psam, &()).unwrap();
    roll(&mut card, 1, 2).unwrap();
    retire(&mut card, Aid::PURSE, 2).unwrap();
    retire(&mut psam, Aid::PSAM, 2).unwrap();
    card.reset().unwrap();
    select(&mut card, Aid::PURSE).unwrap();
    let number = execute::<GetPurseData>(&mut card, &()).unwrap().nv;
    let challenge = execute::<GetChallenge>(&mut psam, &()).unwrap().challenge;
    let counterpart = Counterpart { sam, challenge };
    let request = PreviousRequest { group, version: 2, counterpart, number };
    let previous = execute::<PreviousByNv>(&mut card, &request).unwrap();
    let secret = execute::<PsamCancel>(&mut psam, &CancelPurchase { nt, previous }).unwrap().secret;
    execute::<CreditCancellation>(&mut card, &Cancel { secret }).unwrap();
    assert_eq!(shown(&mut card, Aid::PURSE).1, 5_000);
    // For nothing else, and no longer than that.
    assert_eq!(pay(&mut card, Aid::PURSE, &mut psam, 1).unwrap(), 2);
    for version in 3..=20 {
        roll(&mut card, 1, version).unwrap();
        retire(&mut card, Aid::PURSE, version).unwrap();
    }
    collect(&mut psam);
}

#[test]
fn a_version_that_was_never_there_is_not_a_retired_one() {
    let mut newest = psam(1, &[2], &[11]);
    let mut card = loaded(1, 1);
    let refusal = refused(pay(&mut card, Aid::PURSE, &mut newest, 1));
    assert_eq!(refusal, ("InitializePsam", StatusWord::REFERENCE_NOT_FOUND));
    let mut oldest = psam(2, &[1], &[11]);
    let mut card = loaded(2, 2);
    let refusal = refused(pay(&mut card, Aid::PURSE, &mut oldest, 1));
    assert_eq!(refusal, ("InitializeIep", StatusWord::REFERENCE_NOT_FOUND));
}

#[test]
fn a_floor_only_rises_and_leaves_a_key() {
    let mut card = loaded(1, 1);
    let mut psam = psam(1, &[1], &[11]);
    // Not above what is there.
    for (station, name) in [(&mut card, Aid::PURSE), (&mut psam, Aid::PSAM)] {
        let refusal = refused(retire(station, name, 2));
        assert_eq!(refusal, ("StoreData", StatusWord::REFERENCE_NOT_FOUND));
    }
    assert_eq!(pay(&mut card, Aid::PURSE, &mut psam, 1).unwrap(), 1);
    roll(&mut card, 1, 2).unwrap();
    roll_psam(&mut psam, 2);
    for (station, name) in [(&mut card, Aid::PURSE), (&mut psam, Aid::PSAM)] {
        for _ in 0..2 {
            retire(station, name, 2).unwrap();
        }
        assert_eq!(refused(retire(station, name, 1)), ("StoreData", StatusWord::WRONG_DATA));
    }
    assert_eq!(pay(&mut card, Aid::PURSE, &mut psam, 1).unwrap(), 2);
}

#[test]
fn a_purchase_that_is_open_keeps_its_key() {
    let mut psam = psam(1, &[1, 2], &[11]);
    let mut card = loaded(1, 1);
    select(&mut card, Aid::PURSE).unwrap();
    let (_, execution) = order(&mut card, &mut psam, 100).unwrap();
    let refusal = refused(psam.store(Aid::PSAM, &[floor(2)]));
    assert_eq!(refusal, ("StoreData", StatusWord::CONDITIONS_NOT_SATISFIED));
    // It is finished with the key that it was begun with, and then nothing needs it.
    select(&mut psam, Aid::PSAM).unwrap();
    finish(&mut card, &mut psam, &execution).unwrap();
    assert_eq!(shown(&mut card, Aid::PURSE).1, 4_900);
    retire(&mut psam, Aid::PSAM, 2).unwrap();
    assert_eq!(refused(pay(&mut card, Aid::PURSE, &mut psam, 1)), ("InitializePsam", RETIRED));
    collect(&mut psam);
}

#[test]
fn half_a_generation_is_none() {
    let mut card = loaded(1, 1);
    let mut psam = psam(1, &[1, 2], &[11]);
    let keys = || purse_keys(iep(11, 1), 2);
    let of_another = purse_keys(iep(11, 1), 3);
    let wrong = [
        generation([]),
        generation(keys().into_iter().take(2)),
        generation(keys().into_iter().skip(1)),
        generation(keys().into_iter().take(2).chain(of_another.into_iter().skip(2))),
        generation(sam_keys(2)),
    ];
    for block in wrong {
        let refusal = refused(card.store(Aid::PURSE, &[block]));
        assert_eq!(refusal, ("StoreData", StatusWord::WRONG_DATA));
        assert_eq!(pay(&mut card, Aid::PURSE, &mut psam, 1).unwrap(), 1);
    }
    // Nor does a whole one come in the open.
    let Access { keys: own, mut wish } = Access::initial();
    wish.level = Level::CMacRMac;
    let access = Access { keys: own, wish };
    let mut domain = SecurityDomain::open(&mut card, &access, &mut random()).unwrap();
    let refusal = refused(domain.personalise(&aid(Aid::PURSE), &[generation(keys())]));
    assert_eq!(refusal, ("StoreData", StatusWord::SECURITY_NOT_SATISFIED));
    assert_eq!(pay(&mut card, Aid::PURSE, &mut psam, 1).unwrap(), 1);
    roll(&mut card, 1, 2).unwrap();
    assert_eq!(pay(&mut card, Aid::PURSE, &mut psam, 1).unwrap(), 2);
}

#[test]
fn generation_after_generation_there_is_room() {
    let mut card = loaded(1, 1);
    let mut psam = psam(1, &[1], &[11]);
    for version in 2..=20 {
        roll(&mut card, 1, version).unwrap();
        roll_psam(&mut psam, version);
        assert_eq!(pay(&mut card, Aid::PURSE, &mut psam, 1).unwrap(), version);
        retire(&mut card, Aid::PURSE, version).unwrap();
        retire(&mut psam, Aid::PSAM, version).unwrap();
        select(&mut card, Aid::PURSE).unwrap();
        transfer_here(&mut card, apdu_spec::element::Kind::Load, 1).unwrap();
    }
    collect(&mut psam);
}
