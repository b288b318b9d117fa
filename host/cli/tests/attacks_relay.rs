//! The program meets a purse behind a relay: what it tells the attendant, and how it ends. What a
//! relay can do is in `tests/tests/attacks_relay.rs`.

#[allow(dead_code)]
mod support;

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use apdu_spec::purse::{CreditLoad, DebitIep, DebitUnload, PreviousByNt};
use host::reader::serve::{Event, ImageCard, Served};
use host::reader::socket::Endpoint;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use support::Place;
use support::serving::PATIENCE;
use system_tests::relay::{Relay, is};

/// Which commands a relay keeps from the card.
type Kept = fn(&[u8]) -> bool;

/// Purse 1 of a place, served behind a relay.
struct Relayed {
    place: Place,
    address: String,
    kept: Arc<Mutex<Kept>>,
}

impl Relayed {
    /// The purse holds 50.00.
    fn new() -> Self {
        let place = Place::after_a_day(1);
        let balance = place.json(&["card", "show", "1"])["balance"].as_i64().expect("a balance");
        place.json(&["load", "1", &format!("{:.2}", (5_000 - balance) as f64 / 100.0)]);
        let random = Box::new(|| Box::new(ChaCha12Rng::seed_from_u64(5)) as _);
        let card = ImageCard::open(&place.card(1), None, random).expect("the card");
        let kept: Arc<Mutex<Kept>> = Arc::new(Mutex::new(|_| false));
        let asked = Arc::clone(&kept);
        let mut answers = ChaCha12Rng::seed_from_u64(6);
        let relay = Relay::new(card, move |command, card| {
            if !asked.lock().expect("a trick")(command) {
                return card(command);
            }
            let mut answer = [0; 16];
            rand_core::Rng::fill_bytes(&mut answers, &mut answer);
            Ok([&answer[..], &[0x90, 0x00]].concat())
        });
        let endpoint: Endpoint = "tcp:127.0.0.1:0".parse().expect("an address");
        let listener = endpoint.listen().expect("listening");
        let (tell, told) = channel();
        std::thread::spawn(move || {
            Served::new(relay).take_turns(&listener, &mut |event| {
                if let Event::Listening(at) = event {
                    tell.send(at.to_string()).expect("told");
                }
            })
        });
        let address = told.recv_timeout(PATIENCE).expect("an address");
        Self { place, address, kept }
    }

    /// Keeps these commands from the card from now on.
    fn keeps(&self, kept: Kept) {
        *self.kept.lock().expect("a trick") = kept;
    }

    /// The program must end with this code, say all of `words` and print no receipt.
    fn ends(&self, code: i32, arguments: &[&str], words: &[&str]) {
        let run = self.place.run(&[&["--reader", &self.address], arguments].concat());
        assert_eq!((run.code, run.out.as_str()), (Some(code), ""), "{arguments:?}: {}", run.err);
        for word in words {
            assert!(run.err.contains(word), "{arguments:?} does not say {word:?}: {}", run.err);
        }
    }

    /// What the program says of its failure in JSON.
    fn outcome(&self, arguments: &[&str]) -> serde_json::Value {
        let run = self.place.run(&[&["--json", "--reader", &self.address], arguments].concat());
        let told: serde_json::Value = serde_json::from_str(&run.err).expect("JSON");
        told["outcome"].clone()
    }

    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        self.place.json(&[&["--reader", &self.address], arguments].concat())
    }

    /// What the purse holds, honestly.
    fn balance(&self) -> serde_json::Value {
        self.keeps(|_| false);
        self.json(&["card", "show"])["balance"].clone()
    }
}

#[test]
fn an_unload_that_a_relay_swallows_is_refused_and_not_paid_out() {
    let relayed = Relayed::new();
    relayed.keeps(is::<DebitUnload>);
    let unload = ["unload", "1", "50", "--to", "cash"];
    relayed.ends(3, &unload, &["not unloaded", "do not pay out"]);
    assert_eq!(relayed.outcome(&unload), "refused");
    assert_eq!(relayed.balance(), 5_000);
    relayed.ends(3, &["unload", "1", "50.01", "--to", "cash"], &["the issuer refused", "do not pay out"]);
    assert_eq!(relayed.json(&["resolve"]), serde_json::json!([]));
    let done = relayed.json(&unload);
    assert_eq!((&done["outcome"], &done["balance"]), (&"unloaded".into(), &0.into()));
}

