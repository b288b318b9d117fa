//! `purse background`: an insider edits the books, brings older ones back, loses their head.

#[allow(dead_code)]
mod support;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use support::{Place, argument};

fn database(place: &Place) -> PathBuf {
    place.data().join("background.db")
}

fn edit(place: &Place, sql: &str) {
    let connection = Connection::open(database(place)).expect("open");
    connection.execute_batch(sql).expect(sql);
}

/// A payment that is on its way to the books.
fn pay(place: &Place, head: &[&str]) {
    for command in [&["load", "1", "5"][..], &["pay", "1", "1", "--at", "kiosk"], &["collect"]] {
        place.json(&[head, command].concat());
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).expect("copied");
}

#[test]
fn a_clean_day_verifies_and_its_head_is_printed() {
    let place = Place::after_a_day(1);
    pay(&place, &[]);
    let cleared = place.json(&["clear"]);
    let seen = place.json(&["background", "verify"]);
    assert_eq!((&seen["clean"], &seen["books"]["findings"]), (&true.into(), &serde_json::json!([])));
    assert_eq!(seen["books"]["head"], cleared["head"]);
    let run = place.run(&["background", "verify"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(run.out.contains("all as it was left"), "{}", run.out);
    assert!(place.run(&["clear"]).out.contains("head of the books, to be kept on paper"));
}

#[test]
fn edits_are_named_and_nothing_is_paid() {
    let place = Place::after_a_day(1);
    edit(
        &place,
        "UPDATE purse SET shadow = shadow + 5000; UPDATE merchant SET name = 'Mallory' WHERE merchant = 1",
    );
    pay(&place, &[]);
    place.fails(1, &["clear"], &["changed by somebody else", "purse background verify"]);
    let run = place.run(&["--json", "background", "verify"]);
    assert_eq!(run.code, Some(1), "{}", run.err);
    let seen: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    let findings = seen["books"]["findings"].as_array().expect("findings");
    let named = |about: &str| {
        findings.iter().any(|finding| finding["about"].as_str().is_some_and(|text| text.starts_with(about)))
    };
    assert!(named("purse, 9276-") && named("merchant, 1"), "{findings:#?}");
}

#[test]
fn an_older_database_does_not_open_until_it_is_accepted() {
    let place = Place::after_a_day(1);
    let backup = place.data().join("backup.db");
    copy(&database(&place), &backup);
    pay(&place, &[]);
    place.json(&["clear"]);
    copy(&backup, &database(&place));
    place.fails(1, &["report"], &["rolled back", "accept-restore"]);
    place.fails(1, &["background", "verify"], &["are missing: the database was rolled back"]);
    place.fails(2, &["background", "accept-restore"], &["--reason"]);
    let accepted = place.json(&["background", "accept-restore", "--reason", "disk died"]);
    assert_eq!(accepted["restoration"]["reason"], "disk died");
    place.json(&["background", "verify"]);
    assert!(place.run(&["background", "verify"]).out.contains("disk died"));
    place.fails(1, &["background", "accept-restore", "--reason", "again"], &["nothing to take up"]);
}

#[test]
fn the_head_may_be_elsewhere() {
    let place = Place::after_a_day(1);
    let elsewhere = place.file("kept.head", "");
    std::fs::rename(place.data().join("background.head"), &elsewhere).expect("moved");
    place.fails(1, &["report"], &["background.head is missing"]);
    let head = argument(&elsewhere);
    pay(&place, &["--head", head]);
    let old = place.file("copy.head", "");
    copy(&elsewhere, &old);
    place.json(&["--head", head, "load", "1", "5"]);
    place.json(&["background", "verify", "--head", head]);
    // A copy that somebody has kept is behind, and the books go on from it.
    place.json(&["background", "verify", "--head", argument(&old)]);
}
