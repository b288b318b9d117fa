//! A purse as readers of older cards see it: the command sequences of such readers, and what
//! they must find; and that a view is no second store of value.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::element::Algorithm;
use apdu_spec::personalisation::LegacyView;
use card_os::applets::AppletKind;
use support::Device;
use support::world::World;

const BOTH: u8 = LegacyView::GELDKARTE | LegacyView::QUICK;

/// A world whose purse can be read as these cards.
fn world(views: u8) -> World {
    let purse = Device::viewed(Algorithm::AesCmac, views);
    let mut world = World { purse, sam: Device::personalised(AppletKind::Sam, Algorithm::AesCmac) };
    world.load(10_000).unwrap();
    world.pay(1_234).unwrap();
    world.pay(66).unwrap();
    world
}

/// Sends APDUs in hexadecimal; the last answer, in hexadecimal, with its status word.
fn ask(device: &mut Device, commands: &[&str]) -> String {
    let mut last = String::new();
    for command in commands {
        last = hex::encode_upper(device.transmit(&hex::decode(command.replace(' ', "")).unwrap()));
    }
    last
}

const MASTER: &str = "00A4000C";
const DIRECTORY: &str = "00A4010C02A200";

/// Sends an APDU in hexadecimal, which must be answered with data alone.
fn read(device: &mut Device, command: &str) -> String {
    let answer = ask(device, &[command]);
    answer.strip_suffix("9000").unwrap_or_else(|| panic!("{command}: {answer}")).to_owned()
}

#[test]
fn a_reader_of_geldkarten_finds_the_card() {
    let mut world = world(BOTH);
    // Off and on: nothing is selected.
    world.purse = Device::power_on(AppletKind::Purse, world.purse.power_off()).unwrap();
    let card = &mut world.purse;
    assert_eq!(ask(card, &[MASTER, "00A4020C020003"]), "9000");
    let file = read(card, "00B2010400");
    // Branch, bank, number, check digit; until 2052-02, from 2022-01-08; country, EUR, 1/100.
    assert_eq!(
        file,
        ["67", "258765", "0000004711", "04", "5202", "220108", "0280", "455552", "01", "000000"].concat()
    );
    assert_eq!(ask(card, &["00B2020400"]), "6A83");
}

#[test]
fn a_reader_of_geldkarten_finds_amounts_and_payments() {
    let mut world = world(BOTH);
    world.transfer(apdu_spec::element::Kind::Unload, 700, true).unwrap();
    let card = &mut world.purse;
    ask(card, &[MASTER, DIRECTORY, "00A4020C020104"]);
    assert_eq!(read(card, "00B2010400"), ["008000", "015000", "005000", "000000"].concat());
    ask(card, &["00A4020C020109"]);
    let (first, second) = (read(card, "00B2010400"), read(card, "00B2020400"));
    // Status, BSEQ, LSEQ, amount, PSAM, its number, sum, balance, day, time, key.
    let psam = "00002801010000000007";
    let when = "20231114221320";
    assert_eq!(
        first,
        ["41", "0003", "0001", "000066", psam, "00000002", "00000000", "008700", when, "01"].concat()
    );
    assert_eq!(
        second,
        ["41", "0002", "0001", "001234", psam, "00000001", "00000000", "008766", when, "01"].concat()
    );
    assert_eq!(ask(card, &["00B2030400"]), "6A83");
    // Loads by short identifier, under the name of the application.
    assert_eq!(ask(card, &["00A4040C09D27600002545500200"]), "9000");
    let unload = read(card, "00B201E400");
    assert_eq!(unload[..14], *"21000400000700", "{unload}");
    assert_eq!(read(card, "00B202E400")[..14], *"01000100010000");
    assert_eq!(ask(card, &["00B203E400"]), "6A83");
    assert_eq!((read(card, "00B201D400"), read(card, "00B201DC00")), ("0001".into(), "0004".into()));
}

