//! `purse gp`: card management of any card, and that no key is shown anywhere.

#[allow(dead_code)]
mod support;

use std::fs;

use support::{Place, argument};

const NEW: [&str; 3] = [
    "C0FFEE00112233445566778899AABBC1",
    "C0FFEE00112233445566778899AABBC2",
    "C0FFEE00112233445566778899AABBC3",
];

#[test]
fn what_is_on_a_card() {
    let place = Place::new();
    let card = place.blank("card.card");
    let image = ["--image", argument(&card)];
    let gp = |arguments: &[&str]| place.json(&[&["gp"], arguments, &image].concat());
    let info = gp(&["info"]);
    assert_eq!(info["protocols"], serde_json::json!(["SCP03 i=70"]));
    assert_eq!((&info["keys"][0]["version"], &info["keys"][0]["type"]), (&"FF".into(), &"AES".into()));
    let list = gp(&["list"]);
    assert_eq!(
        (&list["state"], &list["applications"][0]["state"]),
        (&"OP_READY".into(), &"SELECTABLE".into())
    );
    assert_eq!(list["load_files"].as_array().expect("files").len(), 3);
    gp(&["install", "purse", "F05055525332"]);
    let applications = gp(&["list"])["applications"].clone();
    assert_eq!(applications[1]["aid"], "F05055525332");
    let fails = |code, arguments: &[&str], words: &[&str]| {
        place.fails(code, &[&["gp"], arguments, &image].concat(), words);
    };
    fails(3, &["install", "purse", "F05055525332"], &["refuses", "this AID already"]);
    fails(3, &["install", "psam"], &["no room"]);
    fails(2, &["delete", "isd"], &["security domain itself"]);
    fails(2, &["delete", "F0"], &["purse, psam, transfer"]);
    gp(&["delete", "F05055525332"]);
    fails(3, &["delete", "F05055525332"], &["nothing of this name"]);
    fails(3, &["lock", "purse"], &["must be personalised"]);
    fails(3, &["unlock", "card"], &["neither locked nor blocked", "OP_READY"]);
    fails(2, &["state", "secured"], &["--yes"]);
    gp(&["state", "secured", "--yes"]);
    fails(3, &["state", "initialized", "--yes"], &["forwards only"]);
    gp(&["lock", "card"]);
    assert_eq!(gp(&["list"])["state"], "CARD_LOCKED");
    gp(&["unlock", "card"]);
    fails(3, &["delete-key", "FF"], &["last keys"]);
    gp(&["state", "terminated", "--yes"]);
    fails(3, &["list"], &["TERMINATED", "gp info"]);
    assert_eq!(gp(&["info"])["protocols"], serde_json::json!(["SCP03 i=70"]));
}

#[test]
fn which_card_and_which_keys() {
    let place = Place::after_a_day(1);
    let run = place.run(&["gp", "list", "--card", "1"]);
    assert!(run.out.contains("PERSONALIZED") && run.err.contains("scheme's own keys"), "{}", run.err);
    for card in [&["--sam", "kiosk"][..], &["--transfer"]] {
        let list = place.json(&[&["gp", "list"], card].concat());
        assert_eq!((&list["state"], &list["opened_with"]), (&"SECURED".into(), &"30".into()));
    }
    // The image of a purse of the scheme is known by itself.
    let image = place.card(2);
    assert_eq!(place.json(&["gp", "list", "--image", argument(&image)])["opened_with"], "30");
    let blank = place.blank("card.card");
    let run = place.run(&["gp", "list", "--image", argument(&blank)]);
    assert!(run.err.contains("sample cards"), "{}", run.err);
    place.fails(2, &["gp", "list"], &["which card?"]);
    place.fails(2, &["gp", "list", "--card", "1", "--sam", "kiosk"], &["cannot be used with"]);
    place.fails(1, &["gp", "list", "--card", "99"], &["no purse 99"]);
    place.fails(1, &["gp", "list", "--sam", "nowhere"], &["kiosk"]);
    place.fails(3, &["gp", "delete", "purse", "--card", "2"], &["value in the application"]);
    place.fails(2, &["gp", "delete", "xyz", "--card", "2"], &["hexadecimal"]);
    assert_eq!(place.json(&["report"])["world"]["difference"], 0);
}

