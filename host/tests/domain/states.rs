//! The states of a card, locked and terminated ones, and that they go forwards.

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::declare::Command as _;
use apdu_spec::life_cycle::CardState;
use apdu_spec::security_domain::GetStatus;
use host::card::domain::{Access, SecurityDomain};
use host::card::select;
use host::reader::Reader as _;

use crate::issuer::{Line, random, refused};
use crate::{aid, all, opened, own_card, secured, told};

/// A card in this state.
fn in_state(state: CardState) -> (Line, Access, Vec<(&'static str, Vec<u8>)>) {
    let (mut line, access) = own_card(1);
    let all = all(&mut line, &access);
    let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
    for next in [CardState::Initialized, CardState::Secured, CardState::Locked, state] {
        if domain.card_state().unwrap() != state {
            domain.set_card_state(next).unwrap();
        }
    }
    (line, access, all)
}

#[test]
fn a_locked_card_is_unlocked_and_managed_in_no_other_way() {
    let (mut line, access, all) = in_state(CardState::Locked);
    for _ in 0..2 {
        assert_eq!(refused(select(&mut line, Aid::PURSE)), StatusWord::APPLICATION_NOT_FOUND);
        let before = told(&mut line, &access);
        assert_eq!(before.state, CardState::Locked);
        for (name, command) in &all {
            let mut channel = opened(&mut line, &access);
            let command = secured(&mut channel, command);
            let expected = if *name == GetStatus::ROW.name {
                StatusWord::OK
            } else {
                // SET STATUS is taken, and there is no way back to INITIALIZED.
                StatusWord::CONDITIONS_NOT_SATISFIED
            };
            assert_eq!(line.status(&command), expected, "{name}");
        }
        assert_eq!(told(&mut line, &access), before);
        line.reset().unwrap();
    }
    let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
    domain.set_card_state(CardState::Secured).unwrap();
    select(&mut line, Aid::PURSE).unwrap();
    let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
    domain.delete(&aid(Aid::PURSE)).unwrap();
}

#[test]
fn a_terminated_card_says_what_it_is_and_nothing_else_for_ever() {
    let (mut line, access, all) = in_state(CardState::Terminated);
    for _ in 0..2 {
        assert_eq!(refused(select(&mut line, Aid::SECURITY_DOMAIN)), StatusWord::BLOCKED);
        assert_eq!(refused(select(&mut line, Aid::PURSE)), StatusWord::APPLICATION_NOT_FOUND);
        assert_eq!(line.status(&[0x80, 0xCA, 0x00, 0x66, 0x00]), StatusWord::OK);
        for (name, command) in &all {
            assert_eq!(line.status(command), StatusWord::CONDITIONS_NOT_SATISFIED, "{name}");
        }
        let refusal = SecurityDomain::open(&mut line, &access, &mut random());
        assert_eq!(refused(refusal), StatusWord::CONDITIONS_NOT_SATISFIED);
        line.reset().unwrap();
    }
}

#[test]
fn the_states_of_a_card_go_forwards() {
    use CardState as S;
    const ALL: [S; 5] = [S::OpReady, S::Initialized, S::Secured, S::Locked, S::Terminated];
    for from in ALL {
        for to in ALL {
            if from == S::Terminated {
                continue;
            }
            let (mut line, access, _) = in_state(from);
            let mut domain = SecurityDomain::open(&mut line, &access, &mut random()).unwrap();
            let result = domain.set_card_state(to);
            if from.may_become(to) || from == to {
                result.unwrap();
            } else {
                assert_eq!(refused(result), StatusWord::CONDITIONS_NOT_SATISFIED, "{from:?} {to:?}");
            }
        }
    }
}
