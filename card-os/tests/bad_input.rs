//! Malformed commands: each gets the status word of ISO/IEC 7816-4 and changes no byte of
//! the card. Every row of the catalogue: at the security domain, and on every kind of card
//! before and after personalisation.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use apdu_spec::declare::Row;
use apdu_spec::element::Algorithm;
use apdu_spec::interindustry::InterindustryCommand;
use apdu_spec::life_cycle::LifeCycle;
use apdu_spec::purse::PurseCommand;
use apdu_spec::sam::SamCommand;
use apdu_spec::security_domain::{ExternalAuthenticate, GetData, InitializeUpdate, SecurityDomainCommand};
use apdu_spec::transfer::TransferCommand;
use apdu_spec::{Apdu, Command as _, StatusWord};
use card_os::Card;
use card_os::applets::AppletKind;
use support::office::Line as _;
use support::{Device, status_of};

const KINDS: [AppletKind; 3] = [AppletKind::Purse, AppletKind::Sam, AppletKind::Transfer];

/// The commands of the security domain that an application passes on to it.
const CHANNEL: [Row; 2] = [InitializeUpdate::ROW, ExternalAuthenticate::ROW];

/// A card in one state of life, and the rows that it serves.
struct Subject {
    device: Device,
    state: LifeCycle,
    rows: Vec<&'static Row>,
}

impl Subject {
    /// The class that the card takes a header for: the security domain's commands are served in
    /// the interindustry class as well.
    fn class(&self, cla: u8, ins: u8) -> u8 {
        let managing = self.rows.iter().any(|row| row.name == GetData::ROW.name);
        let served = managing && SecurityDomainCommand::ROWS.iter().any(|row| row.ins == ins);
        if served && cla == 0x00 { 0x80 } else { cla }
    }
}

/// The security domain, before authentication.
fn domain() -> Subject {
    let mut device = Device::blank(AppletKind::Purse);
    assert_eq!(device.choose(&[]), StatusWord::OK);
    let rows = [InterindustryCommand::ROWS, SecurityDomainCommand::ROWS].concat();
    Subject { device, state: LifeCycle::Personalized, rows: rows.iter().map(find).collect() }
}

/// The security domain, and every kind of application in both states of life.
fn subjects() -> impl Iterator<Item = Subject> {
    let applications = KINDS.into_iter().flat_map(|kind| {
        let own = match kind {
            AppletKind::Purse => PurseCommand::ROWS,
            AppletKind::Sam => SamCommand::ROWS,
            AppletKind::Transfer => TransferCommand::ROWS,
        };
        let rows = [InterindustryCommand::ROWS, &CHANNEL, own].concat();
        let rows: Vec<&Row> = rows.iter().map(find).collect();
        let personalised = Device::personalised(kind, Algorithm::AesCmac);
        [
            Subject { device: Device::blank(kind), state: LifeCycle::Selectable, rows: rows.clone() },
            Subject { device: personalised, state: LifeCycle::Personalized, rows },
        ]
    });
    core::iter::once(domain()).chain(applications)
}

fn find(wanted: &Row) -> &'static Row {
    apdu_spec::catalog::rows().find(|row| row.name == wanted.name && row.set == wanted.set).unwrap()
}

