//! `purse issue --order`: the personalisation line, over images, blank cards and a reader, and
//! killed in the middle.

#[allow(dead_code)]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use support::serving::Serving;
use support::{Place, argument};

const HEAD: &str = "number,provider,currency,maximum,overdraft,limit,algorithm,versions,expiry,pin,pin_tries,\
                    pin_load_limit,view,account,attempts\n";
const PLAIN: &str = ",9276,EUR,200.00,,50.00,,,,,,,,,\n";
const RANDOM: &str = ",9276,EUR,200.00,,50.00,aes-cmac,1,2035-12-31,random,3,20.00,,,5\n";

fn beside(order: &Path, ending: &str) -> PathBuf {
    order.with_extension(ending)
}

/// Purse and result of each line of a result file.
fn results(order: &Path) -> Vec<(u64, String)> {
    let text = fs::read_to_string(beside(order, "results.csv")).expect("results");
    let fields = |line: &str| {
        let fields: Vec<_> = line.split(',').collect();
        (fields[1].parse().expect("a number"), fields[4].to_owned())
    };
    text.lines().skip(1).map(fields).collect()
}

fn pins(order: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(beside(order, "pins.csv")).expect("PINs");
    let fields = |line: &str| {
        let fields: Vec<_> = line.split(',').collect();
        (fields[0].to_owned(), fields[2].to_owned())
    };
    text.lines().skip(1).map(fields).collect()
}

