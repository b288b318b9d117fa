//! What a session is to another card, and to another application of its own card: nothing.

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::HostChannel;
use card_os::applets::AppletKind;
use host::card::domain::{Access, SecurityDomain};
use host::card::select;
use host::reader::Reader as _;
use host::reader::virtual_reader::VirtualReader;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;

use crate::issuer::{self, Line, aes, random, scp03};
use crate::{
    FULL, aid, all, assert_no_session, authentication, begun, begun_here, commands, opened, own_card,
    put_key, secured, told, versions,
};

#[test]
fn a_session_of_one_card_is_nothing_to_another() {
    let (mut one, access) = own_card(1);
    let (mut other, other_access) = own_card(2);
    let all = all(&mut one, &access);
    let before = told(&mut other, &other_access);
    for (_, command) in &all {
        let mut channel = opened(&mut one, &access);
        let command = secured(&mut channel, command);
        // Neither in the open nor in a session of its own.
        other.reset().unwrap();
        assert_no_session(other.status(&command));
        let _own = opened(&mut other, &other_access);
        assert_eq!(other.status(&command), StatusWord::SECURITY_NOT_SATISFIED);
        // Nor does one card's host get into the other.
        let (_, authenticate) = authentication(begun(&mut one, &access), FULL);
        let _own = begun(&mut other, &other_access);
        assert_eq!(other.status(&authenticate), StatusWord::SECURITY_NOT_SATISFIED);
        assert_eq!(told(&mut other, &other_access), before);
    }
}

#[test]
fn cards_with_the_same_keys_still_have_sessions_of_their_own_where_challenges_are_random() {
    let card = |seed| {
        let card = VirtualReader::blank(AppletKind::Purse, Box::new(ChaCha8Rng::seed_from_u64(seed)));
        let mut line = Line::to(card.unwrap());
        issuer::prepare(&mut line, scp03(0x60), &aes(1));
        line
    };
    let access = issuer::access(scp03(0x60), aes(1), FULL);
    let (mut one, mut other) = (card(1), card(2));
    let (_, authenticate) = authentication(begun(&mut one, &access), FULL);
    let _own = begun(&mut other, &access);
    assert_eq!(other.status(&authenticate), StatusWord::SECURITY_NOT_SATISFIED);
    assert_eq!(one.status(&authenticate), StatusWord::OK);
}

/// A purse card with a second purse.
fn two_purses() -> (Line, Access) {
    let (mut line, access) = own_card(1);
    let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
    domain.install(AppletKind::Purse, &aid(b"\xF0SECOND")).unwrap();
    (line, access)
}

/// A channel with the application that is selected.
fn opened_here(line: &mut Line, access: &Access, seed: u8) -> HostChannel {
    let (channel, command) = authentication(begun_here(line, access, seed), access.wish.level);
    assert_eq!(line.status(&command), StatusWord::OK);
    channel
}

#[test]
fn a_session_ends_when_anything_is_selected() {
    let (mut line, access) = two_purses();
    let names = [Aid::SECURITY_DOMAIN, Aid::PURSE, b"\xF0SECOND"];
    let get_data = [0x80, 0xCA, 0x00, 0x66];
    for from in names {
        for to in names {
            select(&mut line, from).unwrap();
            let mut channel = opened_here(&mut line, &access, 1);
            let command = secured(&mut channel, &get_data);
            select(&mut line, to).unwrap();
            assert_no_session(line.status(&command));
            // And it is nothing to a session that is opened then.
            let _other = opened_here(&mut line, &access, 2);
            assert_eq!(line.status(&command), StatusWord::SECURITY_NOT_SATISFIED);
            // SELECT of what is not there changes nothing.
            select(&mut line, from).unwrap();
            let mut channel = opened_here(&mut line, &access, 3);
            let status = line.status(b"\x00\xA4\x04\x00\x05\xF0NONE");
            assert_eq!(status, StatusWord::APPLICATION_NOT_FOUND);
            let command = secured(&mut channel, &[0x80, 0xEE, 0x00, 0x00]);
            assert_ne!(line.status(&command), StatusWord::SECURITY_NOT_SATISFIED);
        }
    }
}

#[test]
fn a_channel_with_an_application_manages_nothing() {
    let (mut line, access) = two_purses();
    let channel = opened(&mut line, &access);
    let mut all = commands(&channel);
    all.push(("PutKey", put_key(&channel, 0, 0x32, &aes(0x32))));
    let before = told(&mut line, &access);
    for name in [Aid::PURSE, b"\xF0SECOND"] {
        for (command_name, command) in &all {
            select(&mut line, name).unwrap();
            let mut channel = opened_here(&mut line, &access, 1);
            let command = secured(&mut channel, command);
            assert_ne!(line.status(&command), StatusWord::OK, "{command_name}");
        }
    }
    assert_eq!(told(&mut line, &access), before);
    assert_eq!(versions(&mut line), [issuer::OWN]);
}
