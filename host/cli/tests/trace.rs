//! Traces of every command, captures that nobody finds a key in, replays, and what a
//! clumsy user does to a recording.

#[allow(dead_code)]
mod support;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Place, argument};

/// A purse with money, one payment recorded.
fn recorded() -> (Place, PathBuf) {
    let place = Place::after_a_day(1);
    place.json(&["load", "1", "20"]);
    let pcap = place.data().join("pay.pcap");
    place.json(&["pay", "1", "2.50", "--at", "kiosk", "--pcap", argument(&pcap)]);
    (place, pcap)
}

/// The commands of a recording, by name.
fn names(recording: &Value) -> Vec<&str> {
    recording.as_array().expect("events").iter().filter_map(|event| event["command"].as_str()).collect()
}

#[test]
fn every_command_that_drives_a_card_is_traced() {
    let place = Place::after_a_day(1);
    for (arguments, words) in [
        (&["load", "1", "20"][..], &["purse 1 -> 90 50 00 00  Purse InitializeLoad", "amount = 2000"][..]),
        (
            &["pay", "1", "2.50", "--at", "kiosk"],
            &["PSAM 1 -> 90 70 00 00  Sam InitializePsam", "purse 1 -> 90 54"],
        ),
        (&["cancel", "1", "--at", "kiosk"], &["Sam PsamCancel", "secret = (16 bytes, not shown)"]),
        (&["unload", "1", "5"], &["Purse DebitUnload"]),
        (&["card", "list"], &["Purse GetPurseData"]),
        (&["card", "show", "1"], &["balance = ", "  <- 9000 (done)"]),
        (&["card", "log", "1"], &["Purse ReadRecord", "record = 1", "6A83 (there is no such record)"]),
        (&["collect"], &["Sam CloseBatch", "Transfer ReadDownload"]),
        (&["clear"], &["Sam PsamAcknowledge"]),
        (&["report"], &["Purse GetBalance"]),
    ] {
        let run = place.run(&[arguments, &["--trace"]].concat());
        assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.err);
        for word in words {
            assert!(run.err.contains(word), "{arguments:?} does not tell {word:?}: {}", run.err);
        }
        assert!(!run.out.contains(" -> "), "{arguments:?}: a trace in the answer");
    }
    place.fails(1, &["simulate", "--trace"], &["no --trace"]);
}