#[test]
fn a_purse_that_was_deleted_leaves_the_sums_right() {
    let place = Place::after_a_day(1);
    place.json(&["card", "issue"]);
    place.json(&["gp", "delete", "purse", "--card", "5"]);
    place.fails(1, &["card", "show", "5"], &["it was deleted"]);
    assert_eq!(place.json(&["card", "list"]).as_array().expect("purses").len(), 4);
    assert_eq!(place.json(&["report"])["world"]["difference"], 0);
    place.json(&["gp", "lock", "card", "--card", "2"]);
    place.fails(1, &["report"], &["card of purse 2 is locked", "gp unlock card"]);
    for command in [&["pay", "2", "1", "--at", "kiosk"][..], &["load", "2", "1"], &["card", "show", "2"]] {
        place.fails(1, command, &["card of purse 2 is locked", "gp unlock card"]);
    }
    assert_eq!(place.json(&["card", "list"])[1]["unread"], "card locked");
    place.json(&["gp", "unlock", "card", "--card", "2"]);
    assert_eq!(place.json(&["report"])["world"]["difference"], 0);
}

#[test]
fn a_card_of_the_scheme_that_was_made_blank_is_nobodys() {
    let place = Place::after_a_day(1);
    place.json(&["card", "issue"]);
    place.json(&["gp", "reset", "--card", "5"]);
    assert_eq!(place.json(&["card", "list"]).as_array().expect("purses").len(), 4);
    assert_eq!(place.json(&["report"])["world"]["difference"], 0);
    for command in [&["load", "5", "1"][..], &["pay", "5", "1", "--at", "kiosk"], &["card", "show", "5"]] {
        place.fails(1, command, &["no purse on card 5", "deleted"]);
    }
    // Another purse under its number would be taken for it.
    let order = place.file("orders.csv", "provider,currency,maximum,limit\n9276,EUR,20,20\n");
    let image = place.data().join("cards/purse-5.card");
    let issue = ["issue", "--order", argument(&order), "--blank", argument(&image)];
    place.fails(1, &issue, &["the scheme's own", "move it elsewhere"]);
    let moved = place.data().join("other.card");
    fs::rename(&image, &moved).expect("moved");
    place.json(&["issue", "--order", argument(&order), "--blank", argument(&moved)]);
    assert_eq!(place.json(&["report"])["world"]["difference"], 0);
}

#[test]
fn a_card_at_its_end_takes_no_report_with_it() {
    let place = Place::after_a_day(1);
    place.json(&["load", "2", "7.50"]);
    let left = place.json(&["card", "show", "2"])["balance"].clone();
    place.json(&["gp", "state", "terminated", "--yes", "--card", "2"]);
    for command in [&["pay", "2", "1", "--at", "kiosk"][..], &["load", "2", "1"], &["card", "show", "2"]] {
        place.fails(1, command, &["card of purse 2 is TERMINATED"]);
    }
    assert_eq!(place.json(&["card", "list"])[1]["unread"], "TERMINATED");
    let world = place.json(&["report"])["world"].clone();
    assert_eq!((&world["terms"]["unread"], &world["difference"]), (&1.into(), &left));
}

#[test]
fn a_psam_that_was_deleted_takes_no_report_with_it() {
    let place = Place::after_a_day(1);
    for _ in 0..2 {
        place.json(&["collect"]);
        place.json(&["clear"]);
    }
    place.json(&["gp", "lock", "psam", "--sam", "kiosk"]);
    place.fails(1, &["report"], &["PSAM of kiosk does not serve", "gp list --sam kiosk"]);
    place.json(&["gp", "unlock", "psam", "--sam", "kiosk"]);
    place.json(&["gp", "delete", "psam", "--sam", "kiosk"]);
    assert_eq!(place.json(&["report"])["world"]["difference"], 0);
    place.fails(1, &["pay", "1", "1", "--at", "kiosk"], &["PSAM of kiosk does not serve"]);
    place.json(&["gp", "lock", "card", "--sam", "kiosk"]);
    place.fails(1, &["report"], &["PSAM of kiosk does not serve"]);
    place.json(&["gp", "unlock", "card", "--sam", "kiosk"]);
    place.json(&["gp", "install", "psam", "--sam", "kiosk"]);
    assert_eq!(place.json(&["report"])["world"]["difference"], 0);
}

