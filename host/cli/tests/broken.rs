//! One participant is broken: the error stays there, is named, and everybody else is collected,
//! cleared and settled. The exit code says that something failed. What is mended is settled.

#[allow(dead_code)] // each test file uses its part
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::Place;

/// Terminals with a payment that is not collected yet, and its amount in minor units.
const TAKINGS: [(&str, i64); 4] = [("kiosk", 300), ("bakery", 210), ("bus-12", 125), ("car-park", 70)];

/// A day's world in which each terminal has taken something since.
struct Scene {
    place: Place,
    /// What merchants were paid before.
    paid: Vec<i64>,
}

impl Scene {
    fn new() -> Self {
        let place = Place::after_a_day(1);
        place.json(&["load", "1", "20"]);
        for (terminal, minor) in TAKINGS {
            let amount = format!("{}.{:02}", minor / 100, minor % 100);
            place.json(&["pay", "1", &amount, "--at", terminal]);
        }
        let report = place.json(&["report"]);
        let paid = TAKINGS.map(|(name, _)| settled(&report, name)).to_vec();
        Self { place, paid }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.data().join(name)
    }

    /// Runs a command that must end with 1 after doing what it can, and name this participant
    /// alone, in words and as JSON; what it printed.
    fn fails(&self, command: &[&str], participant: &str, word: &str) -> Value {
        let told = self.place.run(command);
        assert_eq!(told.code, Some(1), "{command:?}: {}{}", told.out, told.err);
        assert!(told.err.contains(&format!("{participant}: ")), "{command:?}: {}", told.err);
        assert!(told.err.contains(word), "{command:?} does not say {word:?}: {}", told.err);
        let run = self.place.run(&[&["--json"], command].concat());
        assert_eq!(run.code, Some(1), "{command:?}: {}{}", run.out, run.err);
        let value: Value = serde_json::from_str(&run.out).expect("JSON");
        let failed = value["failed"].as_array().unwrap_or_else(|| value.as_array().expect("a list"));
        let named: Vec<_> = failed.iter().filter(|line| line.get("error").is_some()).collect();
        assert_eq!(named.len(), 1, "{command:?}: {value:#}");
        assert_eq!(named[0]["participant"], participant, "{command:?}");
        assert!(named[0]["error"].as_str().expect("words").contains(word), "{command:?}: {}", named[0]);
        value
    }

    /// All merchants but these have been paid what they took since, to the cent.
    fn settled_all_but(&self, waiting: &[&str]) {
        let run = self.place.run(&["--json", "report"]);
        let report: Value = serde_json::from_str(&run.out).expect("JSON");
        for ((name, minor), before) in TAKINGS.iter().zip(&self.paid) {
            let since = settled(&report, name) - before;
            assert_eq!(since, if waiting.contains(name) { 0 } else { *minor }, "{name}");
        }
        assert_eq!(report["books"]["difference"], 0);
    }

    /// Without the damage everything that was left is settled, once.
    fn settles_once_mended(&self) {
        for _ in 0..2 {
            self.place.json(&["collect"]);
            self.place.json(&["clear"]);
        }
        self.settled_all_but(&[]);
        let report = self.place.json(&["report"]);
        assert_eq!(report["world"]["difference"], 0);
        assert_eq!(report["world"]["terms"]["in_terminals"], 0);
    }
}

fn settled(report: &Value, merchant: &str) -> i64 {
    let merchants = report["merchants"].as_array().expect("merchants");
    let line = merchants.iter().find(|line| line["name"] == merchant).expect("the merchant");
    line["settled"].as_i64().expect("minor units")
}

/// Makes a damaged file of a whole one.
type Damage = fn(&[u8]) -> Vec<u8>;

/// What can be wrong with a file: cut, empty, or other bytes behind its head.
const DAMAGES: [Damage; 3] = [
    |whole| whole[..whole.len() / 2].to_vec(),
    |_| Vec::new(),
    |whole| [&whole[..32], &vec![0x5A; whole.len() - 32]].concat(),
];

/// Does something for each damage of this file, and mends it afterwards.
fn damaged(path: &Path, mut act: impl FnMut()) {
    let whole = fs::read(path).expect("read");
    for damage in DAMAGES {
        fs::write(path, damage(&whole)).expect("written");
        act();
    }
    fs::write(path, whole).expect("mended");
}

