//! What goes wrong says so, loses nothing, and does not end with 0.

#[allow(dead_code)]
mod support;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use support::Place;

fn files_in(folder: PathBuf) -> Vec<PathBuf> {
    fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn orders_that_make_no_sense() {
    let place = Place::after_a_day(1);
    place.fails(1, &["pay", "99", "1", "--at", "kiosk"], &["no purse 99", "card list"]);
    place.fails(
        1,
        &["pay", "1", "1", "--at", "nowhere"],
        &["no terminal", "kiosk, bakery, bus-12, car-park"],
    );
    place.fails(2, &["pay", "1", "1.234", "--at", "kiosk"], &["1.234"]);
    place.fails(2, &["pay", "1", "99999999999", "--at", "kiosk"], &["not between 0 and"]);
    place.fails(2, &["pay", "1"], &["--at"]);
    place.fails(2, &["pay", "x", "1", "--at", "kiosk"], &["invalid value"]);
    place.fails(2, &["demo", "--purses", "0"], &["0 is not in"]);
    place.fails(1, &["apdu", "zz"], &["hexadecimal"]);
    place.fails(1, &["cancel", "1", "--at", "kiosk"], &["no payment at kiosk"]);
    assert_eq!(place.run(&["report"]).code, Some(0));
}

#[test]
fn refusals_have_a_code_of_their_own() {
    let place = Place::after_a_day(1);
    place.fails(3, &["pay", "2", "49", "--at", "kiosk"], &["not paid", "9401"]);
    place.fails(3, &["load", "2", "500"], &["refused"]);
    place.fails(3, &["unload", "2", "150"], &["refused"]);
    assert_eq!(place.run(&["report"]).code, Some(0));
}

#[test]
fn directories_that_are_missing_or_taken() {
    let place = Place::new();
    place.fails(1, &["report"], &["no purse scheme", "purse demo"]);
    fs::create_dir_all(place.data()).expect("a folder");
    fs::write(place.data().join("letter.txt"), "dear").expect("a file");
    place.fails(1, &["demo"], &["something here already"]);
    place.fails(1, &["demo", "--replace"], &["something here already"]);
    assert!(place.data().join("letter.txt").exists());
}

#[test]
fn a_directory_in_use_is_left_alone() {
    let place = Place::after_a_day(1);
    let lock = File::open(place.data().join("purse.lock")).expect("the lock");
    lock.lock().expect("locked");
    place.fails(1, &["report"], &["another process"]);
    lock.unlock().expect("unlocked");
    assert_eq!(place.run(&["report"]).code, Some(0));
}

#[test]
fn damaged_card_images_are_refused_or_open_to_the_last_state() {
    let place = Place::after_a_day(1);
    let path = place.data().join("cards/purse-1.card");
    let whole = fs::read(&path).expect("an image");
    let before = place.json(&["card", "show", "1"])["balance"].clone();
    let whole_after = fs::read(&path).expect("an image");
    for step in 0..40 {
        let mut image = whole_after.clone();
        let place_of_damage = step * image.len() / 40;
        image[place_of_damage] ^= 0x40;
        fs::write(&path, &image).expect("written");
        let run = place.run(&["--json", "card", "show", "1"]);
        match run.code {
            Some(0) => assert!(run.out.contains(&format!("\"balance\": {before}")), "{}", run.out),
            Some(1) => assert!(run.err.contains("purse-1.card") && run.err.contains("image"), "{}", run.err),
            other => panic!("{other:?}: {}", run.err),
        }
    }
    for length in [0, 10, 31, 5_000] {
        fs::write(&path, &whole[..length]).expect("written");
        place.fails(1, &["card", "show", "1"], &["purse-1.card"]);
    }
    fs::write(&path, whole).expect("written");
    assert_eq!(place.run(&["report"]).code, Some(0));
}

#[test]
fn a_damaged_batch_is_named_and_its_payments_are_not_lost() {
    let place = Place::after_a_day(1);
    place.json(&["load", "1", "20"]);
    place.json(&["pay", "1", "3", "--at", "kiosk"]);
    place.json(&["collect", "kiosk"]);
    let batch = files_in(place.data().join("terminals/1/outbox")).pop().expect("a batch");
    let whole = fs::read(&batch).expect("read");
    for damage in [10, whole.len() / 2, whole.len() - 1] {
        let mut torn = whole.clone();
        torn[damage] ^= 1;
        fs::write(&batch, torn).expect("written");
        let name = batch.file_name().and_then(|name| name.to_str()).expect("a name");
        place.fails(1, &["clear"], &[name]);
    }
    fs::write(&batch, &whole[..whole.len() / 3]).expect("written");
    place.fails(1, &["clear"], &[".batch"]);
    assert_eq!(place.json(&["report"])["world"]["terms"]["in_terminals"], 300);
    // The PSAM has it still: without the damaged file it is collected again.
    fs::remove_file(&batch).expect("removed");
    place.json(&["collect", "kiosk"]);
    place.json(&["clear"]);
    assert_eq!(place.json(&["report"])["world"]["terms"]["in_terminals"], 0);
}

#[test]
fn a_damaged_journal_vault_or_scheme_is_named() {
    let place = Place::after_a_day(1);
    for (file, arguments) in [
        ("terminals/1/journal", &["pay", "1", "0.10", "--at", "kiosk"][..]),
        ("vault.json", &["report"]),
        ("scheme.json", &["report"]),
    ] {
        let path = place.data().join(file);
        let whole = fs::read(&path).expect("read");
        fs::write(&path, "nonsense\n").expect("written");
        place.fails(1, arguments, &[file]);
        fs::write(&path, whole).expect("written");
    }
    assert_eq!(place.run(&["report"]).code, Some(0));
}

#[test]
fn a_locked_database_says_so() {
    let place = Place::after_a_day(1);
    let other = rusqlite::Connection::open(place.data().join("background.db")).expect("opened");
    other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    place.fails(1, &["load", "1", "5"], &["locked by another process"]);
    other.execute_batch("ROLLBACK").expect("unlocked");
    place.json(&["load", "1", "5"]);
    assert_eq!(place.run(&["report"]).code, Some(0));
}

#[test]
fn a_day_that_is_killed_balances_and_can_be_replaced() {
    let day = ["demo", "--payments", "3000"];
    for delay in [10, 40, 80, 160, 320] {
        let place = Place::new();
        let mut command = place.command(&day);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
        std::thread::sleep(Duration::from_millis(delay));
        let _ = child.kill();
        child.wait().expect("ended");
        if place.data().join("scheme.json").exists() {
            let run = place.run(&["report"]);
            assert_eq!(run.code, Some(0), "killed after {delay} ms: {}{}", run.out, run.err);
        }
        let run = place.run(&["demo", "--replace", "--purses", "1", "--payments", "1"]);
        assert_eq!(run.code, Some(0), "killed after {delay} ms: {}", run.err);
    }
}

#[test]
fn a_process_that_is_killed_loses_nothing() {
    for delay in [1, 5, 20, 60, 150] {
        let place = Place::after_a_day(1);
        place.json(&["load", "1", "50"]);
        let mut children: Vec<_> = (0..3)
            .map(|_| {
                let mut command = place.command(&["pay", "1", "0.50", "--at", "kiosk"]);
                let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
                std::thread::sleep(Duration::from_millis(delay));
                child
            })
            .collect();
        for child in &mut children {
            let _ = child.kill();
            child.wait().expect("ended");
        }
        // What was begun is settled at the next tap.
        place.json(&["pay", "1", "0.10", "--at", "kiosk"]);
        let report = place.json(&["report"]);
        assert_eq!(report["world"]["difference"], 0, "killed after {delay} ms");
        place.json(&["collect"]);
        place.json(&["clear"]);
        let card = place.json(&["card", "show", "1"]);
        assert_eq!(card["balance"], card["background"]["shadow"]["minor"], "killed after {delay} ms");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_finds_no_room_is_said() {
    let place = Place::after_a_day(1);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
    let run = place.command(&["card", "list"]).stdout(full).output().expect("run");
    assert_eq!(run.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&run.stderr).contains("what was done is done"), "{run:?}");
}