/// Keys go in, and come out nowhere: not in what is printed, not in traces, not in captures.
#[test]
fn keys_are_shown_nowhere() {
    let place = Place::after_a_day(1);
    let card = place.blank("card.card");
    let json = format!(r#"{{"enc": "{}", "mac": "{}", "dek": "{}"}}"#, NEW[0], NEW[1], NEW[2]);
    let file = place.file("new.json", &json);
    let pcap = place.data().join("put.pcap");
    let image = ["--image", argument(&card), "--trace", "--pcap", argument(&pcap)];
    let order = place.file("orders.csv", "provider,currency,maximum,limit,pin\n9276,EUR,20,20,86420975\n");
    let mut said = String::new();
    let mut all = |arguments: &[&str]| {
        let run = place.run(arguments);
        said += &(run.out + &run.err);
        said += &hex::encode_upper(fs::read(&pcap).unwrap_or_default());
        run.code
    };
    let put = ["gp", "put-key", "--new-key-file", argument(&file), "--new-version", "31"];
    assert_eq!(all(&[&put[..], &image].concat()), Some(0));
    assert_eq!(all(&[&["gp", "list", "--key-file", argument(&file)][..], &image].concat()), Some(0));
    let line = NEW.join(",");
    assert_eq!(all(&[&["gp", "list", "--key", &line][..], &image].concat()), Some(0));
    // What fails says no more.
    assert_ne!(all(&[&["gp", "list", "--key", NEW[1]][..], &image].concat()), Some(0));
    assert_eq!(
        all(&[&["gp", "list", "--key", &format!("{},{}", NEW[0], NEW[1])][..], &image].concat()),
        Some(2)
    );
    let torn = place.file("torn.json", &json.replace("\"mac\": ", "\"mac\": 1"));
    assert_eq!(all(&[&["gp", "list", "--key-file", argument(&torn)][..], &image].concat()), Some(1));
    let short = place.file("short.txt", &NEW[0][..20]);
    assert_eq!(all(&[&["gp", "list", "--key-file", argument(&short)][..], &image].concat()), Some(1));
    assert_eq!(all(&["issue", "--order", argument(&order), "--trace", "--pcap", argument(&pcap)]), Some(0));
    assert_eq!(all(&["load", "5", "5", "--pin", "86420975", "--trace", "--pcap", argument(&pcap)]), Some(0));
    assert_eq!(all(&["load", "5", "5", "--pin", "8642097x"]), Some(2));
    for secret in ["C0FFEE", "c0ffee", "86420975", "2886420975"] {
        assert!(!said.contains(secret), "{secret} is in what is printed");
    }
    // In a trace of a secured session only what is encrypted appears; STORE DATA is known by its
    // instruction alone.
    assert!(said.contains("84 E2") && said.contains("not shown"), "no secured STORE DATA was traced");
    assert!(!said.contains("80 E2"), "a STORE DATA in clear was traced");
    let vault = fs::read_to_string(place.data().join("vault.json")).expect("the vault");
    let keys: serde_json::Value = serde_json::from_str(&vault).expect("JSON");
    for key in keys["plain"]["keys"].as_array().expect("keys") {
        let key = key["key"].as_str().expect("a key");
        assert!(
            !said.contains(&key.to_uppercase()) && !said.contains(key),
            "a master key is in what is printed"
        );
    }
}

#[test]
fn a_card_is_made_blank_again() {
    let place = Place::after_a_day(1);
    place.json(&["card", "issue"]);
    let image = place.data().join("other.card");
    fs::rename(place.card(5), &image).expect("moved");
    let image = argument(&image);
    place.json(&["gp", "reset", "--image", image]);
    let list = place.json(&["gp", "list", "--image", image]);
    assert_eq!(
        (&list["opened_with"], &list["applications"][0]["state"]),
        (&"01".into(), &"SELECTABLE".into())
    );
    // And is taken for an order.
    let order = place.file("orders.csv", "provider,currency,maximum,limit\n9276,EUR,20,20\n");
    let run = place.json(&["issue", "--order", argument(&order), "--blank", image]);
    assert_eq!((&run["issued"], &run["cards"][0]["purse"]), (&1.into(), &6.into()), "{run}");
    place.fails(3, &["gp", "reset", "--card", "2"], &["value in the application"]);
    assert_eq!(place.json(&["card", "show", "2"])["blocked"], false);
}
