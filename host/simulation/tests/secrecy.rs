//! What of a world is secret, and who may have it: vault, card images, directory, memory.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use apdu_spec::element::{Algorithm, Amount, Time};
use background::VaultFile;
use background::vault::{Cost, Lock, Passphrase};
use host::reader::virtual_reader::VirtualReader;
use host::terminal::load::Funding;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use simulation::world::{Founding, Limits};
use simulation::{Error, World, day};

const NOW: Time = Time(1_770_000_000);
const SECRET: &str = "correct horse battery";
const LIMITS: Limits = Limits { maximum: 20_000, overdraft: 0, purchase: 5_000 };

fn random(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

fn lock(passphrase: &str) -> Lock {
    let passphrase = Passphrase::new(passphrase.into()).unwrap();
    Lock::new(&passphrase, Cost::LEAST, &mut random(9)).unwrap()
}

/// A world that is no demonstration.
fn found(directory: &Path) -> Result<World, Error> {
    let founding = Founding { algorithm: Algorithm::AesCmac, lock: lock(SECRET), observer: None };
    World::found(directory, day::scheme(), founding, random(1), NOW)
}

fn create(directory: &Path) -> Result<World, Error> {
    World::create(directory, day::scheme(), Algorithm::AesCmac, random(1), NOW)
}

fn open(directory: &Path, passphrase: &str) -> Result<World, Error> {
    World::open_with(directory, random(2), &mut || Ok(Passphrase::new(passphrase.into()).unwrap()))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// All files and directories below.
fn all_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(
            |path| if path.is_dir() { [vec![path.clone()], all_in(&path)].concat() } else { vec![path] },
        )
        .collect()
}

/// Value goes round in it.
fn live(world: &mut World) -> u64 {
    let purse = world.issue_purse(LIMITS, NOW).unwrap();
    let amount = |minor| Amount::new(minor).unwrap();
    world.load(purse, amount(2_000), Funding::Account, NOW).unwrap();
    world.pay(purse, "kiosk", amount(500), NOW).unwrap();
    purse
}

#[test]
fn a_real_scheme_lives_under_its_passphrase() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("data");
    let purse = live(&mut found(&directory).unwrap());
    let mut world = open(&directory, SECRET).unwrap();
    assert!(!world.is_demo());
    world.pay(purse, "kiosk", Amount::new(300).unwrap(), NOW).unwrap();
    let balance = world.purse_card(purse).unwrap().unwrap().balance().unwrap();
    assert_eq!(balance.balance.0, 1_200);
    assert_eq!(world.add_key_version(Algorithm::AesCmac).unwrap(), 2);
    world.relock(lock("another long word")).unwrap();
    drop(world);
    let wrong = open(&directory, SECRET).unwrap_err();
    assert!(matches!(wrong, Error::Background(background::Error::WrongPassphrase(_))), "{wrong}");
    let without = World::open(&directory, random(3)).unwrap_err();
    assert!(matches!(without, Error::Background(background::Error::NoPassphrase(_))), "{without}");
    let mut world = open(&directory, "another long word").unwrap();
    assert_eq!(world.background().key_versions().len(), 14);
}

/// A thief who copies vault and images: no key is in them in clear, though all are in a demonstration's.
#[test]
fn a_copied_directory_has_no_key() {
    let place = tempfile::tempdir().unwrap();
    let demo = place.path().join("demo");
    live(&mut create(&demo).unwrap());
    let (_, vault) = VaultFile::open_plain(&demo.join("vault.json")).unwrap();
    assert!(vault.image_key().is_none());
    let text = fs::read_to_string(demo.join("vault.json")).unwrap();
    let master = text.split('"').skip_while(|word| *word != "purchase").nth(12).unwrap();
    let master = hex::decode(master).unwrap();
    let has = |path: &Path, needle: &[u8]| {
        fs::read(path).unwrap().windows(needle.len()).any(|window| window == needle)
    };
    assert!(has(&demo.join("sams/1.card"), &master), "a PSAM has the purchase key");

    // The same seed makes the same keys, under a passphrase.
    let real = place.path().join("real");
    live(&mut found(&real).unwrap());
    let digits = hex::encode(&master);
    for path in all_in(&real).into_iter().filter(|path| path.is_file()) {
        assert!(!has(&path, &master) && !has(&path, digits.as_bytes()), "{}", path.display());
    }
    let stolen = VirtualReader::open(&real.join("sams/1.card"), Box::new(random(1)), false);
    assert!(stolen.unwrap_err().to_string().contains("sealed"));
}

/// Nothing real grows out of a demonstration: not by the marker, not by the vault, not by an image.
#[test]
fn a_demonstration_stays_one() {
    let place = tempfile::tempdir().unwrap();
    let (demo, real) = (place.path().join("demo"), place.path().join("real"));
    let mut world = create(&demo).unwrap();
    assert!(world.is_demo());
    assert!(matches!(world.relock(lock(SECRET)), Err(Error::Demo(_))));
    drop(world);
    let scheme = demo.join("scheme.json");
    let text = fs::read_to_string(&scheme).unwrap();
    fs::write(&scheme, text.replace("\"demo\": true", "\"demo\": false")).unwrap();
    let error = open(&demo, SECRET).unwrap_err();
    assert!(matches!(error, Error::Background(background::Error::PlainVault(_))), "{error}");
    fs::write(&scheme, text.replace("  \"demo\": true,\n", "")).unwrap();
    assert!(matches!(open(&demo, SECRET), Err(Error::File { .. })));
    fs::write(&scheme, text).unwrap();
    drop(World::open(&demo, random(4)).unwrap());
    // The other way round: a real scheme is not opened as if its keys were no secret.
    let mut world = found(&real).unwrap();
    let purse = live(&mut world);
    let image = world.purse_path(purse);
    drop(world);
    let scheme = real.join("scheme.json");
    let text = fs::read_to_string(&scheme).unwrap();
    fs::write(&scheme, text.replace("\"demo\": false", "\"demo\": true")).unwrap();
    let error = World::open(&real, random(4)).unwrap_err();
    assert!(matches!(error, Error::Background(background::Error::SealedVault(_))), "{error}");
    fs::write(&scheme, text).unwrap();
    // A plain card in the place of a sealed one.
    let mut world = create(&place.path().join("other")).unwrap();
    let plain = world.issue_purse(LIMITS, NOW).unwrap();
    fs::copy(world.purse_path(plain), &image).unwrap();
    let error = open(&real, SECRET).unwrap().purse(purse).map(drop).unwrap_err();
    assert!(error.to_string().contains("in clear"), "{error}");
}

#[test]
fn a_directory_that_others_may_read_is_tightened() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("data");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
    let mut world = create(&directory).unwrap();
    live(&mut world);
    assert_eq!(mode(&directory), 0o700);
    for path in all_in(&directory).into_iter().filter(|path| path.is_dir()) {
        assert_eq!(mode(&path), 0o700, "{}", path.display());
    }
    // Also where it is handed on without its directory.
    for file in ["vault.json", "background.db", "cards/purse-1.card", "sams/1.card", "transfer/800.card"] {
        assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
    }
}

/// Only who may give a directory away can see this: root, as in CI.
#[test]
fn a_directory_of_somebody_else_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("data");
    fs::create_dir(&directory).unwrap();
    if std::os::unix::fs::chown(&directory, Some(12_345), None).is_err() {
        eprintln!("SKIPPED: only root can give a directory away");
        return;
    }
    assert!(matches!(create(&directory), Err(Error::NotOurs(_))));
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
}
