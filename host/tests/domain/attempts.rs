//! Who guesses: attempts at EXTERNAL AUTHENTICATE are counted before the comparison.

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::personalisation::DomainParameters;
use host::card::domain::{Access, SecurityDomain};
use host::card::select;
use host::reader::Reader as _;

use crate::issuer::{Line, domain_block, random, refused};
use crate::{FULL, authentication, begun, opened, own_card, secured, told};

const LIMIT: u8 = 4;

/// A card on which its issuer has set the limit.
fn limited() -> (Line, Access) {
    limited_to(LIMIT)
}

fn limited_to(attempts: u8) -> (Line, Access) {
    let (mut line, access) = own_card(1);
    let parameters = DomainParameters { attempts, ..DomainParameters::initial() };
    let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
    domain.store(&domain_block(&parameters)).unwrap();
    (line, access)
}

/// Ways to be wrong: the cryptogram, the MAC, both, the level that was meant.
const WRONG: [fn(&mut Vec<u8>); 4] = [
    |command| command[5] ^= 1,
    |command| command[20] ^= 1,
    |command| command[5..].fill(0),
    |command| command[2] = 0x01,
];

/// One attempt, wrong in this way.
fn guess(line: &mut Line, access: &Access, wrong: fn(&mut Vec<u8>)) -> StatusWord {
    let (_, mut command) = authentication(begun(line, access), FULL);
    wrong(&mut command);
    line.status(&command)
}

fn assert_blocked(line: &mut Line, access: &Access) {
    for _ in 0..2 {
        let refusal = SecurityDomain::open(&mut *line, access, &mut random());
        assert_eq!(refused(refusal), StatusWord::AUTHENTICATION_BLOCKED);
        line.reset().unwrap();
    }
}

#[test]
fn wrong_attempts_block_the_security_domain_for_ever() {
    for wrong in WRONG {
        let (mut line, access) = limited();
        for _ in 0..LIMIT {
            assert_ne!(guess(&mut line, &access, wrong), StatusWord::OK);
        }
        assert_blocked(&mut line, &access);
        // The card is no brick: everything but its management goes on.
        select(&mut line, Aid::PURSE).unwrap();
        select(&mut line, Aid::SECURITY_DOMAIN).unwrap();
        assert_eq!(line.status(&[0x80, 0xCA, 0x00, 0xE0, 0x00]), StatusWord::OK);
    }
}

#[test]
fn a_right_one_gives_all_attempts_back() {
    let (mut line, access) = limited();
    for _ in 0..3 {
        for wrong in &WRONG[..usize::from(LIMIT) - 1] {
            assert_ne!(guess(&mut line, &access, *wrong), StatusWord::OK);
        }
        let _channel = opened(&mut line, &access);
    }
}

#[test]
fn the_last_attempt_is_one() {
    let (mut line, access) = limited();
    for _ in 1..LIMIT {
        assert_ne!(guess(&mut line, &access, WRONG[0]), StatusWord::OK);
    }
    let _channel = opened(&mut line, &access);
    let (mut line, access) = limited();
    for _ in 0..LIMIT {
        assert_ne!(guess(&mut line, &access, WRONG[0]), StatusWord::OK);
    }
    assert_blocked(&mut line, &access);
}

#[test]
fn a_loss_of_power_gives_no_attempt_back() {
    let (mut line, access) = limited();
    for _ in 0..LIMIT {
        line.reset().unwrap();
        assert_ne!(guess(&mut line, &access, WRONG[1]), StatusWord::OK);
        line.reset().unwrap();
    }
    assert_blocked(&mut line, &access);
}

#[test]
fn who_only_begins_uses_no_attempt_up() {
    let (mut line, access) = limited();
    for _ in 0..3 * LIMIT {
        let _opening = begun(&mut line, &access);
        line.reset().unwrap();
        // Nor who comes without a beginning: there is nothing to compare with.
        let (_, command) = authentication(begun(&mut line, &access), FULL);
        select(&mut line, Aid::SECURITY_DOMAIN).unwrap();
        assert_eq!(line.status(&command), StatusWord::CONDITIONS_NOT_SATISFIED);
        // Nor who asks for a level that there is not, or sends too little.
        let (_, command) = authentication(begun(&mut line, &access), FULL);
        let mut other = command.clone();
        other[2] = 0x02;
        assert_eq!(line.status(&other), StatusWord::WRONG_DATA);
        assert_eq!(line.status(&command[..20]), StatusWord::WRONG_LENGTH);
    }
    let _channel = opened(&mut line, &access);
}

#[test]
fn one_beginning_is_one_attempt() {
    let (mut line, access) = limited();
    let (_, right) = authentication(begun(&mut line, &access), FULL);
    let mut wrong = right.clone();
    WRONG[0](&mut wrong);
    assert_ne!(line.status(&wrong), StatusWord::OK);
    assert_eq!(line.status(&right), StatusWord::CONDITIONS_NOT_SATISFIED);
}

#[test]
fn applications_share_the_attempts_of_their_issuer() {
    let (mut line, access) = limited();
    for name in [Aid::PURSE, Aid::SECURITY_DOMAIN, Aid::PURSE, Aid::SECURITY_DOMAIN] {
        select(&mut line, name).unwrap();
        let (_, mut command) = authentication(crate::begun_here(&mut line, &access, 9), FULL);
        WRONG[2](&mut command);
        assert_ne!(line.status(&command), StatusWord::OK);
    }
    assert_blocked(&mut line, &access);
}

#[test]
fn a_limit_of_none_is_refused_and_another_one_begins_at_once() {
    let (mut line, access) = limited();
    let block = |attempts| domain_block(&DomainParameters { attempts, ..DomainParameters::initial() });
    let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
    assert_eq!(refused(domain.store(&block(0))), StatusWord::WRONG_DATA);
    domain.store(&block(1)).unwrap();
    assert_ne!(guess(&mut line, &access, WRONG[0]), StatusWord::OK);
    assert_blocked(&mut line, &access);
}

#[test]
fn what_an_open_session_does_wrong_is_no_attempt() {
    let (mut line, access) = limited_to(1);
    let before = told(&mut line, &access);
    // One that counted would be the last: no channel would open any more.
    for _ in 0..3 {
        let mut channel = opened(&mut line, &access);
        let mut command = secured(&mut channel, &[0x80, 0xCA, 0x00, 0x66]);
        command[5] ^= 1;
        assert_eq!(line.status(&command), StatusWord::SECURITY_NOT_SATISFIED);
    }
    assert_eq!(told(&mut line, &access), before);
}
