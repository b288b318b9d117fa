//! Who guesses: attempts at EXTERNAL AUTHENTICATE are counted before the comparison and cost
//! time. A limit, where the issuer has set one, blocks the card until he lifts that.

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::{Level, Protocol, Scp02Variant};
use apdu_spec::declare::Command as _;
use apdu_spec::life_cycle::CardState;
use apdu_spec::personalisation::DomainParameters;
use apdu_spec::security_domain::{GetStatus, SetStatus};
use card_os::applets::AppletKind;
use host::Error;
use host::card::domain::{Access, Attempts, SecurityDomain, attempts, refuse_blocked};
use host::card::select;
use host::reader::Reader as _;

use crate::issuer::{self, Line, domain_block, keys_of, parameters, random, refused, scp02, scp03};
use crate::{FULL, all, authentication, begun, opened, own_card, secured, told};

const LIMIT: u8 = 4;
/// What the card waits before it looks at an attempt, after so many wrong ones, milliseconds.
const DELAYS: [u128; 11] = [0, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 12_800, 12_800];

/// A card on which its issuer has set the limit.
fn limited() -> (Line, Access) {
    limited_to(LIMIT)
}

fn limited_to(attempts: u8) -> (Line, Access) {
    let (mut line, access) = own_card(1);
    limit(&mut line, &access, attempts);
    (line, access)
}

fn limit(line: &mut Line, access: &Access, attempts: u8) {
    let parameters = DomainParameters { attempts, ..DomainParameters::initial() };
    let mut domain = SecurityDomain::open(line, access, &mut random()).unwrap();
    domain.store(&domain_block(&parameters)).unwrap();
}

/// A card whose attempts are used up.
fn blocked() -> (Line, Access) {
    let (mut line, access) = limited();
    for _ in 0..LIMIT {
        assert_ne!(guess(&mut line, &access, WRONG[0]), StatusWord::OK);
    }
    (line, access)
}

/// Ways to be wrong: the cryptogram, the MAC, both, the level that was meant.
const WRONG: [fn(&mut Vec<u8>); 4] = [
    |command| command[5] ^= 1,
    |command| command[20] ^= 1,
    |command| command[5..].fill(0),
    |command| command[2] = 0x03,
];

/// One attempt, wrong in this way.
fn guess(line: &mut Line, access: &Access, wrong: fn(&mut Vec<u8>)) -> StatusWord {
    let (_, mut command) = authentication(begun(line, access), FULL);
    wrong(&mut command);
    line.status(&command)
}

/// What the card has asked to wait since it was last looked at, milliseconds.
fn waited(line: &mut Line) -> u128 {
    line.card.take_delay().as_millis()
}

/// What the card tells anybody.
fn asked(line: &mut Line) -> Attempts {
    select(line, Aid::SECURITY_DOMAIN).unwrap();
    attempts(line).unwrap().unwrap()
}

#[track_caller]
fn assert_blocked(line: &mut Line, access: &Access) {
    for _ in 0..2 {
        assert!(asked(line).block());
        assert!(matches!(refuse_blocked(line), Err(Error::CardBlocked(LIMIT..))));
        assert_eq!(refused(select(line, Aid::PURSE)), StatusWord::BLOCKED);
        let mut domain = SecurityDomain::open(&mut *line, access, &mut random()).unwrap();
        assert_eq!(refused(domain.delete(&crate::aid(Aid::PURSE))), StatusWord::CARD_BLOCKED);
        line.reset().unwrap();
    }
}

#[track_caller]
fn assert_in_use(line: &mut Line, access: &Access) {
    for _ in 0..2 {
        assert_eq!(asked(line).wrong, 0);
        select(line, Aid::PURSE).unwrap();
        limit(line, access, LIMIT);
        line.reset().unwrap();
    }
}

