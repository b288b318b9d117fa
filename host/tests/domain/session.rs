//! What passes through a channel, and what does not.

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::Level;
use apdu_spec::declare::Command as _;
use apdu_spec::security_domain::{GetStatus, SetStatus};
use host::card::domain::{Access, SecurityDomain};
use host::card::select;
use host::reader::Reader as _;

use crate::issuer::{Line, aes, random};
use crate::{FULL, all, assert_no_session, authentication, begun, opened, own_card, secured, told};

/// Levels at which commands carry a MAC.
const MACS: [Level; 5] = [
    Level::CMac,
    Level::CDecryptionCMac,
    Level::CMacRMac,
    Level::CDecryptionCMacRMac,
    Level::CDecryptionREncryptionCMacRMac,
];

fn at(access: &Access, level: Level) -> Access {
    let mut access = access.clone();
    access.wish.level = level;
    access
}

/// The MAC of a secured command is another one.
fn forged(mut command: Vec<u8>) -> Vec<u8> {
    let lc = usize::from(command[4]);
    command[4 + lc] ^= 1;
    command
}

#[test]
fn nothing_is_managed_before_authentication() {
    let (mut line, access) = own_card(1);
    let all = all(&mut line, &access);
    let before = told(&mut line, &access);
    let refuse_all = |line: &mut Line, when: &str| {
        for (name, command) in &all {
            assert_eq!(line.status(command), StatusWord::SECURITY_NOT_SATISFIED, "{name} {when}");
            let mut claimed = command.clone();
            claimed[0] |= 0x04;
            assert_no_session(line.status(&claimed));
        }
    };
    line.reset().unwrap();
    refuse_all(&mut line, "after power-up");
    select(&mut line, Aid::SECURITY_DOMAIN).unwrap();
    refuse_all(&mut line, "after SELECT");
    let _opening = begun(&mut line, &access);
    refuse_all(&mut line, "after INITIALIZE UPDATE");
    // EXTERNAL AUTHENTICATE does not come first, nor with any cryptogram.
    line.reset().unwrap();
    let (_, command) = authentication(begun(&mut line, &access), FULL);
    line.reset().unwrap();
    assert_eq!(line.status(&command), StatusWord::CONDITIONS_NOT_SATISFIED);
    refuse_all(&mut line, "after an EXTERNAL AUTHENTICATE without its beginning");
    let (_, command) = authentication(begun(&mut line, &access), FULL);
    assert_eq!(line.status(&forged(command)), StatusWord::SECURITY_NOT_SATISFIED);
    refuse_all(&mut line, "after a wrong EXTERNAL AUTHENTICATE");
    assert_eq!(told(&mut line, &access), before);
}

#[test]
fn who_is_authenticated_and_does_not_secure_may_ask_and_change_nothing() {
    let (mut line, access) = own_card(1);
    let all = all(&mut line, &access);
    let before = told(&mut line, &access);
    let _channel = opened(&mut line, &at(&access, Level::Authenticated));
    for (name, command) in &all {
        let expected =
            if *name == GetStatus::ROW.name { StatusWord::OK } else { StatusWord::SECURITY_NOT_SATISFIED };
        assert_eq!(line.status(command), expected, "{name}");
    }
    assert_eq!(told(&mut line, &access), before);
}

#[test]
fn a_wrong_mac_ends_the_session_and_changes_nothing() {
    let (mut line, access) = own_card(1);
    let all = all(&mut line, &access);
    let before = told(&mut line, &access);
    for level in MACS {
        for (name, command) in &all {
            let mut channel = opened(&mut line, &at(&access, level));
            let command = secured(&mut channel, command);
            assert_eq!(line.status(&forged(command.clone())), StatusWord::SECURITY_NOT_SATISFIED, "{name}");
            // The right one comes too late.
            assert_no_session(line.status(&command));
            assert_eq!(told(&mut line, &access), before, "{name} {level:?}");
        }
    }
}

#[test]
fn every_bit_of_a_secured_command_counts() {
    let (mut line, access) = own_card(1);
    let (_, command) = all(&mut line, &access).remove(1);
    let before = told(&mut line, &access);
    for level in [Level::CMac, FULL] {
        let length = secured(&mut opened(&mut line, &at(&access, level)), &command).len();
        for bit in 0..8 * length {
            let mut channel = opened(&mut line, &at(&access, level));
            let mut command = secured(&mut channel, &command);
            command[bit / 8] ^= 0x80 >> (bit % 8);
            let status = line.status(&command);
            // The two lowest bits of CLA are the logical channel: not under the MAC, and there
            // is but one. A command that becomes SELECT or INITIALIZE UPDATE is taken as one.
            assert_ne!(status, StatusWord::OK, "bit {bit} at {level:?}");
        }
        assert_eq!(told(&mut line, &access), before);
    }
}

