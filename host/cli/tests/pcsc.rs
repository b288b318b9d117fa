//! The program through a real pcscd: `purse card serve` on one side, `purse --reader` and other
//! people's programs on the other. Run by `tests/run`; each test has a pcscd of its own.

#![cfg(all(feature = "pcsc", target_os = "linux"))]

#[path = "../../../tests/pcsc/alone.rs"]
mod alone;
#[allow(dead_code)]
mod support;

use std::process::Command;

use alone::{Daemon, READER, SECOND_READER, alone, wait_for};
use serde_json::Value;
use support::Place;
use support::serving::Serving;

/// Runs the program on the card in a reader, for which it waits.
fn with(place: &Place, reader: &str, arguments: &[&str]) -> Value {
    place.json(&[&["--reader", reader, "--wait=30"], arguments].concat())
}

fn balance(place: &Place, reader: &str) -> i64 {
    with(place, reader, &["card", "show"])["balance"].as_i64().expect("a balance")
}

/// The money equation, counted once no card is served any more.
fn balances(place: &Place) {
    let report = place.json(&["report"]);
    assert_eq!(report["world"]["difference"], 0, "{report:#}");
}

#[test]
fn two_purses_of_two_schemes_at_once() {
    alone("two_purses_of_two_schemes_at_once", || {
        let places = [Place::after_a_day(1), Place::after_a_day(2)];
        let serving = [(&places[0], "0"), (&places[1], "1")]
            .map(|(place, slot)| Serving::start(place, &[1], &["--slot", slot]));
        let daemon = Daemon::start();
        let readers = places[0].json(&["readers"]);
        assert_eq!(readers.as_array().map(Vec::len), Some(2), "{readers}");
        std::thread::scope(|scope| {
            for (place, reader) in places.iter().zip([READER, SECOND_READER]) {
                scope.spawn(move || {
                    let before = balance(place, reader);
                    assert_eq!(with(place, reader, &["load", "1", "5"])["balance"], before + 500);
                    for paid in 1..=5 {
                        let receipt = with(place, reader, &["pay", "1", "0.50", "--at", "kiosk"]);
                        assert_eq!(receipt["balance"], before + 500 - 50 * paid);
                    }
                    assert_eq!(with(place, reader, &["cancel", "1", "--at", "kiosk"])["cancelled"], 50);
                    assert_eq!(with(place, reader, &["unload", "1", "1"])["outcome"], "unloaded");
                    assert_eq!(balance(place, reader), before + 200);
                });
            }
        });
        drop((serving, daemon));
        places.iter().for_each(balances);
    });
}

/// The card is torn out in each exchange of a payment and of a load. It comes back, and says
/// what became of it.
#[test]
fn a_purse_that_is_pulled_out() {
    alone("a_purse_that_is_pulled_out", || {
        let place = Place::after_a_day(1);
        place.json(&["load", "1", "5"]);
        let daemon = Daemon::start();
        let mut in_doubt = 0;
        for at in 1..=6 {
            for (command, resolve, outcome) in [
                (&["pay", "1", "0.10", "--at", "kiosk"][..], &["resolve", "--at", "kiosk"][..], "paid"),
                (&["load", "1", "1"], &["resolve"], "loaded"),
            ] {
                let serving = Serving::start(&place, &[1], &["--pull-at", &at.to_string()]);
                serving.until("powered_on");
                let run = place.run(&[&["--reader", READER, "--wait=30"], command].concat());
                if run.code == Some(4) {
                    in_doubt += 1;
                    assert!(run.err.contains("in doubt") && run.err.contains("present purse"), "{}", run.err);
                    serving.until("removed");
                    let resolved = with(&place, READER, resolve);
                    assert_eq!(resolved[0]["outcome"], outcome, "{resolved}");
                }
                drop(serving);
                gone(&place);
            }
        }
        assert_eq!(in_doubt, 2, "one command of each moves value");
        drop(daemon);
        balances(&place);
    });
}

/// Waits until the daemon has seen that no card is there.
fn gone(place: &Place) {
    wait_for(|| place.json(&["readers"])[0]["card"] == "none");
}

#[test]
fn a_daemon_that_crashes_and_comes_back() {
    alone("a_daemon_that_crashes_and_comes_back", || {
        let place = Place::after_a_day(1);
        let serving = Serving::start(&place, &[1, 2], &[]);
        serving.until("waiting");
        let daemon = Daemon::start();
        let before = balance(&place, READER);
        with(&place, READER, &["load", "1", "1"]);
        daemon.crash();
        serving.until("removed");
        let daemon = Daemon::start();
        assert_eq!(balance(&place, READER), before + 100);
        daemon.end();
        serving.until("waiting");
        let _daemon = Daemon::start();
        assert_eq!(balance(&place, READER), before + 100);
        balance(&place, SECOND_READER);
    });
}

#[test]
fn power_goes_between_transactions() {
    alone("power_goes_between_transactions", || {
        let place = Place::after_a_day(1);
        let _daemon = Daemon::start();
        let serving = Serving::start(&place, &[1], &[]);
        let before = balance(&place, READER);
        for paid in 1..=2 {
            serving.until("powered_off");
            assert_eq!(with(&place, READER, &["load", "1", "1"])["balance"], before + 100 * paid);
            serving.until("powered_on");
        }
    });
}

