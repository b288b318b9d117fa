//! PUT KEY, and what becomes of the keys that are replaced.

use apdu_spec::StatusWord;
use apdu_spec::crypto::secure_channel::{KeySet, KeyType};
use apdu_spec::security_domain::INITIAL_KEY_VERSION;
use card_os::applets::AppletKind;
use host::card::domain::{Access, SecurityDomain};
use host::reader::Reader as _;

use crate::issuer::{self, Line, aes, keys, random, refused};
use crate::{opened, own_card, put_key, secured, told, versions};

fn with(keys: KeySet, version: u8) -> Access {
    Access::with(keys, version)
}

/// Puts keys of a version, in a session that is opened for it.
fn put(line: &mut Line, access: &Access, replaced: u8, version: u8) -> Result<(), host::Error> {
    SecurityDomain::open(line, access, &mut random())?.put_keys(replaced, version, &aes(version))
}

/// Whether these keys open a channel; the version that the card says.
fn opens(line: &mut Line, keys: KeySet, version: u8) -> Result<u8, host::Error> {
    SecurityDomain::open(line, &with(keys, version), &mut random()).map(|domain| domain.key_version())
}

#[test]
fn replaced_keys_work_until_the_new_ones_are_confirmed() {
    let (mut line, access) = own_card(issuer::OWN);
    put(&mut line, &access, issuer::OWN, 0x31).unwrap();
    // Whoever loses power, or the answer, gets in as before.
    for _ in 0..2 {
        assert_eq!(versions(&mut line), [issuer::OWN, 0x31]);
        assert_eq!(opens(&mut line, aes(issuer::OWN), issuer::OWN).unwrap(), issuer::OWN);
        line.reset().unwrap();
    }
    // A beginning confirms nothing, nor does a wrong end.
    let _opening = crate::begun(&mut line, &with(aes(0x31), 0x31));
    line.reset().unwrap();
    let (_, mut command) =
        crate::authentication(crate::begun(&mut line, &with(aes(0x31), 0x31)), crate::FULL);
    command[5] ^= 1;
    assert_ne!(line.status(&command), StatusWord::OK);
    assert_eq!(versions(&mut line), [issuer::OWN, 0x31]);
    assert_eq!(opens(&mut line, aes(0x31), 0x31).unwrap(), 0x31);
    assert_eq!(versions(&mut line), [0x31]);
    let gone = opens(&mut line, aes(issuer::OWN), issuer::OWN);
    assert_eq!(refused(gone), StatusWord::REFERENCE_NOT_FOUND);
    line.reset().unwrap();
    assert_eq!(versions(&mut line), [0x31]);
    assert_eq!(opens(&mut line, aes(0x31), 0x31).unwrap(), 0x31);
}

#[test]
fn version_00_is_the_newest() {
    let (mut line, access) = own_card(issuer::OWN);
    assert_eq!(opens(&mut line, aes(issuer::OWN), 0).unwrap(), issuer::OWN);
    put(&mut line, &access, 0, 0x35).unwrap();
    assert_eq!(opens(&mut line, aes(0x35), 0).unwrap(), 0x35);
    // Newest is what was put last, not what has the highest version.
    put(&mut line, &access, 0, 0x32).unwrap();
    assert_eq!(opens(&mut line, aes(0x32), 0).unwrap(), 0x32);
    assert_eq!(versions(&mut line), [issuer::OWN, 0x32, 0x35]);
    let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
    domain.delete_keys(0x32).unwrap();
    assert_eq!(opens(&mut line, aes(0x35), 0).unwrap(), 0x35);
}

#[test]
fn the_same_keys_again_are_no_error() {
    let (mut line, access) = own_card(issuer::OWN);
    // As after an answer that was lost: before and after the confirmation.
    for _ in 0..2 {
        put(&mut line, &access, issuer::OWN, 0x31).unwrap();
    }
    let new = with(aes(0x31), 0x31);
    put(&mut line, &new, issuer::OWN, 0x31).unwrap();
    put(&mut line, &new, 0x31, 0x31).unwrap();
    assert_eq!(versions(&mut line), [0x31]);
    // Other keys of a version that is there must say that they replace it.
    let mut domain = SecurityDomain::open(&mut line, &new, &mut random()).unwrap();
    assert_eq!(refused(domain.put_keys(0, 0x31, &aes(7))), StatusWord::WRONG_DATA);
    domain.put_keys(0x31, 0x31, &aes(7)).unwrap();
    assert_eq!(opens(&mut line, aes(7), 0x31).unwrap(), 0x31);
}

#[test]
fn keys_with_a_wrong_check_value_are_refused() {
    let (mut line, access) = own_card(issuer::OWN);
    let before = told(&mut line, &access);
    let mut channel = opened(&mut line, &access);
    let right = put_key(&channel, 0, 0x31, &aes(0x31));
    // Header (5), version (1), then three times type, length, length of the key (3), 16 bytes,
    // and length (1) and bytes (3) of the check value.
    for key in 0..3 {
        for byte in 0..3 {
            let mut wrong = right.clone();
            wrong[6 + 23 * key + 20 + byte] ^= 1;
            let wrong = secured(&mut channel, &wrong);
            assert_eq!(line.status(&wrong), StatusWord::WRONG_DATA, "key {key}, byte {byte}");
        }
        // Nor a key that is encrypted under another one.
        let mut wrong = right.clone();
        wrong[6 + 23 * key + 3] ^= 1;
        let wrong = secured(&mut channel, &wrong);
        assert_eq!(line.status(&wrong), StatusWord::WRONG_DATA, "key {key}");
    }
    assert_eq!(told(&mut line, &access), before);
}