#[test]
fn a_damaged_transfer_card_stops_no_terminal_with_a_line() {
    let scene = Scene::new();
    damaged(&scene.path("transfer/800.card"), || {
        let value = scene.fails(&["collect"], "transfer card 800", "800.card");
        let names: Vec<_> = value["terminals"].as_array().expect("a list").iter().collect();
        assert_eq!(names.len(), 2, "those with a line");
        scene.fails(&["collect", "bus-12"], "transfer card 800", "800.card");
        scene.fails(&["clear"], "transfer card 800", "800.card");
        scene.settled_all_but(&["bus-12", "car-park"]);
    });
    scene.settles_once_mended();
}

#[test]
fn a_damaged_psam_stops_no_other_terminal() {
    let scene = Scene::new();
    damaged(&scene.path("sams/1.card"), || {
        let value = scene.fails(&["collect"], "kiosk", "1.card");
        assert_eq!(value["terminals"].as_array().expect("a list").len(), 3);
        scene.fails(&["clear"], "kiosk", "1.card");
        let report = scene.fails(&["report"], "kiosk", "1.card");
        assert_eq!(report["world"]["terms"]["purses"], 4, "everybody else is counted");
        scene.place.json(&["card", "list"]);
        scene.settled_all_but(&["kiosk"]);
    });
    scene.settles_once_mended();
}

/// The PSAM of a terminal without a line, which the transfer card visits.
#[test]
fn a_damaged_psam_stops_no_transfer_card() {
    let scene = Scene::new();
    damaged(&scene.path("sams/3.card"), || {
        scene.fails(&["collect"], "bus-12", "3.card");
        scene.place.json(&["clear"]);
        scene.settled_all_but(&["bus-12"]);
    });
    scene.settles_once_mended();
}

#[test]
fn a_bad_line_in_one_journal_stops_no_other_terminal() {
    let scene = Scene::new();
    let journal = scene.path("terminals/1/journal");
    let whole = fs::read(&journal).expect("read");
    fs::write(&journal, [&whole[..], b"nonsense\n{\"settle\":1}\n"].concat()).expect("written");
    scene.fails(&["collect"], "kiosk", "line");
    scene.fails(&["clear"], "kiosk", "line");
    scene.fails(&["report"], "kiosk", "line");
    scene.settled_all_but(&["kiosk"]);
    fs::write(&journal, whole).expect("mended");
    scene.settles_once_mended();
}

/// What a terminal has put into its outbox is cleared, also where it does not start any more; its
/// PSAM is acknowledged once it does.
#[test]
fn a_terminal_that_breaks_after_its_collection_is_settled() {
    let scene = Scene::new();
    scene.place.json(&["collect"]);
    let journal = scene.path("terminals/1/journal");
    let whole = fs::read(&journal).expect("read");
    fs::write(&journal, "nonsense\n").expect("written");
    scene.fails(&["clear"], "kiosk", "line 1");
    scene.settled_all_but(&[]);
    fs::write(&journal, whole).expect("mended");
    scene.settles_once_mended();
}

#[test]
fn a_damaged_batch_in_one_outbox_stops_no_other() {
    let scene = Scene::new();
    scene.place.json(&["collect"]);
    let mut files = fs::read_dir(scene.path("terminals/1/outbox")).expect("a folder");
    let batch = files.next().expect("a batch").expect("a file").path();
    damaged(&batch, || {
        scene.fails(&["clear"], "kiosk", ".batch");
        scene.settled_all_but(&["kiosk"]);
        let told = scene.place.json(&["report"]);
        assert_eq!(told["world"]["difference"], 0, "the PSAM still has it");
    });
    scene.settles_once_mended();
}

#[test]
fn a_damaged_purse_is_counted_as_unread_and_hides_no_other() {
    let scene = Scene::new();
    let left = scene.place.json(&["card", "show", "2"])["balance"].clone();
    damaged(&scene.place.card(2), || {
        let cards = scene.fails(&["card", "list"], "purse 2", "purse-2.card");
        assert_eq!(cards.as_array().expect("cards").len(), 4);
        assert!(cards[1]["shadow"].is_i64(), "what the books know is shown");
        assert!(
            cards[0]["balance"].is_i64() && cards[1]["balance"].is_null() && cards[2]["balance"].is_i64()
        );
        let world = scene.fails(&["report"], "purse 2", "purse-2.card")["world"].clone();
        assert_eq!((&world["terms"]["unread"], &world["terms"]["purses"]), (&1.into(), &3.into()));
        assert_eq!(world["difference"], left, "it is what must be on the card");
        scene.place.json(&["collect"]);
        scene.place.json(&["clear"]);
        scene.settled_all_but(&[]);
    });
    scene.settles_once_mended();
}
