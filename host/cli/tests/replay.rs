//! Statements lived on cards: the example of this repository, and the real ones where
//! they are there.

#[allow(dead_code)]
mod support;

use std::path::Path;

use support::{Place, argument};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/statements.csv");
const REAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/statements.csv");

#[test]
fn the_example_comes_out_even() {
    let lived = &Place::new().json(&["replay", EXAMPLE])["lived"];
    assert_eq!(lived["statements"], 3);
    assert_eq!(lived["lines"], 15);
    assert_eq!(lived["contacts"], 3);
    assert_eq!(lived["refunds"], 1);
    // By hand, from the file.
    let merchants = serde_json::json!({
        "canteen": 615 + 450 + 450, "carried forward": 120, "ferry": 380 + 380, "tram": 4 * 240,
    });
    assert_eq!(lived["merchants"], merchants);
    assert_eq!(lived["equation"]["balances"], 1165 + 1220);
}

#[test]
fn the_real_statements_come_out_even() {
    if !Path::new(REAL).exists() {
        eprintln!("note: {REAL} is not there");
        return;
    }
    let lived = &Place::new().json(&["replay", REAL])["lived"];
    assert_eq!((&lived["statements"], &lived["lines"]), (&17.into(), &202.into()));
}

#[test]
fn columns_of_other_schemes_can_be_named() {
    let text = std::fs::read_to_string(EXAMPLE).expect("the example");
    let text = text.replacen("statement,date,time,kind,charge,credit", "card,day,clock,what,fare,paid", 1);
    let place = Place::new();
    let file = place.file("other.csv", &text);
    let columns = ["statement=card", "date=day", "time=clock", "kind=what", "charge=fare", "credit=paid"];
    let mut arguments = vec!["replay", argument(&file), "--currency", "978:2"];
    arguments.extend(columns.iter().flat_map(|column| ["--column", column]));
    assert_eq!(place.json(&arguments)["lived"]["lines"], 15);
}

#[test]
fn a_file_that_cannot_be_lived_is_refused_before_anything_is_made() {
    let place = Place::new();
    let text = std::fs::read_to_string(EXAMPLE).expect("the example");
    for (from, to, words) in [
        ("6.15,0.00,1.45", "6.15,0.00,1.46", &["line 4", "does not follow"][..]),
        ("6.15", "6.1.5", &["line 4", "no amount"]),
        ("2026-03-03", "2026-02-30", &["line 6", "no date"]),
        ("B,2026-03-05,19:02", "A,2026-03-05,19:02", &["line 12", "has ended before"]),
    ] {
        let file = place.file("broken.csv", &text.replacen(from, to, 1));
        place.fails(1, &["replay", argument(&file)], words);
        assert!(!place.data().exists());
    }
    place.fails(1, &["replay", "/nowhere.csv"], &["/nowhere.csv"]);
    place.fails(1, &["replay", EXAMPLE, "--column", "kind"], &["field=name"]);
    place.fails(1, &["replay", EXAMPLE, "--column", "kind=type"], &["no column \"type\"", "--column"]);
}