#[test]
fn an_order_becomes_cards() {
    let place = Place::after_a_day(1);
    let special = "77,9276,978,150,3.20,25,,,,1234,5,10.00,geldkarte+quick,532013000,6\n";
    let order = place.file("orders.csv", &[HEAD, RANDOM, special, PLAIN].concat());
    let run = place.json(&["issue", "--order", argument(&order)]);
    assert_eq!((&run["issued"], &run["remaining"], &run["failed"]), (&3.into(), &0.into(), &0.into()));
    assert!(run["apdus_per_card"].as_u64().expect("a figure") < 30, "{run}");
    assert_eq!(results(&order), [(5, "issued".into()), (77, "issued".into()), (6, "issued".into())]);
    let card = place.json(&["card", "show", "77"]);
    assert_eq!((&card["maximum"], &card["overdraft"]), (&15_000.into(), &320.into()));
    assert_eq!(place.json(&["card", "show", "5"])["expiry"], "2035-12-31");
    assert_eq!(place.json(&["gp", "list", "--card", "77"])["state"], "SECURED");
    // The PINs are those of the order and of the letters.
    let pins = pins(&order);
    assert_eq!(pins.len(), 1);
    place.fails(3, &["load", "5", "20.01"], &["PIN", "--pin"]);
    place.json(&["load", "5", "20.01", "--pin", &pins["5"]]);
    place.json(&["load", "77", "10.01", "--pin", "1234"]);
    place.json(&["pay", "77", "5", "--at", "kiosk"]);
    // The same again changes nothing.
    let before = fs::read_to_string(beside(&order, "results.csv")).expect("results");
    let again = place.json(&["issue", "--order", argument(&order)]);
    assert_eq!((&again["issued"], &again["already"]), (&0.into(), &3.into()));
    assert_eq!(fs::read_to_string(beside(&order, "results.csv")).expect("results"), before);
    let report = place.json(&["report"]);
    assert_eq!(report["world"]["difference"], 0);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(beside(&order, "pins.csv")).expect("PINs").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_wrong_order_is_named_and_nothing_is_written() {
    let place = Place::after_a_day(1);
    let order = |text: &str| place.file("orders.csv", &[HEAD, PLAIN, text].concat());
    let cards = || fs::read_dir(place.data().join("cards")).expect("cards").count();
    let before = (cards(), fs::read_to_string(place.data().join("scheme.json")).expect("scheme"));
    for (line, word) in [
        (",17,EUR,1,,1,,,,,,,,,\n", "provider"),
        (",9276,CHF,1,,1,,,,,,,,,\n", "currency"),
        (",9276,EUR,1.999,,1,,,,,,,,,\n", "amount"),
        (",9276,EUR,1,,1,,2,,,,,,,\n", "no keys of version 2"),
        ("3,9276,EUR,1,,1,,,,,,,,,\n", "card number 3 has been issued"),
        ("9,9276,EUR,1,,1,,,,,,,,,\n9,9276,EUR,1,,1,,,,,,,,,\n", "card number 9 is in line 3"),
    ] {
        let path = order(line);
        let named = if line.lines().count() > 1 { "line 4" } else { "line 3" };
        place.fails(2, &["issue", "--order", argument(&path)], &[named, word, "nothing was written"]);
    }
    let path = place.file("orders.csv", "provider,currency,maximum,limit,colour\n");
    place.fails(2, &["issue", "--order", argument(&path)], &["line 1", "colour"]);
    let path = order("");
    place.fails(2, &["issue", "--order", argument(&path), "--column", "colour=x"], &["fields are"]);
    place.fails(1, &["issue", "--order", "nowhere.csv"], &["nowhere.csv"]);
    let taken = place.file("orders.results.csv", "something else\n");
    place.fails(1, &["issue", "--order", argument(&path)], &["another file"]);
    assert_eq!(fs::read_to_string(&taken).expect("left alone"), "something else\n");
    assert_eq!(cards(), before.0);
    assert!(!path.with_extension("pins.csv").exists());
    fs::remove_file(&taken).expect("removed");
    assert_eq!(place.json(&["issue", "--order", argument(&path)])["issued"], 1);
}

#[test]
fn a_line_that_is_killed_goes_on() {
    const LINES: usize = 200;
    let place = Place::after_a_day(1);
    let order = place.file("orders.csv", &(HEAD.to_owned() + &RANDOM.repeat(LINES)));
    let issue = ["issue", "--order", argument(&order)];
    let done = || fs::read_to_string(beside(&order, "results.csv")).map_or(0, |text| text.lines().count());
    let mut killed = 0;
    for round in 0..16_u64 {
        let mut command = place.command(&issue);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
        // The first ones while the order is being read, the others after some more cards.
        let enough = if round < 4 { 0 } else { done() + 3 };
        while done() < enough && child.try_wait().expect("asked").is_none() {
            std::thread::sleep(Duration::from_micros(200));
        }
        std::thread::sleep(Duration::from_millis(round % 5 * 3));
        let _ = child.kill();
        killed += usize::from(!child.wait().expect("ended").success());
    }
    assert!(killed > 8, "too fast to be killed");
    let run = place.json(&issue);
    assert_eq!((&run["remaining"], &run["failed"]), (&0.into(), &0.into()), "{run}");
    let results = results(&order);
    let purses: BTreeSet<_> = results.iter().map(|(purse, _)| *purse).collect();
    assert_eq!((purses.len(), purses.first(), purses.last()), (LINES, Some(&5), Some(&204)));
    assert_eq!(results.len(), LINES, "one result a card");
    let images = fs::read_dir(place.data().join("cards")).expect("cards");
    let names: Vec<_> = images.map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(names.len(), LINES + 4, "{names:?}");
    // What a holder reads in the letter is what the card knows.
    let pins = pins(&order);
    assert_eq!(pins.len(), LINES);
    for purse in ["5", "20", "41", "204"] {
        place.json(&["load", purse, "25", "--pin", &pins[purse]]);
    }
    assert_eq!(place.json(&["report"])["world"]["difference"], 0);
}

#[test]
fn blank_cards_are_taken_in_turn() {
    let place = Place::after_a_day(1);
    let order = place.file("orders.csv", &(HEAD.to_owned() + &PLAIN.repeat(2)));
    let cards = ["a", "b", "c"].map(|name| place.blank(&format!("{name}.card")));
    place.fails(1, &["card", "blank", argument(&cards[0])], &["not written over"]);
    let with = |cards: &[&PathBuf]| {
        let mut all = vec!["issue", "--order", argument(&order)];
        cards.iter().for_each(|card| all.extend(["--blank", argument(card)]));
        place.json(&all)
    };
    let first = with(&[&cards[0], &cards[0]]);
    assert_eq!((&first["issued"], &first["remaining"]), (&1.into(), &1.into()), "{first}");
    let second = with(&[&cards[0], &cards[1], &cards[2]]);
    assert_eq!((&second["issued"], &second["remaining"]), (&1.into(), &0.into()), "{second}");
    let state = |card: &PathBuf| place.json(&["gp", "list", "--image", argument(card)])["state"].clone();
    assert_eq!(cards.each_ref().map(state), ["SECURED", "SECURED", "OP_READY"]);
}

#[test]
fn a_card_that_is_pulled_from_a_reader_is_finished() {
    let place = Place::after_a_day(1);
    let order = place.file("orders.csv", &(HEAD.to_owned() + &RANDOM.repeat(20)));
    let serve = |card: &Path, pull: Option<u64>| {
        let mut command = place.command(&["--json", "card", "serve", "--listen", "127.0.0.1:0", "--image"]);
        command.arg(card);
        if let Some(at) = pull {
            command.args(["--pull-at", &at.to_string()]);
        }
        let serving = Serving::spawn(command);
        let address = serving.address();
        (serving, address)
    };
    let mut purses = BTreeSet::new();
    for at in [9, 13, 17, 20, 23, 26, 29] {
        let card = place.blank(&format!("{at}.card"));
        let issue = |pull| {
            let (_serving, address) = serve(&card, pull);
            let run = place.run(&[
                "--json",
                "--reader",
                &address,
                "issue",
                "--demo-keys",
                "--order",
                argument(&order),
            ]);
            let summary: serde_json::Value = serde_json::from_str(&run.out).unwrap_or_default();
            (run.code, summary)
        };
        let (code, _) = issue(Some(at));
        let (again, summary) = issue(None);
        assert_eq!(again, Some(0), "pulled at {at}: {summary}");
        if code == Some(0) {
            assert_eq!(summary["cards"], serde_json::json!([]), "pulled at {at}: it was done");
        } else {
            let result = &summary["cards"][0];
            assert!(["issued", "finished", "already"].contains(&result["result"].as_str().expect("a word")));
            assert!(purses.insert(result["purse"].as_u64()), "pulled at {at}: {summary}");
        }
        let (_serving, address) = serve(&card, None);
        assert_eq!(place.json(&["--reader", &address, "card", "show"])["balance"], 0);
    }
    assert!(purses.len() >= 3, "nothing was pulled in time: {purses:?}");
}

/// What the order says of attempts is what the card counts; its issuer lifts what they block.
#[test]
fn wrong_authentications_block_a_card_from_the_limit_of_its_order_until_its_issuer_lifts_that() {
    let place = Place::after_a_day(1);
    let order = place.file("orders.csv", "provider,currency,maximum,limit,attempts\n9276,EUR,20,20,2\n");
    place.json(&["issue", "--order", argument(&order)]);
    place.json(&["load", "5", "5"]);
    let (select, update) = ("00A4040008A000000151000000", "8050000008010203040506070800");
    let wrong = format!("8482330010{}", "00".repeat(16));
    let script = [select, update, &wrong, "expect 6982"].join("\n");
    let script = place.file("script.txt", &script);
    let guess = || place.json(&["apdu", "--purse", "5", "--script", argument(&script)]);
    guess();
    let told = |action| place.json(&["gp", action, "--card", "5"])["authentications"].clone();
    // Who gets in to ask has been right.
    assert_eq!(told("info"), serde_json::json!({ "wrong": 1, "limit": 2, "blocked": false }));
    assert_eq!(told("list"), serde_json::json!({ "wrong": 0, "limit": 2, "blocked": false }));
    guess();
    guess();
    for action in ["info", "list", "list"] {
        assert_eq!(told(action), serde_json::json!({ "wrong": 2, "limit": 2, "blocked": true }));
    }
    let words = ["blocked after 2 wrong authentications", "gp unlock card"];
    for command in [
        &["load", "5", "5"][..],
        &["unload", "5", "1"],
        &["pay", "5", "1", "--at", "kiosk"],
        &["card", "block", "5"],
        &["card", "unblock", "5"],
        &["card", "pin", "reset", "5", "--new", "1234"],
        &["card", "pin", "change", "5", "--old", "1234", "--new", "4321"],
        &["card", "rekey", "5"],
        &["gp", "delete", "purse", "--card", "5"],
        &["gp", "reset", "--card", "5"],
    ] {
        place.fails(3, command, &words);
    }
    // It still says how it is.
    assert_eq!(place.json(&["card", "show", "5"])["balance"], 500);
    assert!(place.run(&["card", "show", "5"]).out.contains(words[0]));
    assert!(
        place.run(&["gp", "list", "--card", "5"]).out.contains("2 in a row, limit 2; the card is blocked")
    );
    assert_eq!(place.json(&["report"])["world"]["difference"], 0);
    place.json(&["gp", "unlock", "card", "--card", "5"]);
    place.json(&["load", "5", "5"]);
    place.json(&["pay", "5", "1", "--at", "kiosk"]);
}

/// One reader, `--wait`: a card is taken out, the next one put in.
#[test]
fn a_reader_takes_one_card_after_the_other() {
    let place = Place::after_a_day(1);
    let order = place.file("orders.csv", &(HEAD.to_owned() + &PLAIN.repeat(3)));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    drop(listener);
    let reader = format!("tcp:{address}");
    let mut line = place
        .command(&[
            "--json",
            "--reader",
            &reader,
            "--wait=30",
            "issue",
            "--demo-keys",
            "--order",
            argument(&order),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    for number in 1..=3 {
        let card = place.blank(&format!("{number}.card"));
        let mut command = place.command(&["--json", "card", "serve", "--listen", &address, "--image"]);
        command.arg(&card);
        let serving = Serving::spawn(command);
        serving.address();
        let begun = std::time::Instant::now();
        while fs::read_to_string(beside(&order, "results.csv")).map_or(0, |text| text.lines().count())
            <= number
        {
            assert!(begun.elapsed() < support::serving::PATIENCE, "card {number} is not done");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    assert!(line.wait().expect("ended").success());
    let good: Vec<_> = results(&order).into_iter().filter(|(_, word)| word != "failed").collect();
    assert_eq!(good.iter().map(|(purse, _)| *purse).collect::<Vec<_>>(), [5, 6, 7]);
}