#[test]
fn a_command_that_comes_again_is_refused() {
    let (mut line, access) = own_card(1);
    for level in MACS {
        for (name, command) in all(&mut line, &access) {
            let after = [1, 2].map(|times| {
                let (mut line, access) = own_card(1);
                let mut channel = opened(&mut line, &at(&access, level));
                let command = secured(&mut channel, &command);
                assert_eq!(line.status(&command), StatusWord::OK, "{name} {level:?}");
                if times == 2 {
                    assert_eq!(line.status(&command), StatusWord::SECURITY_NOT_SATISFIED, "{name} {level:?}");
                }
                told(&mut line, &access)
            });
            assert_eq!(after[0], after[1], "{name} {level:?}");
        }
    }
}

#[test]
fn a_recorded_session_cannot_be_had_again() {
    let (mut line, access) = own_card(1);
    let command = all(&mut line, &access).remove(1).1;
    line.passed.clear();
    let mut channel = opened(&mut line, &access);
    let command = secured(&mut channel, &command);
    assert_eq!(line.status(&command), StatusWord::OK);
    let recorded: Vec<_> = line.passed.iter().map(|(command, _)| command.clone()).collect();
    for _ in 0..2 {
        line.reset().unwrap();
        let again: Vec<_> = recorded.iter().map(|command| line.status(command).0).collect();
        assert_eq!(again, [0x9000, 0x9000, 0x6982, 0x6D00], "SELECT, INITIALIZE UPDATE, and no more");
    }
}

#[test]
fn a_session_does_not_come_again_where_its_keys_are_put_again() {
    let (mut line, access) = own_card(1);
    line.passed.clear();
    drop(opened(&mut line, &access));
    let recorded: Vec<_> = line.passed.iter().map(|(command, _)| command.clone()).collect();
    let version = access.wish.key_version;
    let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
    domain.put_keys(0, 0x3F, &aes(0x3F)).unwrap();
    domain.delete_keys(version).unwrap();
    domain.put_keys(0, version, &access.keys).unwrap();
    line.reset().unwrap();
    let again: Vec<_> = recorded.iter().map(|command| line.status(command).0).collect();
    assert_eq!(again, [0x9000, 0x9000, 0x6982]);
    drop(opened(&mut line, &access));
}

#[test]
fn commands_out_of_order_are_refused() {
    let (mut line, access) = own_card(1);
    let all = all(&mut line, &access);
    let before = told(&mut line, &access);
    for level in MACS {
        let mut channel = opened(&mut line, &at(&access, level));
        let [first, second] = [1, 2].map(|which: usize| secured(&mut channel, &all[which].1));
        for command in [&second, &first] {
            assert_ne!(line.status(command), StatusWord::OK);
        }
        assert_eq!(told(&mut line, &access), before, "{level:?}");
    }
    // An error of the card is in its order like any other answer.
    let mut channel = opened(&mut line, &access);
    let wrong = secured(&mut channel, &[0x80, 0xE4, 0x00, 0x00, 0x02, 0x4F, 0x00, 0x00]);
    assert_eq!(line.status(&wrong), StatusWord::WRONG_DATA);
    let command = secured(&mut channel, &all[1].1);
    assert_eq!(line.status(&command), StatusWord::OK);
}

#[test]
fn data_that_are_too_long_are_refused() {
    let (mut line, access) = own_card(1);
    let all = all(&mut line, &access);
    let before = told(&mut line, &access);
    for level in MACS {
        for (name, command) in &all {
            let mut channel = opened(&mut line, &at(&access, level));
            // Of each length that there is room for. The channel goes on.
            for length in (0..=200).step_by(17).chain([239]) {
                let mut long = command[..4].to_vec();
                if length > 0 {
                    long.push(length);
                    long.extend(vec![0xA5; length.into()]);
                }
                let long = secured(&mut channel, &long);
                let status = line.status(&long);
                let refusals = [
                    StatusWord::WRONG_LENGTH,
                    StatusWord::WRONG_DATA,
                    StatusWord::REFERENCE_NOT_FOUND,
                    StatusWord::CONDITIONS_NOT_SATISFIED,
                ];
                // SET STATUS of the card has no use for a name, GET STATUS needs none.
                let allowed = (*name == SetStatus::ROW.name && length <= 16)
                    || (*name == GetStatus::ROW.name && length == 0);
                assert!(refusals.contains(&status) || allowed, "{name} {length}: {status}");
            }
            // And longer than any: the card's buffers end before that.
            for length in [256_u16, 300, 4_096, 65_535] {
                let mut channel = opened(&mut line, &at(&access, level));
                let get_data = secured(&mut channel, &[0x80, 0xCA, 0x00, 0x66]);
                let [high, low] = length.to_be_bytes();
                let mut long = command[..4].to_vec();
                long[0] |= 0x04;
                long.extend([0, high, low]);
                long.extend(vec![0xA5; length.into()]);
                assert_eq!(line.status(&long), StatusWord::WRONG_LENGTH, "{name} {length}");
                assert_ne!(line.status(&get_data), StatusWord::OK, "the session has ended");
            }
        }
        let after = told(&mut line, &access);
        assert_eq!((after.applications, after.keys), (before.applications.clone(), before.keys.clone()));
    }
}
