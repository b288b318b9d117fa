//! A PSAM is lost for ever: what it had taken is paid where the purse can no longer take it back, and
//! a crooked merchant who drowns his PSAM is paid nothing. A void that never came back is refunded.

#[allow(dead_code)] // each test file uses its part
mod support;

use host::reader::virtual_reader::VirtualReader;
use host::terminal::PaymentTerminal;
use host::terminal::journal::FileJournal;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use serde_json::Value;
use support::{Place, Run};

/// Number of the PSAM of each terminal, as `demo` makes them.
const KIOSK: u32 = 1;
const BUS: u32 = 3;

/// A merchant meets purse 1 with software of his own: his PSAM takes all its receipts over.
fn relieve(place: &Place, sam: u32) {
    let open = |name: String| {
        let random = Box::new(ChaCha12Rng::seed_from_u64(u64::from(sam)));
        VirtualReader::open(&place.data().join(name), random, false).expect("a card")
    };
    let (psam, mut purse) = (open(format!("sams/{sam}.card")), open("cards/purse-1.card".into()));
    let journal = place.data().join(format!("terminals/{sam}/journal"));
    let journal = FileJournal::open(&journal, false).expect("a journal");
    let mut terminal = PaymentTerminal::start(Box::new(psam), Box::new(journal)).expect("a terminal");
    terminal.relieve(&mut purse).expect("relieved");
}

fn drown(place: &Place, sam: u32) {
    std::fs::remove_file(place.data().join(format!("sams/{sam}.card"))).expect("it was there");
}

/// Nothing comes from the kiosk any more, which is said; everybody else is cleared.
fn clear(place: &Place) {
    let told = |run: Run| assert!(run.code == Some(0) || run.err.contains("kiosk"), "{}", run.err);
    told(place.run(&["collect"]));
    told(place.run(&["clear"]));
}

/// What a run printed, also where it ended with an error.
fn report(place: &Place) -> Value {
    let run = place.run(&["report", "--json"]);
    serde_json::Deserializer::from_str(&run.out).into_iter().next().expect("JSON").expect("a report")
}

/// Of the kiosk: paid out, and unconfirmed.
fn of_the_kiosk(place: &Place) -> (i64, i64) {
    let report = report(place);
    assert_eq!(report["books"]["difference"], 0, "{report}");
    assert_eq!(report["exceptions"], serde_json::json!([]));
    let kiosk = report["merchants"].as_array().expect("a list").iter().find(|line| line["name"] == "kiosk");
    let figure = |name: &str| kiosk.expect("the kiosk")[name].as_i64().expect("a figure");
    (figure("settled"), figure("unconfirmed"))
}

fn place() -> (Place, i64) {
    let place = Place::after_a_day(5);
    place.json(&["load", "1", "20"]);
    let (paid, unconfirmed) = of_the_kiosk(&place);
    assert_eq!(unconfirmed, 0);
    (place, paid)
}

#[test]
fn an_honest_merchant_whose_psam_drowned_is_paid_once_the_next_number_is_known() {
    let (place, paid) = place();
    place.json(&["pay", "1", "4", "--at", "kiosk"]);
    relieve(&place, BUS);
    drown(&place, KIOSK);
    clear(&place);
    assert_eq!(of_the_kiosk(&place), (paid, 400));
    place.json(&["sam", "lost", "kiosk", "--reason", "drowned"]);
    clear(&place);
    assert_eq!(of_the_kiosk(&place), (paid, 400), "the purse may still have taken it back");
    place.json(&["pay", "1", "1", "--at", "bus-12"]);
    clear(&place);
    assert_eq!(of_the_kiosk(&place), (paid + 400, 0));
    assert_eq!(place.run(&["background", "verify"]).code, Some(0));
}

/// The receipt is taken by a second PSAM before the cancellation, and what tells of the cancellation
/// is the purse's next payment alone: the crooked merchant has drowned his PSAM.
#[test]
fn pay_cancel_drown_the_psam_and_collect_on_receipts_pays_nothing() {
    for lost_first in [true, false] {
        let (place, paid) = place();
        place.json(&["pay", "1", "4", "--at", "kiosk"]);
        relieve(&place, BUS);
        place.json(&["cancel", "1", "--at", "kiosk"]);
        drown(&place, KIOSK);
        let declare = || place.json(&["sam", "lost", "kiosk", "--reason", "drowned"]);
        if lost_first {
            declare();
            clear(&place);
            assert_eq!(of_the_kiosk(&place), (paid, 400), "nothing says that it was not taken back");
        }
        place.json(&["pay", "1", "1", "--at", "bus-12"]);
        clear(&place);
        if !lost_first {
            declare();
            clear(&place);
        }
        assert_eq!(of_the_kiosk(&place), (paid, 0));
        let cards = place.json(&["card", "list"]);
        let card = &cards.as_array().expect("cards")[0];
        assert_eq!(card["balance"], card["shadow"], "and the holder has his money back");
        assert_eq!(place.run(&["background", "verify"]).code, Some(0));
    }
}

#[test]
fn what_is_not_owed_is_not_refunded_and_a_lost_terminal_has_a_name() {
    let (place, _) = place();
    let wanted = ["no voided purchase of this amount", "then ask again"];
    place.fails(3, &["load", "1", "4", "--from", "refund"], &wanted);
    place.fails(2, &["unload", "1", "4", "--to", "refund"], &["possible values"]);
    place.fails(1, &["sam", "lost", "nowhere", "--reason", "gone"], &["no terminal", "kiosk, bakery"]);
    place.fails(2, &["sam", "lost", "kiosk"], &["--reason"]);
}