#[test]
fn an_unload_that_a_relay_hides_is_in_doubt_until_the_purse_is_asked() {
    let relayed = Relayed::new();
    relayed.keeps(|command| is::<DebitUnload>(command) || is::<PreviousByNt>(command));
    let unload = ["unload", "1", "50", "--to", "cash"];
    relayed.ends(4, &unload, &["in doubt", "do not pay out", "purse resolve"]);
    assert_eq!(relayed.outcome(&unload), "in_doubt");
    let still = relayed.place.run(&["--reader", &relayed.address, "resolve"]);
    assert_eq!(still.code, Some(4), "{}{}", still.out, still.err);
    assert_eq!(relayed.balance(), 5_000);
    let resolved = relayed.json(&["resolve"]);
    let outcomes: Vec<_> = resolved.as_array().expect("a list").iter().map(|end| &end["outcome"]).collect();
    assert_eq!(outcomes, ["refused", "refused"], "{resolved:#}");
    assert_eq!(relayed.json(&["resolve"]), serde_json::json!([]), "each end is told once");
}

#[test]
fn a_load_in_cash_that_a_relay_swallows_gives_the_cash_back_once() {
    let relayed = Relayed::new();
    let load = ["load", "1", "10", "--from", "cash"];
    relayed.keeps(|command| is::<CreditLoad>(command) || is::<PreviousByNt>(command));
    relayed.ends(4, &load, &["in doubt", "keep the cash"]);
    relayed.keeps(|_| false);
    let run = relayed.place.run(&["--reader", &relayed.address, "resolve"]);
    assert!(run.code == Some(0) && run.out.contains("10.00 EUR in cash are the holder's"), "{}", run.out);
    relayed.keeps(is::<CreditLoad>);
    relayed.ends(3, &load, &["not loaded", "the cash is the holder's"]);
    assert_eq!(relayed.balance(), 5_000);
}

#[test]
fn a_payment_that_a_relay_swallows_is_not_paid() {
    let relayed = Relayed::new();
    let pay = ["pay", "1", "2.50", "--at", "kiosk"];
    relayed.keeps(is::<DebitIep>);
    relayed.ends(3, &pay, &["not paid"]);
    relayed.keeps(|command| is::<DebitIep>(command) || is::<PreviousByNt>(command));
    relayed.ends(4, &pay, &["in doubt"]);
    assert_eq!(relayed.balance(), 5_000);
    assert_eq!(relayed.json(&["resolve", "--at", "kiosk"])[0]["outcome"], "refused");
}

/// A load that the operator pays, above the day's limit, is made once two operators have signed.
#[test]
fn the_operators_money_takes_two_people() {
    let relayed = Relayed::new();
    let place = &relayed.place;
    let keys = ["ann", "ben"].map(|name| {
        let path = place.data().join(format!("../{name}.pem"));
        place.json(&["operator", "add", name, "--key", support::argument(&path)]);
        path
    });
    assert_eq!(place.json(&["operator", "list"]), serde_json::json!(["ann", "ben"]));
    place.fails(1, &["operator", "add", "ann"], &["registered already"]);
    let load = ["load", "1", "50.01", "--from", "operator"];
    relayed.ends(3, &load, &["approval 1", "2 of 2 operators"]);
    let sign = |name: &'static str, key: usize| {
        ["approve", "1", "--as", name, "--key", support::argument(&keys[key])].map(str::to_owned)
    };
    let run = |words: &[String; 6]| place.run(&words.each_ref().map(String::as_str));
    assert_eq!(run(&sign("ann", 0)).code, Some(0));
    relayed.ends(3, &load, &["1 of 2 operators"]);
    for (wrong, reason) in [(sign("ann", 0), "another one"), (sign("ben", 0), "not the signature")] {
        let run = run(&wrong);
        assert!(run.code == Some(1) && run.err.contains(reason), "{}", run.err);
    }
    assert_eq!(place.json(&["approve"])[0]["by"], serde_json::json!(["ann"]));
    assert_eq!(run(&sign("ben", 1)).code, Some(0));
    assert_eq!(relayed.json(&load)["balance"], 10_001);
    relayed.ends(3, &load, &["approval 2"]);
    place.fails(2, &["approve", "2"], &["--as"]);
}
