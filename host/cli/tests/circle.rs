//! Value goes once round: issue, load, pay, cancel, unload, collect, clear, settle.

#[allow(dead_code)] // each test file uses its part
mod support;

use serde_json::Value;
use support::Place;

fn difference(report: &Value) -> [i64; 2] {
    ["world", "books"].map(|line| report[line]["difference"].as_i64().expect("a number"))
}

#[test]
fn a_day_balances_and_is_the_same_for_the_same_seed() {
    let [first, second, other] = [7, 7, 8].map(|seed: u64| {
        let seed = seed.to_string();
        Place::new().json(&["demo", "--purses", "6", "--payments", "300", "--seed", &seed])
    });
    assert_eq!(difference(&first["report"]), [0, 0]);
    assert_eq!(first, second);
    assert_ne!(first["report"]["world"], other["report"]["world"]);
    assert_eq!(first["day"]["payments"], 300);
    assert!(first["day"]["cancelled"].as_u64() > Some(0), "{first}");
    assert!(first["day"]["visits"].as_u64() > Some(2), "{first}");
    assert_eq!(first["report"]["exceptions"], serde_json::json!([]));
}

#[test]
fn a_day_with_triple_des_balances() {
    let day = Place::new().json(&["demo", "--purses", "3", "--payments", "60", "--algorithm", "retail-mac"]);
    assert_eq!(difference(&day["report"]), [0, 0]);
}

#[test]
fn later_commands_go_on_from_the_data() {
    let place = Place::after_a_day(3);
    let before = place.json(&["card", "show", "2"])["balance"].as_i64().expect("a number");
    place.json(&["load", "2", "10", "--from", "cash"]);
    let paid = place.json(&["pay", "2", "1.25", "--at", "bus-12"]);
    assert_eq!(paid["balance"], before + 875);
    place.json(&["pay", "2", "0.75", "--at", "kiosk"]);
    assert_eq!(place.json(&["cancel", "2", "--at", "kiosk"])["balance"], before + 875);
    place.json(&["unload", "2", "1"]);

    let log = place.json(&["card", "log", "2"]);
    let kinds: Vec<_> = log.as_array().expect("lines").iter().take(5).map(|line| &line["kind"]).collect();
    assert_eq!(kinds, ["unload", "cancellation", "purchase", "purchase", "load"]);

    let report = place.json(&["report"]);
    assert_eq!(difference(&report), [0, 0]);
    assert_eq!(report["world"]["terms"]["in_terminals"], 125, "paid, and not collected yet");

    place.json(&["collect"]);
    place.json(&["clear"]);
    let report = place.json(&["report"]);
    assert_eq!(difference(&report), [0, 0]);
    assert_eq!(report["world"]["terms"]["in_terminals"], 0);
    let cards = place.json(&["card", "list"]);
    for card in cards.as_array().expect("cards") {
        assert_eq!(card["balance"], card["shadow"], "{card}");
    }
    // Everything has been taken: doing it again moves nothing.
    place.json(&["collect"]);
    assert_eq!(place.json(&["clear"])["settlement"], Value::Null);
}

#[test]
fn apdus_are_sent_and_decoded() {
    let place = Place::after_a_day(1);
    let run = place.run(&["apdu", "00 A4 04 00 06 F0 50 55 52 53 45", "905C000000", "90FF000000"]);
    assert_eq!(run.code, Some(0));
    for words in
        ["Purse GetBalance", "balance = ", "not in the catalogue", "6D00 (instruction not supported)"]
    {
        assert!(run.out.contains(words), "{words}: {}", run.out);
    }
}

#[test]
fn the_catalogue_is_shown() {
    let place = Place::new();
    assert!(place.run(&["spec"]).out.contains("90 54 01 00"));
    assert!(place.run(&["spec", "debitiep"]).out.contains("EN 1546-3"));
    let all = place.json(&["spec"]);
    assert!(all.as_array().expect("rows").len() > 25);
    place.fails(1, &["spec", "nonsense"], &["no command is called"]);
}

#[test]
fn shells_get_their_completion() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(Place::new().run(&["completions", shell]).out.contains("replay"), "{shell}");
    }
}

/// Keys of cards are in their images: nobody else on the machine reads them.
#[cfg(unix)]
#[test]
fn a_scheme_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::after_a_day(1);
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&place.data()), 0o700);
    assert_eq!(mode(&place.card(1)), 0o600);
    assert_eq!(mode(&place.data().join("sams/1.card")), 0o600);
}