#[test]
fn a_terminal_waits_for_daemon_and_card() {
    alone("a_terminal_waits_for_daemon_and_card", || {
        let place = Place::after_a_day(1);
        place.json(&["load", "1", "5"]);
        place.fails(1, &["--reader", READER, "card", "show"], &["start it"]);
        let waiting = ["--reader", READER, "--wait", "pay", "1", "0.10", "--at", "kiosk"];
        let mut terminal = place.command(&waiting).spawn().expect("a terminal");
        let _daemon = Daemon::start();
        gone(&place);
        assert!(terminal.try_wait().expect("its state").is_none(), "there is no card yet");
        let _serving = Serving::start(&place, &[1], &[]);
        assert_eq!(terminal.wait().expect("its end").code(), Some(0));
    });
}

/// What a Python program does, in the Python that has pyscard.
const PYSCARD: &str = "
from smartcard.System import readers
from smartcard.util import toBytes
card = [reader for reader in readers() if str(reader) == 'Virtual PCD 00 00'][0].createConnection()
card.connect()
data, sw1, sw2 = card.transmit(toBytes('00 A4 04 00 06 F0 50 55 52 53 45'))
assert (sw1, sw2) == (0x90, 0x00), (sw1, sw2)
assert card.transmit(toBytes('90 5C 00 00 00'))[1:] == (0x90, 0x00)
";

fn meet_pyscard() {
    let has = |python: &&str| {
        let import = Command::new(python).args(["-c", "import smartcard"]).output();
        import.is_ok_and(|run| run.status.success())
    };
    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(has) else {
        println!("pyscard is not installed: not met");
        return;
    };
    let run = Command::new(python).args(["-c", PYSCARD]).output().expect("Python");
    assert!(run.status.success(), "{run:?}");
}

/// What a program of others prints, where it is installed; `tests/run` says where one is not.
fn say(program: &str, arguments: &[&str]) -> Option<String> {
    let Ok(run) = Command::new(program).args(arguments).output() else {
        println!("{program} is not installed: not met");
        return None;
    };
    assert!(run.status.success(), "{program}: {run:?}");
    Some(String::from_utf8_lossy(&run.stdout).into_owned())
}

#[test]
fn strangers_meet_the_purse() {
    alone("strangers_meet_the_purse", || {
        let place = Place::after_a_day(1);
        let _daemon = Daemon::start();
        let _serving = Serving::start(&place, &[1], &[]);
        let before = balance(&place, READER);
        let script = place.file("script", "00 A4 04 00 06 F0 50 55 52 53 45\n90 5C 00 00 00\n");
        let run = |program: &str, arguments: &[&str], word: &str| {
            if let Some(said) = say(program, arguments) {
                assert!(said.contains(word), "{program}: {said}");
            }
        };
        run("pcsc_scan", &["-r"], READER);
        run("ATR_analysis", &["3B898131FE458031C173C021408105A4"], "correct checksum");
        let select = "00:A4:04:00:06:F0:50:55:52:53:45";
        run("opensc-tool", &["-l"], READER);
        run("opensc-tool", &["-r", READER, "--atr"], "3b:89:81:31:fe:45:80");
        run("opensc-tool", &["-r", READER, "-c", "default", "-s", select], "SW1=0x90");
        run("opensc-tool", &["-r", READER, "-s", select], "SW1=0x90");
        meet_pyscard();
        run("scriptor", &["-r", READER, support::argument(&script)], "90 00 : Normal processing.");
        assert_eq!(balance(&place, READER), before, "foreign commands change nothing");
    });
}

/// The reader of Geldkarten of libchipcard: what it prints is what is true. It always ends
/// with 0.
#[test]
fn a_reader_of_geldkarten_meets_the_purse() {
    alone("a_reader_of_geldkarten_meets_the_purse", || {
        let place = Place::after_a_day(1);
        let issued = place.json(&["card", "issue", "--view", "geldkarte,quick", "--limit", "45.50"]);
        let purse = issued[0]["purse"].as_u64().expect("a number");
        let number = purse.to_string();
        place.json(&["load", &number, "80"]);
        place.json(&["pay", &number, "12.34", "--at", "kiosk"]);
        place.json(&["pay", &number, "0.66", "--at", "bus-12"]);
        let _daemon = Daemon::start();
        let _serving = Serving::start(&place, &[purse], &[]);
        assert_eq!(balance(&place, READER), 6_700);
        let shows = |command: &str, words: &[&str]| {
            let Some(said) = say("geldkarte", &[command]) else { return };
            let said: Vec<&str> = said.split_whitespace().collect();
            let line = said.join(" ");
            words.iter().for_each(|word| assert!(line.contains(word), "{command}: {line}, not {word}"));
        };
        shows("loaded", &["Card is loaded with 67.00 EUR"]);
        shows("maxload", &["Card can be loaded with 200.00 EUR"]);
        shows("maxxfer", &["Card can transfer up to 45.50 EUR"]);
        shows("blogs", &["0.66 67.00", "12.34 67.66"]);
        // The same card for a reader of Quick cards.
        let quick = ["-s", "00:A4:04:0C:08:D0:40:00:00:01:00:00:02", "-s", "00:B0:82:00:00"];
        let arguments = [&["-r", READER, "-c", "default"], &quick[..]].concat();
        if let Some(said) = say("opensc-tool", &arguments) {
            assert!(said.contains("00 00 1A 2C"), "6,700 cents: {said}");
        }
        assert_eq!(balance(&place, READER), 6_700, "reading changes nothing");
    });
}
