//! Purses in the reader of another process: `purse card serve --listen` and `--reader tcp:`.
//! No pcscd is needed; with one, see `pcsc.rs`.

#[allow(dead_code)]
mod support;

use std::process::Command;

use support::Place;
use support::serving::Serving;

fn listening(place: &Place, more: &[&str]) -> (Serving, String) {
    let all = [&["--listen", "127.0.0.1:0"][..], more].concat();
    let serving = Serving::start(place, &[1], &all);
    let address = serving.address();
    (serving, address)
}

fn balance(place: &Place, address: &str) -> i64 {
    place.json(&["--reader", address, "card", "show"])["balance"].as_i64().expect("a balance")
}

#[test]
fn every_command_of_a_purse_works_in_another_process() {
    let place = Place::after_a_day(1);
    let (_serving, address) = listening(&place, &[]);
    let with = |arguments: &[&str]| place.json(&[&["--reader", &address], arguments].concat());
    let before = balance(&place, &address);
    assert_eq!(with(&["load", "1", "10"])["balance"], before + 1_000);
    assert_eq!(with(&["pay", "1", "2.50", "--at", "kiosk"])["balance"], before + 750);
    assert_eq!(with(&["cancel", "1", "--at", "kiosk"])["balance"], before + 1_000);
    assert_eq!(with(&["pay", "1", "1", "--at", "bus-12"])["balance"], before + 900);
    assert_eq!(with(&["unload", "1", "4"])["balance"], before + 500);
    assert_eq!(with(&["card", "log"])[0]["kind"], "unload");
    assert_eq!(with(&["resolve", "--at", "kiosk"]), serde_json::json!([]));
    assert_eq!(with(&["apdu", "00A4040C06F05055525345"])[0]["answer"], "9000");
    place.fails(1, &["--reader", &address, "cancel", "1", "--at", "kiosk"], &["no payment at kiosk"]);
}

#[test]
fn a_recording_is_sent_again_to_a_card_in_another_process() {
    let place = Place::after_a_day(1);
    let recording = place.data().join("log.pcap");
    let recording = recording.to_str().expect("a path");
    place.json(&["card", "log", "1", "--pcap", recording]);
    let (_serving, address) = listening(&place, &[]);
    let replayed = place.json(&["--reader", &address, "trace", recording, "--replay"]);
    assert!(replayed["compared"].as_u64() > Some(2) && replayed["differences"] == serde_json::json!([]));
    place.fails(1, &["--reader", &address, "trace", recording], &["Leave --reader away"]);
    place.fails(2, &["--reader", &address, "trace", recording, "--replay", "--purse", "1"], &["two cards"]);
}

#[test]
fn what_makes_no_sense_with_a_reader_says_so() {
    let place = Place::after_a_day(1);
    let (_serving, address) = listening(&place, &[]);
    for command in [&["card", "list"][..], &["report"], &["clear"], &["collect"], &["demo"], &["spec"]] {
        place.fails(1, &[&["--reader", &address], command].concat(), &["Leave --reader away"]);
    }
    place.fails(1, &["--reader", &address, "pay", "2", "1", "--at", "kiosk"], &["is in the reader, not"]);
    place.fails(2, &["card", "show"], &["which purse?", "--reader"]);
    place.fails(1, &["card", "show", "1"], &["another process runs this card"]);
    place.fails(1, &["--reader", "tcp:127.0.0.1:1", "card", "show"], &["card serve --listen"]);
    place.fails(1, &["--reader", "tcp:nowhere", "card", "show"], &["no address"]);
    if cfg!(not(feature = "pcsc")) {
        place.fails(1, &["readers"], &["--features pcsc"]);
        place.fails(1, &["--reader", "ACS", "card", "show"], &["--features pcsc"]);
    }
}