#[test]
fn the_initial_keys_vanish_with_the_first_that_are_confirmed() {
    for replaced in [0, INITIAL_KEY_VERSION] {
        let mut line = issuer::blank(AppletKind::Purse);
        put(&mut line, &Access::initial(), replaced, 0x31).unwrap();
        assert_eq!(versions(&mut line), [0x31, INITIAL_KEY_VERSION]);
        assert_eq!(opens(&mut line, aes(0x31), 0x31).unwrap(), 0x31);
        assert_eq!(versions(&mut line), [0x31]);
        let gone = SecurityDomain::open(&mut line, &Access::initial(), &mut random());
        assert_eq!(refused(gone), StatusWord::REFERENCE_NOT_FOUND);
        // And nobody brings them back.
        let again = put(&mut line, &with(aes(0x31), 0x31), 0, INITIAL_KEY_VERSION);
        assert_eq!(refused(again), StatusWord::WRONG_DATA);
    }
}

#[test]
fn keys_that_were_never_confirmed_take_with_them_what_they_were_to_replace() {
    let mut line = issuer::blank(AppletKind::Purse);
    put(&mut line, &Access::initial(), 0, 0x30).unwrap();
    // Before 30 was ever used, 31 is put in its place.
    put(&mut line, &Access::initial(), 0x30, 0x31).unwrap();
    assert_eq!(versions(&mut line), [0x30, 0x31, INITIAL_KEY_VERSION]);
    assert_eq!(opens(&mut line, aes(0x31), 0x31).unwrap(), 0x31);
    assert_eq!(versions(&mut line), [0x31], "the keys of sample cards would open the card to all");
}

#[test]
fn the_last_keys_stay() {
    let (mut line, access) = own_card(issuer::OWN);
    let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
    assert_eq!(refused(domain.delete_keys(issuer::OWN)), StatusWord::CONDITIONS_NOT_SATISFIED);
    assert_eq!(refused(domain.delete_keys(0x31)), StatusWord::REFERENCE_NOT_FOUND);
    domain.put_keys(0, 0x31, &aes(0x31)).unwrap();
    domain.delete_keys(0x31).unwrap();
    assert_eq!(refused(domain.delete_keys(issuer::OWN)), StatusWord::CONDITIONS_NOT_SATISFIED);
    assert_eq!(versions(&mut line), [issuer::OWN]);
}

#[test]
fn keys_of_a_session_can_go_in_it() {
    let (mut line, access) = own_card(issuer::OWN);
    put(&mut line, &access, 0, 0x31).unwrap();
    let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
    domain.delete_keys(issuer::OWN).unwrap();
    // The session has keys of its own, and goes on.
    assert_eq!(domain.applications().unwrap().len(), 1);
    assert_eq!(refused(opens(&mut line, aes(issuer::OWN), issuer::OWN)), StatusWord::REFERENCE_NOT_FOUND);
    assert_eq!(opens(&mut line, aes(0x31), 0x31).unwrap(), 0x31);
}

#[test]
fn what_is_no_version_and_what_has_no_room_is_refused() {
    let (mut line, access) = own_card(issuer::OWN);
    for version in [0x00, 0x80, 0xFE] {
        assert_eq!(refused(put(&mut line, &access, 0, version)), StatusWord::WRONG_DATA);
    }
    let unknown = put(&mut line, &access, 0x22, 0x31);
    assert_eq!(refused(unknown), StatusWord::REFERENCE_NOT_FOUND);
    put(&mut line, &access, 0, 0x31).unwrap();
    put(&mut line, &access, 0, 0x32).unwrap();
    let full = put(&mut line, &access, 0, 0x33);
    assert_eq!(refused(full), StatusWord::NOT_ENOUGH_MEMORY);
    assert_eq!(versions(&mut line), [issuer::OWN, 0x31, 0x32]);
}

/// What was to be replaced is, if it is put anew in the meantime, no longer what was meant.
#[test]
fn a_late_confirmation_takes_no_newer_keys_away() {
    let (mut line, access) = own_card(issuer::OWN);
    put(&mut line, &access, 0, 0x31).unwrap();
    put(&mut line, &access, 0x31, 0x32).unwrap();
    let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
    domain.delete_keys(0x31).unwrap();
    domain.put_keys(0, 0x31, &aes(7)).unwrap();
    assert_eq!(opens(&mut line, aes(0x32), 0x32).unwrap(), 0x32);
    assert_eq!(versions(&mut line), [issuer::OWN, 0x31, 0x32]);
    assert_eq!(opens(&mut line, aes(7), 0x31).unwrap(), 0x31);
}

#[test]
fn both_protocols_side_by_side() {
    let (mut line, access) = own_card(issuer::OWN);
    let des = keys(KeyType::TripleDes, 16, 5);
    let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
    domain.put_keys(0, 0x20, &des).unwrap();
    // And on from there: under the session's K-DEK in SCP02.
    let long = keys(KeyType::Aes, 32, 6);
    let scp02 = with(des, 0x20);
    let mut domain = SecurityDomain::open(&mut line, &scp02, &mut random()).unwrap();
    domain.put_keys(0, 0x36, &long).unwrap();
    assert_eq!(opens(&mut line, long, 0x36).unwrap(), 0x36);
    assert_eq!(opens(&mut line, aes(issuer::OWN), issuer::OWN).unwrap(), issuer::OWN);
    assert_eq!(versions(&mut line), [0x20, issuer::OWN, 0x36]);
}