#[test]
fn no_key_is_in_a_trace_or_a_capture() {
    let place = Place::new();
    let pcap = place.file("demo.pcap", "");
    let run = place.run(&["demo", "--purses", "2", "--payments", "30", "--trace", "--pcap", argument(&pcap)]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    assert!(
        run.err.contains("84 E2 88") && run.err.contains("(40 bytes, not shown)"),
        "STORE DATA is secured"
    );
    assert!(!run.err.contains("80 E2"), "none is in clear");
    // Behind the header of every STORE DATA that brings a key there are zeros alone, although
    // what was there is encrypted.
    let bytes = fs::read(&pcap).expect("a capture");
    let blocks: Vec<_> = (0..bytes.len() - 45)
        .filter(|place| bytes[*place..].starts_with(&[0x84, 0xE2]) && bytes[place + 4] == 40)
        .collect();
    assert!(blocks.len() > 4, "{}", blocks.len());
    for place in blocks {
        assert_eq!(bytes[place + 5..place + 45], [0; 40]);
    }
    let recording = place.json(&["trace", argument(&pcap)]);
    assert!(names(&recording).contains(&"PsamCancel") && names(&recording).contains(&"InitializeUpdate"));
}

#[test]
fn a_capture_is_read_and_lived_again() {
    let (place, pcap) = recorded();
    let recording = place.json(&["trace", argument(&pcap), "--card", "PURSE 1"]);
    assert_eq!(names(&recording), ["Select", "InitializeIep", "DebitIep"]);
    assert_eq!(recording[1]["response"]["statement.position.balance"], "2000");
    assert!(recording[1]["time"].as_str().is_some_and(|time| time.ends_with('Z')));
    // The same question to a purse that has not changed since: the same answer.
    let again = place.data().join("again.pcap");
    place.json(&["card", "show", "1", "--pcap", argument(&again)]);
    let replay = place.json(&["trace", argument(&again), "--replay", "--purse", "1"]);
    assert_eq!((&replay["compared"], &replay["differences"]), (&3.into(), &Value::Array(Vec::new())));
    // Another purse differs, field by field.
    let run = place.run(&["trace", argument(&again), "--replay", "--purse", "2"]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.out.contains("Purse GetPurseData: identity.iep.number = 1 was recorded, 2 is answered"),
        "{}",
        run.out
    );
    // A payment cannot be lived twice.
    place.fails(1, &["trace", argument(&pcap), "--replay", "--purse", "1"], &["--card", "\"PSAM 1\""]);
    let run = place.run(&["trace", argument(&pcap), "--card", "purse 1", "--replay", "--purse", "1"]);
    assert!(run.out.contains("DebitIep: status word = 9000 (done) was recorded, 9302"), "{}", run.out);
    assert_eq!(place.run(&["report"]).code, Some(0));
}

#[test]
fn the_same_seed_and_card_give_the_same_answers() {
    let (place, _) = recorded();
    let copy = place.data().join("copy.card");
    let card = place.data().join("cards/purse-1.card");
    let capture = place.data().join("session.pcap");
    let line = "InitializeIep group=1 version=1 counterpart=044625000007D0D1D2D3D4D5D6D7";
    let send = ["apdu", "--seed", "5", "--image", argument(&copy), "--pcap", argument(&capture)];
    fs::copy(&card, &copy).expect("a copy");
    place.json(&[&send[..], &["Select occurrence=0 aid=purse", line]].concat());
    let replay = ["trace", argument(&capture), "--replay", "--image", argument(&copy)];
    fs::copy(&card, &copy).expect("a copy");
    place.json(&[&replay[..], &["--seed", "5"]].concat());
    fs::copy(&card, &copy).expect("a copy");
    place.fails(1, &[&replay[..], &["--seed", "6"]].concat(), &["2 fields differ"]);
    fs::copy(&card, &copy).expect("a copy");
    place.json(&[&replay[..], &["--seed", "6", "--ignore", "random", "--ignore", "s1"]].concat());
}

#[test]
fn withheld_commands_are_not_sent() {
    let place = Place::after_a_day(1);
    let capture = place.data().join("personalisation.pcap");
    let run = place.run(&["apdu", "80E2800003810101", "--pcap", argument(&capture)]);
    assert_eq!(run.code, Some(0));
    place.fails(1, &["trace", argument(&capture), "--replay", "--purse", "1"], &["1 commands were not sent"]);
}

#[test]
fn recordings_that_are_none() {
    let (place, pcap) = recorded();
    let whole = fs::read(&pcap).expect("a capture");
    for (length, words) in [
        (0, &["pay.pcap", "empty"][..]),
        (3, &["neither a pcap file nor a text"]),
        (20, &["head of the pcap file is cut short"]),
        (24, &["none of its 0 packets"]),
        (30, &["packet 1 is cut short"]),
        (whole.len() - 1, &["packet 8 is cut short", "what stands before it is shown"]),
    ] {
        fs::write(&pcap, &whole[..length]).expect("written");
        place.fails(1, &["trace", argument(&pcap)], words);
    }
    place.fails(
        1,
        &["trace", argument(&pcap), "--card", "purse 1", "--replay", "--purse", "1"],
        &["nothing was sent"],
    );
    fs::write(&pcap, [0x0A, 0x0D, 0x0D, 0x0A, 0, 0, 0, 0]).expect("written");
    place.fails(1, &["trace", argument(&pcap)], &["pcapng", "editcap"]);
    let card = place.data().join("cards/purse-1.card");
    place.fails(1, &["trace", argument(&card)], &["neither a pcap file nor a text"]);
    place.fails(1, &["trace", "/nowhere"], &["/nowhere"]);
    let text = place.file("session.txt", "905C000000\n90 5C 0\n");
    place.fails(1, &["trace", argument(&text)], &["session.txt", "line 2: an odd number"]);
    place.fails(2, &["trace", argument(&text), "--ignore", "s1"], &["--replay"]);
    let text = place.file("session.txt", "> 90 5C 00 00 00\n< 69 85 : Conditions of use not satisfied.\n");
    place.fails(2, &["trace", argument(&text), "--replay"], &["--image"]);
    let run = place.run(&["trace", argument(&text), "--card", "purse 7"]);
    assert!(run.code == Some(1) && run.err.contains("there are \"card\""), "{}", run.err);
    let run = place.run(&["trace", argument(&text)]);
    assert!(run.code == Some(0) && run.out.contains("Purse GetBalance\n  <- 6985"), "{}", run.out);
}

#[test]
fn a_capture_takes_the_place_of_no_other_file() {
    let place = Place::after_a_day(1);
    let card = place.data().join("cards/purse-1.card");
    let before = fs::read(&card).expect("a card");
    place.fails(1, &["card", "list", "--pcap", argument(&card)], &["purse-1.card", "no capture"]);
    assert_eq!(fs::read(&card).expect("a card"), before);
    place.fails(1, &["card", "list", "--pcap", "/nowhere/x.pcap"], &["/nowhere/x.pcap"]);
    // An older capture is.
    let pcap = place.file("x.pcap", "");
    place.json(&["card", "list", "--pcap", argument(&pcap)]);
    let first = fs::read(&pcap).expect("a capture").len();
    place.json(&["card", "list", "--pcap", argument(&pcap)]);
    assert_eq!(fs::read(&pcap).expect("a capture").len(), first);
}

/// A full disk ends the capture, never a payment.
#[test]
#[cfg(target_os = "linux")]
fn a_capture_that_fails_fails_alone() {
    let place = Place::after_a_day(1);
    place.json(&["load", "1", "20"]);
    place.fails(1, &["pay", "1", "1", "--at", "kiosk", "--pcap", "/dev/full"], &["/dev/full", "No space"]);
    // A pipe whose reader leaves after the head of the file.
    let pipe = place.data().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()));
    let mut reader = Command::new("head");
    let mut reader = reader.args(["-c", "24", argument(&pipe)]).stdout(Stdio::null()).spawn().expect("head");
    let run = place.run(&["pay", "1", "1", "--at", "kiosk", "--pcap", argument(&pipe)]);
    reader.wait().expect("ended");
    assert!(run.code == Some(0) && run.out.contains("RECEIPT"), "{}{}", run.out, run.err);
    assert_eq!(place.run(&["report"]).code, Some(0));
}

/// What Wireshark makes of a capture; runs where tshark is installed, as `tests/run` sees to.
#[test]
fn wireshark_dissects_a_capture() {
    let (place, pcap) = recorded();
    let fields = ["gsm_sim.apdu.ins", "gsm_sim.apdu.sw", "ip.dst"];
    let mut command = Command::new("tshark");
    command.args(["-r", argument(&pcap), "-T", "fields"]);
    fields.iter().for_each(|field| {
        command.args(["-e", field]);
    });
    let Ok(output) = command.output() else {
        println!("skipped: tshark is not installed");
        return;
    };
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(text.lines().count(), 8, "{text}");
    assert!(text.lines().all(|line| line.contains("0x9000") || line.contains("36864")), "{text}");
    assert!(text.contains("0xa4") && text.contains("10.1.0.1") && text.contains("10.2.0.1"), "{text}");
    drop(place);
}
