//! `purse simulate`: what it counts, how it fails, and what it says of nonsense.

#[allow(dead_code)]
mod support;

use support::Place;

#[test]
fn a_run_is_repeatable_and_balances() {
    let place = Place::new();
    let arguments = ["simulate", "--seed", "5", "--days", "1", "--purses", "4"];
    let report = place.json(&arguments);
    assert_eq!(report, place.json(&arguments));
    assert_eq!(report["difference"], 0);
    assert_eq!(report["tally"]["seeds"], 1);
    assert!(report["tally"]["payments"].as_u64() > Some(100), "{report}");
    assert!(report["violation"].is_null() && report["smallest"].is_null());
}

#[test]
fn a_protection_that_is_off_is_missed_and_the_command_that_is_printed_shows_it() {
    let place = Place::new();
    let run = place.run(&["--json", "simulate", "--seeds", "1..20", "--weaken", "balance-checked"]);
    assert_eq!(run.code, Some(1), "{}", run.err);
    let report: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    for failure in ["violation", "smallest"] {
        let command = report[failure]["command"].as_str().expect("a command");
        let arguments: Vec<_> = command.split(' ').skip(1).collect();
        place.fails(1, &arguments, &["below", &format!("seed {}", report[failure]["seed"])]);
    }
    let trace = place.run(&["simulate", "--seed", "1", "--until", "30"]);
    assert!(trace.code == Some(0) && trace.out.contains("step 30"), "{}{}", trace.out, trace.err);
}

#[test]
fn a_state_file_goes_on_where_it_ended() {
    let place = Place::new();
    let state = place.file("state.json", r#"{"next": 7, "tally": {"payments": 1000, "seeds": 6}}"#);
    let path = support::argument(&state);
    let arguments = ["simulate", "--state", path, "--days", "1", "--jobs", "1", "--payments", "1100"];
    let report = place.json(&arguments);
    assert_eq!(report["tally"]["seeds"], 7);
    let text = std::fs::read_to_string(&state).expect("the state");
    assert!(text.contains("\"next\": 8"), "{text}");
    // Enough has been done already.
    assert_eq!(place.json(&arguments)["tally"]["seeds"], 7);
    std::fs::write(&state, "nonsense").expect("write");
    place.fails(1, &arguments, &["no state file"]);
}

#[test]
fn nonsense_is_refused_with_a_reason() {
    let place = Place::new();
    for (arguments, words) in [
        (&["--faults", "tears"][..], &["tears", "sam-tear", "none, some, all"][..]),
        (&["--faults", "tear=1.5"], &["between 0 and 1"]),
        (&["--weaken", "everything"], &["--weaken list"]),
        (&["--seeds", "9..3"], &["1..100"]),
        (&["--seeds", "1..3", "--fresh"], &["--fresh"]),
        (&["--purses", "0"], &["0"]),
        (&["--days", "0"], &["0"]),
        (&["--without", "x"], &["1..100"]),
    ] {
        let all: Vec<_> = ["simulate"].iter().chain(arguments).copied().collect();
        place.fails(2, &all, words);
    }
    let list = place.run(&["simulate", "--weaken", "list"]);
    assert_eq!(list.code, Some(0));
    assert!(list.out.contains("receipt-kept") && list.out.contains("chip-durable"), "{}", list.out);
}