/// Runs `check` with each row of each card; no byte of the card may change.
fn with_every_row(mut check: impl FnMut(&mut Subject, &'static Row)) {
    let mut rows = 0;
    for mut subject in subjects() {
        let before = subject.device.chip().image().to_vec();
        for row in subject.rows.clone() {
            check(&mut subject, row);
            rows += 1;
        }
        assert!(subject.device.chip().image() == before, "{:?} has written", subject.device.kind);
    }
    assert_eq!(
        rows,
        1 + SecurityDomainCommand::ROWS.len()
            + 2 * (3 * 3 + PurseCommand::ROWS.len() + SamCommand::ROWS.len() + TransferCommand::ROWS.len())
    );
}

/// Header of a row; zeros in place of what the request brings.
fn header(row: &Row) -> [u8; 4] {
    [row.cla, row.ins, row.p1.unwrap_or(0), row.p2.unwrap_or(0)]
}

fn short(header: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut command = header.to_vec();
    if !data.is_empty() {
        command.push(u8::try_from(data.len()).unwrap());
        command.extend_from_slice(data);
    }
    command
}

fn extended(header: [u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    [&header[..], &[0], &length, data].concat()
}

/// Data of the least length that the row takes.
fn least(row: &Row) -> Vec<u8> {
    vec![0; row.request.min.saturating_sub(row.in_header())]
}

#[test]
fn classes_that_do_not_exist() {
    with_every_row(|subject, row| {
        for cla in 0..=u8::MAX {
            if subject.rows.iter().all(|row| row.cla != cla) {
                let [_, tail @ ..] = header(row);
                let command = [&[cla], &tail[..]].concat();
                assert_eq!(subject.device.status(&command), StatusWord::CLASS_NOT_SUPPORTED);
            }
        }
    });
}

#[test]
fn instructions_that_do_not_exist() {
    with_every_row(|subject, row| {
        for ins in 0..=u8::MAX {
            let class = subject.class(row.cla, ins);
            if subject.rows.iter().all(|other| other.cla != class || other.ins != ins) {
                let [cla, _, p1, p2] = header(row);
                let command = short([cla, ins, p1, p2], &least(row));
                assert_eq!(subject.device.status(&command), StatusWord::INSTRUCTION_NOT_SUPPORTED);
            }
        }
    });
}

#[test]
fn parameters_that_do_not_exist() {
    let mut refused = 0;
    with_every_row(|subject, row| {
        let [cla, ins, ..] = header(row);
        for (p1, p2) in (0..=u8::MAX).flat_map(|p1| [0, 1, 2, 0x0C, 0xEC, 0xFF].map(|p2| (p1, p2))) {
            let command = short([cla, ins, p1, p2], &least(row));
            let apdu = Apdu::parse(&command).unwrap();
            if !subject.rows.iter().any(|row| row.matches(&apdu)) {
                assert_eq!(subject.device.status(&command), StatusWord::WRONG_P1_P2, "{command:02X?}");
                refused += 1;
            }
        }
    });
    assert!(refused > 10_000, "{refused}");
}

#[test]
fn parameters_that_a_request_brings_and_that_are_not_declared() {
    for mut subject in subjects() {
        let before = subject.device.chip().image().to_vec();
        let select = [0x00, 0xA4, 0x04, 0x01, 0x01, 0xF0];
        assert_eq!(subject.device.status(&select), StatusWord::WRONG_P1_P2);
        assert!(subject.device.chip().image() == before);
    }
}

#[test]
fn data_that_is_too_short_or_too_long() {
    let mut refused = 0;
    with_every_row(|subject, row| {
        let lengths = row.request.min..=row.request.max;
        for length in (0..=255_usize).filter(|length| !lengths.contains(&(length + row.in_header()))) {
            let data = vec![0; length];
            let expected = match row.states.contains(&subject.state) {
                true => StatusWord::WRONG_LENGTH,
                false => StatusWord::CONDITIONS_NOT_SATISFIED,
            };
            assert_eq!(subject.device.status(&short(header(row), &data)), expected, "{} {length}", row.name);
            refused += 1;
        }
    });
    assert!(refused > 10_000, "{refused}");
}

#[test]
fn data_in_extended_form_above_255_bytes() {
    with_every_row(|subject, row| {
        for length in [256, 257, 1_000, 65_528, 65_535] {
            let command = extended(header(row), &vec![0; length]);
            assert_eq!(subject.device.status(&command), StatusWord::WRONG_LENGTH, "{} {length}", row.name);
        }
    });
}

#[test]
fn lengths_that_do_not_fit_the_frame() {
    with_every_row(|subject, row| {
        let [cla, ins, p1, p2] = header(row);
        let frames: [&[u8]; 9] = [
            &[],
            &[cla],
            &[cla, ins],
            &[cla, ins, p1],
            &[cla, ins, p1, p2, 5, 1, 2],          // Lc beyond the end
            &[cla, ins, p1, p2, 1, 1, 0, 0],       // bytes behind Le
            &[cla, ins, p1, p2, 0, 0],             // half an extended length
            &[cla, ins, p1, p2, 0, 0, 0, 1],       // extended Lc of nothing
            &[cla, ins, p1, p2, 0, 0, 9, 1, 2, 3], // extended Lc beyond the end
        ];
        for frame in frames {
            assert_eq!(subject.device.status(frame), StatusWord::WRONG_LENGTH, "{frame:02X?}");
        }
    });
}

#[test]
fn frames_of_65_535_bytes() {
    for mut subject in subjects() {
        let before = subject.device.chip().image().to_vec();
        for byte in [0x00, 0x80, 0x90, 0xFF] {
            assert_eq!(subject.device.status(&vec![byte; 65_535]), StatusWord::WRONG_LENGTH);
        }
        assert!(subject.device.chip().image() == before);
    }
}

#[test]
fn commands_of_another_state_of_life() {
    let mut refused = 0;
    with_every_row(|subject, row| {
        if !row.states.contains(&subject.state) {
            let status = subject.device.status(&short(header(row), &least(row)));
            assert_eq!(status, StatusWord::CONDITIONS_NOT_SATISFIED, "{}", row.name);
            refused += 1;
        }
    });
    let own = PurseCommand::ROWS.len() + SamCommand::ROWS.len() + TransferCommand::ROWS.len();
    assert_eq!(refused, own, "all of an application before personalisation");
}

#[test]
fn commands_without_select() {
    with_every_row(|subject, row| {
        if row.name == "Select" || row.set == "SecurityDomainCommand" {
            return;
        }
        // Powered: the security domain is selected.
        let mut card = Card::open(subject.device.chip().clone()).unwrap();
        let before = card.platform().image().to_vec();
        let mut response = card_os::kernel::Response::new();
        card.process(&short(header(row), &least(row)), &mut response);
        card.housekeep();
        let expected = match row.cla {
            0x00 if row.ins == GetData::ROW.ins => StatusWord::REFERENCE_NOT_FOUND,
            0x00 => StatusWord::INSTRUCTION_NOT_SUPPORTED,
            _ => StatusWord::CLASS_NOT_SUPPORTED,
        };
        assert_eq!(status_of(&response), expected, "{}", row.name);
        assert!(card.platform().image() == before);
    });
}

/// What a header alone gets, P1-P2 zero; `None` where it is a command that may be served.
fn expected(subject: &Subject, cla: u8, ins: u8) -> Option<StatusWord> {
    let cla = subject.class(cla, ins);
    let of_class: Vec<_> = subject.rows.iter().filter(|row| row.cla == cla).collect();
    let of_instruction: Vec<_> = of_class.iter().filter(|row| row.ins == ins).collect();
    let row = of_instruction.iter().find(|row| row.p1.unwrap_or(0) == 0 && row.p2.unwrap_or(0) == 0);
    match row {
        _ if of_class.is_empty() => Some(StatusWord::CLASS_NOT_SUPPORTED),
        _ if of_instruction.is_empty() => Some(StatusWord::INSTRUCTION_NOT_SUPPORTED),
        None => Some(StatusWord::WRONG_P1_P2),
        Some(row) if !row.states.contains(&subject.state) => Some(StatusWord::CONDITIONS_NOT_SATISFIED),
        Some(row) if row.request.min > row.in_header() => Some(StatusWord::WRONG_LENGTH),
        Some(_) => None,
    }
}

/// Whether this header closes the batch of a PSAM.
fn subject_closes(subject: &Subject, cla: u8, ins: u8) -> bool {
    (subject.device.kind, cla, ins) == (AppletKind::Sam, 0x90, 0x76) && expected(subject, cla, ins).is_none()
}

#[test]
fn all_65_536_headers() {
    let mut served = 0;
    for mut subject in subjects() {
        let before = subject.device.chip().image().to_vec();
        let all = (0..=u8::MAX).flat_map(|cla| (0..=u8::MAX).map(move |ins| (cla, ins)));
        // INITIALIZE PSAM for Collection closes an empty batch as well.
        let closes = |(cla, ins): &(u8, u8)| subject_closes(&subject, *cla, *ins);
        for (cla, ins) in all.filter(|header| !closes(header)).collect::<Vec<_>>() {
            let status = subject.device.status(&[cla, ins, 0, 0]);
            match expected(&subject, cla, ins) {
                Some(expected) => assert_eq!(status, expected, "{cla:02X} {ins:02X}"),
                None => served += 1,
            }
        }
        assert!(subject.device.chip().image() == before, "{:?} has written", subject.device.kind);
    }
    // GET BALANCE; GET CHALLENGE;
    // EXTERNAL AUTHENTICATE of all seven; GET STATUS, SET STATUS and GET DATA in both classes.
    assert_eq!(served, 2 + 7 + 6);
}
