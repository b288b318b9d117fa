//! The life of a purse in use: blocked and unblocked, its PIN, and keys that are rolled over.

#[allow(dead_code)]
mod support;

use std::io::Write as _;
use std::process::Stdio;

use support::serving::Serving;
use support::{Place, argument};

/// Leaves a load of purse 1 in doubt: it is pulled out before it can answer.
fn in_doubt(place: &Place) {
    let pulled = (1..=8).any(|at| {
        let serving = Serving::start(place, &[1], &["--listen", "127.0.0.1:0", "--pull-at", &at.to_string()]);
        let run = place.run(&["--reader", &serving.address(), "load", "1", "1"]);
        assert_ne!(run.code, Some(3), "{}", run.err);
        run.code == Some(4)
    });
    assert!(pulled, "one command of a load moves value");
}

#[test]
fn a_blocked_purse_answers_questions_and_moves_no_value() {
    let place = Place::after_a_day(1);
    place.json(&["load", "1", "20"]);
    in_doubt(&place);
    let before = place.json(&["card", "show", "1"]);
    assert_eq!(before["blocked"], false);
    assert_eq!(place.json(&["card", "block", "1"])["blocked"], true);
    let blocked = place.json(&["card", "show", "1"]);
    assert_eq!((&blocked["blocked"], &blocked["balance"]), (&true.into(), &before["balance"]));
    assert_eq!(place.json(&["card", "log", "1"])[0]["kind"], "load");
    assert_eq!(place.json(&["card", "list"])[0]["blocked"], true);
    place.json(&["load", "2", "1"]);
    place.json(&["pay", "2", "1", "--at", "kiosk"]);
    place.json(&["card", "block", "2"]);
    for command in [&["pay", "1", "1", "--at", "kiosk"][..], &["load", "1", "1"], &["unload", "1", "1"]] {
        place.fails(3, command, &["blocked by its issuer", "card unblock"]);
    }
    place.fails(3, &["cancel", "2", "--at", "kiosk"], &["blocked by its issuer", "card unblock"]);
    place.fails(3, &["card", "pin", "reset", "1", "--new", "1234"], &["blocked"]);
    place.fails(3, &["card", "rekey", "1"], &["must not be blocked"]);
    assert_eq!(place.json(&["resolve", "1"])[0]["outcome"], "loaded");
    assert_eq!(place.json(&["resolve", "1", "--at", "kiosk"]), serde_json::json!([]));
    assert_eq!(place.json(&["report"])["world"]["difference"], 0);
    place.json(&["card", "block", "1"]);
    place.json(&["card", "unblock", "1"]);
    place.json(&["pay", "1", "1", "--at", "kiosk"]);
    assert_eq!(place.json(&["report"])["world"]["difference"], 0);
}

#[test]
fn a_pin_is_shown_changed_blocked_and_reset() {
    let place = Place::after_a_day(1);
    let order = "provider,currency,maximum,limit,pin,pin_tries,pin_load_limit\n9276,EUR,200,50,1234,2,10\n";
    let order = place.file("orders.csv", order);
    place.json(&["issue", "--order", argument(&order)]);
    place.json(&["load", "5", "10"]);
    place.fails(3, &["load", "5", "10.01"], &["wants its holder's PIN", "--pin"]);
    place.fails(3, &["load", "5", "11", "--pin", "4321"], &["wrong", "one try is left"]);
    place.json(&["load", "5", "11", "--pin", "1234"]);
    place.fails(2, &["load", "5", "11", "--pin", "12"], &["4 to 12 digits"]);
    let typed = |arguments: &[&str], text: &str| {
        let mut command = place.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("started");
        child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("typed");
        child.wait().expect("ended").code()
    };
    assert_eq!(typed(&["load", "5", "11", "--pin"], "1234\n"), Some(0));
    assert_eq!(typed(&["card", "pin", "change", "5"], "1234\n987654\n"), Some(0));
    place.fails(3, &["card", "pin", "change", "5", "--old", "1234", "--new", "1111"], &["one try"]);
    place.fails(3, &["load", "5", "11", "--pin", "1234"], &["no try is left"]);
    place.fails(3, &["load", "5", "11", "--pin", "987654"], &["PIN is blocked", "pin reset"]);
    place.json(&["card", "pin", "reset", "5", "--new", "2468"]);
    place.json(&["load", "5", "11", "--pin", "2468"]);
    place.fails(3, &["load", "1", "1", "--pin", "1234"], &["has no PIN"]);
    place.json(&["unload", "5", "43"]);
    assert_eq!(place.json(&["report"])["world"]["difference"], 0);
}

/// Issue at version 1, add version 2, bring it to PSAMs and purses, retire version 1.
#[test]
fn keys_are_rolled_over_while_everybody_pays() {
    let place = Place::after_a_day(1);
    for purse in ["1", "2", "3"] {
        place.json(&["load", purse, "20"]);
    }
    let pays = |purse: &str, at: &str, version: u8| {
        let run = place.run(&["pay", purse, "1", "--at", at, "--trace"]);
        assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
        let key = format!("key.version = {version}\n");
        assert!(run.err.contains(&key), "{purse} at {at} does not pay under version {version}");
    };
    pays("1", "kiosk", 1);
    assert_eq!(place.json(&["keys", "add"])["version"], 2);
    assert_eq!(place.json(&["keys", "list"]).as_array().expect("keys").len(), 14);
    pays("1", "kiosk", 1);
    assert_eq!(place.json(&["sam", "rekey", "kiosk"])[0]["version"], 2);
    assert_eq!(place.json(&["sam", "rekey", "kiosk"])[0]["version"], 2, "again changes nothing");
    pays("1", "kiosk", 1);
    place.fails(
        3,
        &["card", "rekey", "2", "--version", "1", "--retire", "1"],
        &["no keys above this version"],
    );
    place.json(&["card", "rekey", "1"]);
    pays("1", "kiosk", 2);
    pays("1", "bakery", 1);
    assert_eq!(place.json(&["gp", "list", "--card", "1"])["opened_with"], "31");
    // A new purse has both versions.
    place.json(&["card", "issue"]);
    place.json(&["load", "5", "10"]);
    pays("5", "kiosk", 2);
    pays("5", "bakery", 1);
    place.json(&["sam", "rekey", "kiosk", "--retire", "1"]);
    pays("1", "kiosk", 2);
    place.fails(3, &["pay", "2", "1", "--at", "kiosk"], &["940B", "retired"]);
    pays("2", "bakery", 1);
    // A purse that has retired version 1 itself refuses a terminal that has no other.
    place.json(&["card", "rekey", "3", "--retire", "1"]);
    pays("3", "kiosk", 2);
    place.fails(3, &["pay", "3", "1", "--at", "bakery"], &["940B"]);
    place.json(&["load", "3", "1"]);
    place.fails(1, &["sam", "rekey", "nowhere"], &["no terminal"]);
    place.fails(1, &["sam", "rekey", "kiosk", "--version", "9"], &["the vault has no"]);
    place.json(&["collect"]);
    place.json(&["clear"]);
    let report = place.json(&["report"]);
    assert_eq!(
        (&report["world"]["difference"], &report["world"]["terms"]["in_terminals"]),
        (&0.into(), &0.into())
    );
    assert_eq!(report["exceptions"], serde_json::json!([]), "{report}");
}
