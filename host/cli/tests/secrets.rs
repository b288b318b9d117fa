//! The program keeps secrets: vaults under a passphrase, sealed card images, files that are their
//! owner's alone; and it says loudly where there are none to keep.

#[allow(dead_code)]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use apdu_spec::element::{Algorithm, Time};
use background::vault::{Cost, Lock, Passphrase};
use rand_core::SeedableRng;
use simulation::world::{Founding, Limits};
use simulation::{World, day};
use support::serving::Serving;
use support::{Place, Run, argument};

const SECRET: &str = "correct horse battery";
const NOW: Time = Time(1_770_000_000);

/// A scheme that is no demonstration, with one purse, and a file with its passphrase.
fn real() -> (Place, PathBuf) {
    let place = Place::new();
    let mut random = rand_chacha::ChaCha12Rng::seed_from_u64(1);
    let passphrase = Passphrase::new(SECRET.into()).expect("a passphrase");
    let lock = Lock::new(&passphrase, Cost::LEAST, &mut random).expect("a lock");
    let founding = Founding { algorithm: Algorithm::AesCmac, lock, observer: None };
    let mut world = World::found(&place.data(), day::scheme(), founding, random, NOW).expect("a world");
    let limits = Limits { maximum: 20_000, overdraft: 0, purchase: 5_000 };
    world.issue_purse(limits, NOW).expect("a purse");
    drop(world);
    let file = place.file("passphrase", &format!("{SECRET}\n"));
    (place, file)
}