/// Every exchange of a payment and of a load: the answer is lost there, money is not.
#[test]
fn a_purse_that_is_pulled_anywhere() {
    let place = Place::after_a_day(1);
    place.json(&["load", "1", "5"]);
    let mut in_doubt = [0, 0];
    for at in 1..=8 {
        for (index, command) in
            [&["pay", "1", "0.10", "--at", "kiosk"][..], &["load", "1", "1"]].iter().enumerate()
        {
            let (serving, address) = listening(&place, &["--pull-at", &at.to_string()]);
            let run = place.run(&[&["--reader", &address], *command].concat());
            drop(serving);
            let (_serving, address) = listening(&place, &[]);
            if run.code == Some(4) {
                in_doubt[index] += 1;
                assert!(run.err.contains("in doubt") && run.err.contains("present purse"), "{}", run.err);
                let resolve = [&["resolve"][..], if index == 0 { &["--at", "kiosk"] } else { &[] }].concat();
                let out = place.json(&[&["--reader", &address], &resolve[..]].concat());
                let outcome = ["paid", "loaded"][index];
                assert_eq!(out[0]["outcome"], outcome, "the answer was lost behind the commit: {out}");
            }
            balance(&place, &address);
        }
    }
    assert_eq!(in_doubt, [1, 1], "one command of each moves value");
    let report = place.json(&["report"]);
    assert_eq!(report["world"]["difference"], 0, "{report:#}");
}

#[test]
fn every_kind_of_card_is_served() {
    let place = Place::after_a_day(1);
    for (image, aid) in [("sams/1.card", "F05053414D31"), ("transfer/800.card", "F05452414E53")] {
        let path = place.data().join(image);
        let image =
            ["--json", "card", "serve", "--image", support::argument(&path), "--listen", "127.0.0.1:0"];
        let serving = Serving::spawn(place.command(&image));
        let select = format!("00A4040C06{aid}");
        let answers = place.json(&["--reader", &serving.address(), "apdu", &select]);
        assert_eq!(answers[0]["answer"], "9000");
    }
}

#[test]
fn images_that_cannot_be_served_say_why() {
    let place = Place::after_a_day(1);
    let (path, other) = (place.card(1), place.card(2));
    let serve = |words: &[&str]| {
        let image = support::argument(&path);
        place.fails(1, &["card", "serve", "--image", image, "--listen", "127.0.0.1:0"], words);
    };
    let whole = std::fs::read(&path).expect("an image");
    let write = |bytes: &[u8]| std::fs::write(&path, bytes).expect("written");
    let mut newer = whole.clone();
    newer[15] = 9;
    write(&newer);
    serve(&["newer program, version 9", "update"]);
    write(&whole[..whole.len() / 2]);
    serve(&["cut short"]);
    let mut damaged = whole.clone();
    damaged[32..].fill(0);
    write(&damaged);
    serve(&["not a card image"]);
    write(b"dear");
    serve(&["not a card image"]);
    std::fs::remove_file(&path).expect("removed");
    serve(&["No such file"]);
    write(&whole);
    let (_serving, _address) = listening(&place, &[]);
    serve(&["another process runs this card"]);
    let twice = ["card", "serve", "--image", support::argument(&other), "--image", support::argument(&other)];
    place.fails(1, &twice, &["another process runs this card"]);
    place.fails(
        2,
        &[&twice[..4], &["--slot", "1", "--slot", "2"]].concat(),
        &["1 images need 1 times --slot"],
    );
    place.fails(2, &[&twice[..], &["--listen", "127.0.0.1:0"]].concat(), &["2 images need 2 times --listen"]);
    place.fails(2, &[&twice[..4], &["--vpcd", "nowhere"]].concat(), &["HOST:PORT"]);
    place.fails(2, &["card", "serve"], &["--image"]);
}

#[cfg(unix)]
#[test]
fn a_signal_takes_the_card_out() {
    let place = Place::after_a_day(1);
    let socket = place.data().join("socket");
    let address = format!("unix:{}", support::argument(&socket));
    for signal in ["-INT", "-TERM"] {
        let mut serving = Serving::start(&place, &[1], &["--listen", &address]);
        assert_eq!(serving.address(), address);
        balance(&place, &address);
        let killed = Command::new("kill").arg(signal).arg(serving.child.id().to_string()).status();
        assert!(killed.expect("kill").success());
        assert_eq!(serving.child.wait().expect("its end").code(), Some(0));
        assert!(!socket.exists());
    }
    place.json(&["card", "show", "1"]);
}