#[test]
fn a_reader_of_quick_cards_finds_balance_currency_and_log() {
    let mut world = world(LegacyView::QUICK);
    let card = &mut world.purse;
    assert_eq!(
        read(card, "00A4040008D04000000100000200"),
        "6F1384 08D040000001000002A507500550555253 45".replace(' ', "")
    );
    assert_eq!(read(card, "00B0820000"), "000021FC");
    assert_eq!(read(card, "00B0811502"), "0978");
    assert_eq!(read(card, "00B0811601"), "78", "Le counts");
    assert_eq!(ask(card, &["00B0821000"]), "6B00");
    ask(card, &["00A4020C020104"]);
    let record = [
        "27",
        "0003",
        "00000042",
        "00000042",
        "0978",
        "0028010100000007",
        "90",
        "20231114221320",
        "000021FC",
    ];
    assert_eq!(read(card, "00B2010400"), record.concat());
    assert_eq!(ask(card, &["00A4040C09D27600002545500200"]), "6A82", "this purse is no Geldkarte");
}

#[test]
fn the_same_files_under_the_name_of_moneo() {
    let mut world = world(LegacyView::GELDKARTE);
    let card = &mut world.purse;
    assert!(read(card, "00A4040006A0000000690000").starts_with("6F"));
    assert_eq!(read(card, "00B201C400")[..6], *"008700");
}

#[test]
fn a_view_shows_no_less_than_nothing_and_no_more_than_it_can() {
    let mut world = world(BOTH);
    for minor in [5_000, 3_700, 400] {
        world.pay(minor).unwrap();
    }
    assert_eq!(world.balance(), -400);
    let card = &mut world.purse;
    ask(card, &[MASTER]);
    assert_eq!(read(card, "00B201C400")[..6], *"000000");
    ask(card, &["00A4040C08D040000001000002"]);
    assert_eq!(read(card, "00B0820000"), "FFFFFE70", "two's complement, as it is");
}

/// Whoever selects a view gets files and nothing else: no command that moves value, and none
/// that writes.
#[test]
fn a_view_is_no_second_store_of_value() {
    let mut world = world(BOTH);
    let before = (world.balance(), world.information().nt);
    let image = world.purse.chip().image().to_vec();
    for view in [&[MASTER][..], &["00A4040C08D040000001000002"]] {
        ask(&mut world.purse, view);
        for row in apdu_spec::catalog::rows().filter(|row| row.cla == 0x90) {
            let header = [row.cla, row.ins, row.p1.unwrap_or(0), row.p2.unwrap_or(0)];
            assert_eq!(world.purse.status(&header), StatusWord::CLASS_NOT_SUPPORTED, "{}", row.name);
        }
        // UPDATE RECORD, UPDATE BINARY, APPEND RECORD, WRITE RECORD, ERASE BINARY.
        for ins in ["DC", "D6", "E2", "D2", "0E"] {
            assert_eq!(ask(&mut world.purse, &[&format!("00{ins}01C403999999")]), "6D00");
        }
    }
    assert!(world.purse.chip().image() == image, "reading has written");
    world.purse.select();
    assert_eq!((world.balance(), world.information().nt), before);
}

/// Whoever looks through a view between INITIALIZE IEP and its order has ended the session.
#[test]
fn a_view_ends_the_session() {
    let mut world = world(BOTH);
    let (_, initialized) = world.initialize();
    let opened = world.order(&initialized, 100).unwrap();
    ask(&mut world.purse, &[MASTER]);
    world.purse.select();
    assert_eq!(world.debit(&opened).err(), Some(StatusWord::CONDITIONS_NOT_SATISFIED));
}

#[test]
fn a_purse_without_views_has_no_files() {
    let mut world = World::with_balance(1_000);
    let card = &mut world.purse;
    assert_eq!(ask(card, &[MASTER]), "6A86");
    for aid in [Aid::GELDKARTE, Aid::MONEO, Aid::QUICK] {
        let select = format!("00A40400{:02X}{}", aid.len(), hex::encode(aid));
        assert_eq!(ask(card, &[&select]), "6A82");
    }
    assert_eq!(world.balance(), 1_000, "the purse is still selected");
}