fn run(mut command: Command) -> Run {
    let output = command.output().expect("run purse");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// With a passphrase in the environment.
fn under(place: &Place, passphrase: &str, arguments: &[&str]) -> Run {
    let mut command = place.command(arguments);
    command.env("PURSE_PASSPHRASE", passphrase);
    run(command)
}

#[test]
fn a_real_scheme_wants_its_passphrase() {
    let (place, file) = real();
    let with =
        |arguments: &[&str]| place.json(&[&["--passphrase-file", argument(&file)], arguments].concat());
    with(&["load", "1", "20"]);
    assert_eq!(with(&["pay", "1", "2.50", "--at", "kiosk"])["balance"], 1_750);
    with(&["collect"]);
    with(&["clear"]);
    assert_eq!(with(&["report"])["world"]["difference"], 0);
    assert_eq!(with(&["card", "issue"])[0]["demo"], false);
    let env = under(&place, SECRET, &["report"]);
    assert_eq!(env.code, Some(0), "{}", env.err);
    assert!(!env.err.contains("demonstration"), "{}", env.err);
    place.fails(1, &["report"], &["vault.json is locked", "--passphrase-file FILE", "PURSE_PASSPHRASE"]);
    place.fails(
        1,
        &["--passphrase-file", argument(&file), "--seed", "1", "keys", "add"],
        &["--seed", "demonstrations"],
    );
    let wrong = under(&place, "wrong horse battery", &["report"]);
    assert!(wrong.code == Some(1) && wrong.err.contains("not the passphrase"), "{}", wrong.err);
    let empty = under(&place, "", &["report"]);
    assert!(empty.code == Some(1) && empty.err.contains("is empty"), "{}", empty.err);
    place.fails(1, &["--passphrase-file", "/nowhere", "report"], &["/nowhere"]);
    let vault = place.data().join("vault.json");
    let text = std::fs::read_to_string(&vault).expect("the vault");
    std::fs::write(&vault, text.replacen("\"tag\": \"", "\"tag\": \"0", 1)).expect("written");
    let damaged = under(&place, SECRET, &["report"]);
    assert!(damaged.code == Some(1) && damaged.err.contains("damaged, or was changed"), "{}", damaged.err);
}

#[test]
fn the_passphrase_is_rotated() {
    let (place, old) = real();
    let new = place.file("new", "another long word\n");
    let short = place.file("short", "1234");
    let rotate = |file: &Path| {
        place.run(&["--passphrase-file", argument(&old), "keys", "passphrase", "--new-file", argument(file)])
    };
    let refused = rotate(&short);
    assert!(refused.code == Some(1) && refused.err.contains("eight characters"), "{}", refused.err);
    assert_eq!(under(&place, SECRET, &["report"]).code, Some(0), "nothing was changed");
    assert_eq!(rotate(&new).code, Some(0));
    assert_eq!(under(&place, SECRET, &["report"]).code, Some(1));
    assert_eq!(under(&place, "another long word", &["report"]).code, Some(0));
    let text = std::fs::read_to_string(place.data().join("vault.json")).expect("the vault");
    assert!(text.contains("\"memory\": 19456") && text.contains("\"passes\": 2"), "what OWASP says: {text}");
    let unknown = under(&place, "another long word", &["keys", "passphrase"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("PURSE_NEW_PASSPHRASE"), "{}", unknown.err);
}

#[test]
fn sealed_images_are_served_with_their_key() {
    let (place, file) = real();
    let key = file.with_file_name("key");
    let with =
        |arguments: &[&str]| place.json(&[&["--passphrase-file", argument(&file)], arguments].concat());
    let card = place.card(1);
    place.fails(1, &["gp", "info", "--image", argument(&card)], &["sealed", "--image-key FILE"]);
    with(&["keys", "image-key", argument(&key)]);
    let key = argument(&key);
    place.fails(1, &["--passphrase-file", argument(&file), "keys", "image-key", key], &[key]);
    let sealed = ["--image-key", key];
    place.json(&[&sealed[..], &["gp", "info", "--image", argument(&card)]].concat());
    place.fails(
        1,
        &["--image-key", argument(&file), "gp", "info", "--image", argument(&card)],
        &["no image key"],
    );
    let wrong = place.file("wrong", &"5a".repeat(32));
    let wrong = ["--image-key", argument(&wrong), "gp", "info", "--image", argument(&card)];
    place.fails(1, &wrong, &["not the key of the image"]);
    let serving = Serving::start(&place, &[1], &["--listen", "127.0.0.1:0", "--image-key", key]);
    let address = serving.address();
    with(&["--reader", &address, "load", "1", "10"]);
    assert_eq!(with(&["--reader", &address, "pay", "1", "4", "--at", "kiosk"])["balance"], 600);
    drop(serving);
    assert_eq!(with(&["card", "show", "1"])["balance"], 600, "what was served is in the image");
}

/// No card image is made in clear for a scheme whose keys are worth something.
#[test]
fn images_in_clear_are_for_demonstrations() {
    let (place, file) = real();
    let blank = file.with_file_name("blank.card");
    let order = place.file("orders.csv", "provider,currency,maximum,limit\n9276,EUR,200,50\n");
    let passphrase = ["--passphrase-file", argument(&file)];
    place.fails(1, &["card", "blank", argument(&blank)], &["--image-key FILE", "--insecure-plain"]);
    assert!(!blank.exists());
    place.json(&["card", "blank", argument(&blank), "--insecure-plain"]);
    let issue = ["issue", "--order", argument(&order), "--blank", argument(&blank)];
    place.fails(1, &[&passphrase[..], &issue].concat(), &["in clear"]);
    std::fs::remove_file(&blank).expect("removed");
    let key = file.with_file_name("key");
    place.json(&[&passphrase[..], &["keys", "image-key", argument(&key)]].concat());
    place.json(&["card", "blank", argument(&blank), "--image-key", argument(&key)]);
    assert_eq!(place.json(&[&passphrase[..], &issue].concat())["issued"], 1);
}

#[test]
fn a_demonstration_says_that_its_keys_are_no_secret() {
    let place = Place::new();
    let demo = place.run(&["demo", "--purses", "2", "--payments", "10"]);
    assert!(demo.code == Some(0) && demo.err.contains("THIS IS A DEMONSTRATION"), "{}", demo.err);
    assert!(demo.err.contains("no secret") && demo.err.contains("vault.json"), "{}", demo.err);
    let again = place.json(&["demo", "--replace", "--purses", "2", "--payments", "10"]);
    assert_eq!(again["demo"], true);
    let issued = place.run(&["card", "issue"]);
    assert!(issued.code == Some(0) && issued.err.contains("worth nothing"), "{}", issued.err);
    assert_eq!(place.json(&["card", "issue"])[0]["demo"], true);
    place.fails(1, &["keys", "passphrase"], &["demonstration", "no secret"]);
    let key = place.data().join("key");
    place.fails(1, &["keys", "image-key", argument(&key)], &["demonstration", "in clear"]);
    let order = place.file("orders.csv", "provider,currency,maximum,limit\n9276,EUR,200,50\n");
    let run = place.run(&["issue", "--order", argument(&order)]);
    assert!(run.code == Some(0) && run.err.contains("worth nothing"), "{}", run.err);
    place.fails(
        1,
        &["--reader", "tcp:127.0.0.1:1", "issue", "--order", argument(&order)],
        &["demonstration", "--demo-keys"],
    );
}

/// Whatever the umask, and whatever the directory was before.
#[cfg(unix)]
#[test]
fn every_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    std::fs::create_dir(place.data()).expect("a directory");
    std::fs::set_permissions(place.data(), std::fs::Permissions::from_mode(0o777)).expect("open to all");
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 0; exec \"$0\" --data \"$1\" demo --purses 2 --payments 40"]);
    shell.arg(env!("CARGO_BIN_EXE_purse")).arg(place.data()).stdin(Stdio::null());
    let demo = run(shell);
    assert_eq!(demo.code, Some(0), "{}", demo.err);
    let mut folders = vec![place.data()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let mode = path.metadata().expect("a file").permissions().mode() & 0o077;
            assert_eq!(mode, 0, "{}", path.display());
            folders.extend(Some(path.clone()).filter(|path| path.is_dir()));
            seen += usize::from(path.ends_with("journal")) + usize::from(path.ends_with("vault.json"));
        }
    }
    assert!(seen > 1, "journals and vault");
    assert_eq!(place.data().metadata().expect("there").permissions().mode() & 0o777, 0o700);
}