#[test]
fn wrong_attempts_cost_time_and_nothing_else() {
    let (mut line, access) = own_card(1);
    waited(&mut line);
    for (wrong, delay) in DELAYS.into_iter().enumerate() {
        assert_ne!(guess(&mut line, &access, WRONG[wrong % WRONG.len()]), StatusWord::OK);
        assert_eq!(waited(&mut line), delay);
        line.reset().unwrap();
    }
    // Nobody counts beyond a byte, and the card is managed all the same.
    for _ in DELAYS.len()..300 {
        assert_ne!(guess(&mut line, &access, WRONG[0]), StatusWord::OK);
        assert_eq!(waited(&mut line), DELAYS[10]);
    }
    assert_eq!(asked(&mut line), Attempts { wrong: 0xFF, limit: 0 });
    select(&mut line, Aid::PURSE).unwrap();
    // The right one waits as well: nobody knows before. It forgets them all.
    let _channel = opened(&mut line, &access);
    assert_eq!(waited(&mut line), DELAYS[10]);
    assert_in_use(&mut line, &access);
    assert_eq!(waited(&mut line), 0);
}

#[test]
fn the_limit_blocks_the_card_and_it_still_answers() {
    for wrong in WRONG {
        let (mut line, access) = limited();
        for _ in 0..LIMIT {
            assert!(!asked(&mut line).block());
            assert_ne!(guess(&mut line, &access, wrong), StatusWord::OK);
        }
        assert_blocked(&mut line, &access);
        select(&mut line, Aid::SECURITY_DOMAIN).unwrap();
        assert_eq!(line.status(&[0x80, 0xCA, 0x00, 0xE0, 0x00]), StatusWord::OK);
    }
}

#[test]
fn no_number_of_attempts_keeps_the_issuer_out() {
    let (mut line, access) = blocked();
    for _ in 0..300 {
        assert_ne!(guess(&mut line, &access, WRONG[2]), StatusWord::OK);
    }
    waited(&mut line);
    assert_blocked(&mut line, &access);
    assert_eq!(waited(&mut line), 2 * DELAYS[10]);
    let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
    domain.set_card_state(CardState::OpReady).unwrap();
    assert_in_use(&mut line, &access);
}

#[test]
fn a_blocked_card_is_looked_at_and_managed_in_no_other_way() {
    let (mut line, access) = limited();
    let all = all(&mut line, &access);
    for _ in 0..LIMIT {
        assert_ne!(guess(&mut line, &access, WRONG[0]), StatusWord::OK);
    }
    let before = told(&mut line, &access);
    for (name, command) in &all {
        if *name == SetStatus::ROW.name {
            continue;
        }
        let mut channel = opened(&mut line, &access);
        let command = secured(&mut channel, command);
        let looked = *name == GetStatus::ROW.name;
        let expected = if looked { StatusWord::OK } else { StatusWord::CARD_BLOCKED };
        assert_eq!(line.status(&command), expected, "{name}");
    }
    // Who only looks lifts nothing, and is not counted.
    assert_eq!(told(&mut line, &access), before);
    assert_eq!(asked(&mut line), Attempts { wrong: LIMIT, limit: LIMIT });
    assert_blocked(&mut line, &access);
}

#[test]
fn a_state_of_use_lifts_the_block_and_no_other_does() {
    use CardState as S;
    for (before, next, lifts) in [
        (&[][..], S::OpReady, true),
        (&[], S::Initialized, true),
        (&[S::Initialized, S::Secured], S::Secured, true),
        (&[S::Initialized, S::Secured, S::Locked], S::Secured, true),
        (&[S::Initialized, S::Secured], S::Locked, false),
        (&[S::Initialized, S::Secured, S::Locked], S::Locked, false),
        (&[], S::Terminated, false),
    ] {
        let (mut line, access) = limited();
        let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
        before.iter().for_each(|state| domain.set_card_state(*state).unwrap());
        for _ in 0..LIMIT {
            assert_ne!(guess(&mut line, &access, WRONG[0]), StatusWord::OK);
        }
        let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
        domain.set_card_state(next).unwrap();
        line.reset().unwrap();
        // Of a locked card this is a warning.
        let _ = select(&mut line, Aid::SECURITY_DOMAIN);
        assert_eq!(attempts(&mut line).unwrap().unwrap().block(), !lifts, "{before:?} {next:?}");
        if lifts {
            assert_in_use(&mut line, &access);
            assert_eq!(told(&mut line, &access).state, next);
        }
    }
}

/// A block is lifted by who is sure that his word has arrived.
#[test]
fn the_block_is_lifted_where_everything_is_secured_that_can_be() {
    use Level as L;
    const LEVELS: [L; 6] =
        [L::Authenticated, L::CMac, L::CDecryptionCMac, L::CMacRMac, L::CDecryptionCMacRMac, FULL];
    let protocols: [(Protocol, L); 4] = [
        (scp03(0x70), FULL),
        (scp03(0x20), L::CDecryptionCMacRMac),
        (scp03(0x11), L::CDecryptionCMac),
        (scp02(Scp02Variant::Random), L::CDecryptionCMac),
    ];
    for (protocol, highest) in protocols {
        let mut line = issuer::blank(AppletKind::Purse);
        let keys = keys_of(protocol, 16);
        issuer::prepare(&mut line, protocol, &keys);
        let access = |level| issuer::access(protocol, keys.clone(), level);
        let mut domain = SecurityDomain::open(&mut line, &access(highest), &mut random()).unwrap();
        let one = DomainParameters { attempts: 1, ..parameters(protocol) };
        domain.store(&domain_block(&one)).unwrap();
        let (_, mut command) = authentication(begun(&mut line, &access(highest)), highest);
        WRONG[0](&mut command);
        assert_ne!(line.status(&command), StatusWord::OK);
        for level in LEVELS.into_iter().filter(|level| highest.covers(*level) && *level != highest) {
            let (_, command) = authentication(begun(&mut line, &access(level)), level);
            assert_eq!(line.status(&command), StatusWord::SECURITY_NOT_SATISFIED, "{protocol:?} {level:?}");
            // Which is no guess.
            assert_eq!(asked(&mut line), Attempts { wrong: 1, limit: 1 });
        }
        let mut domain = SecurityDomain::open(&mut line, &access(highest), &mut random()).unwrap();
        domain.set_card_state(CardState::OpReady).unwrap();
        assert_eq!(asked(&mut line), Attempts { wrong: 0, limit: 1 });
    }
}

#[test]
fn a_right_one_forgets_all_attempts() {
    let (mut line, access) = limited();
    for _ in 0..3 {
        for wrong in &WRONG[..usize::from(LIMIT) - 1] {
            assert_ne!(guess(&mut line, &access, *wrong), StatusWord::OK);
        }
        let _channel = opened(&mut line, &access);
        assert_eq!(asked(&mut line), Attempts { wrong: 0, limit: LIMIT });
    }
}

#[test]
fn the_last_attempt_is_one() {
    let (mut line, access) = limited();
    for _ in 1..LIMIT {
        assert_ne!(guess(&mut line, &access, WRONG[0]), StatusWord::OK);
    }
    let _channel = opened(&mut line, &access);
    assert_in_use(&mut line, &access);
    let (mut line, access) = blocked();
    assert_blocked(&mut line, &access);
}

#[test]
fn a_loss_of_power_takes_no_attempt_back() {
    let (mut line, access) = limited();
    waited(&mut line);
    for delay in &DELAYS[..LIMIT.into()] {
        line.reset().unwrap();
        assert_ne!(guess(&mut line, &access, WRONG[1]), StatusWord::OK);
        assert_eq!(waited(&mut line), *delay);
        line.reset().unwrap();
    }
    assert_blocked(&mut line, &access);
}

#[test]
fn who_only_begins_makes_no_attempt() {
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
    assert_eq!(asked(&mut line), Attempts { wrong: 0, limit: LIMIT });
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
fn another_limit_begins_at_once_and_none_ends_it() {
    let (mut line, access) = limited();
    limit(&mut line, &access, 0);
    for _ in 0..2 * LIMIT {
        assert_ne!(guess(&mut line, &access, WRONG[0]), StatusWord::OK);
    }
    assert!(!asked(&mut line).block());
    limit(&mut line, &access, 1);
    assert!(!asked(&mut line).block());
    assert_ne!(guess(&mut line, &access, WRONG[0]), StatusWord::OK);
    assert!(asked(&mut line).block());
}

#[test]
fn what_an_open_session_does_wrong_is_no_attempt() {
    let (mut line, access) = limited_to(1);
    let before = told(&mut line, &access);
    // One that counted would be the last: nothing would be managed any more.
    for _ in 0..3 {
        let mut channel = opened(&mut line, &access);
        let mut command = secured(&mut channel, &[0x80, 0xCA, 0x00, 0x66]);
        command[5] ^= 1;
        assert_eq!(line.status(&command), StatusWord::SECURITY_NOT_SATISFIED);
    }
    assert_eq!(told(&mut line, &access), before);
    limit(&mut line, &access, 1);
}
