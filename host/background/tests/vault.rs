//! The vault's file: under a passphrase or plain, damaged, rotated, interrupted.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use apdu_spec::element::Algorithm;
use background::vault::{Cost, Lock, Passphrase};
use background::{Background, Error, Vault, VaultFile};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::Value;

const SECRET: &str = "correct horse battery";

struct Place {
    folder: tempfile::TempDir,
    rng: ChaCha20Rng,
}

impl Place {
    /// A folder with a vault under a passphrase.
    fn new() -> Self {
        let mut place = Self { folder: tempfile::tempdir().unwrap(), rng: ChaCha20Rng::seed_from_u64(1) };
        let (vault, lock) = (place.vault(), place.lock(SECRET));
        VaultFile::create(&place.path(), lock, &vault, &mut place.rng).unwrap();
        place
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("vault.json")
    }

    fn vault(&mut self) -> Vault {
        let mut vault = Vault::new();
        vault.add_version(1, Algorithm::AesCmac, &[1], &mut self.rng).unwrap();
        vault.add_image_key(&mut self.rng).unwrap();
        vault
    }

    fn lock(&mut self, passphrase: &str) -> Lock {
        Lock::new(&word(passphrase), Cost::LEAST, &mut self.rng).unwrap()
    }

    fn open(&self, passphrase: &str) -> Result<(VaultFile, Vault), Error> {
        VaultFile::open(&self.path(), &mut || Ok(word(passphrase)))
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path()).unwrap()).unwrap()
    }
}

fn word(text: &str) -> Passphrase {
    Passphrase::new(text.into()).unwrap()
}

/// What tells two vaults apart and gives nothing away.
fn check_values(vault: Vault) -> Vec<[u8; 3]> {
    let background = Background::in_memory(vault).unwrap();
    background.key_versions().into_iter().map(|key| key.check_value).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_passphrase_gives_the_keys_back_and_the_file_has_none() {
    let mut place = Place::new();
    let vault = place.vault();
    let images = vault.image_key().unwrap();
    fs::remove_file(place.path()).unwrap();
    let lock = place.lock(SECRET);
    VaultFile::create(&place.path(), lock, &vault, &mut place.rng).unwrap();
    let (_, read) = place.open(SECRET).unwrap();
    assert_eq!(read.image_key().unwrap(), images);
    assert_eq!(check_values(read), check_values(vault));
    let text = fs::read_to_string(place.path()).unwrap();
    assert!(!text.contains("purchase") && !text.contains(&hex::encode(&images[..16])), "{text}");
    assert_eq!(mode(&place.path()), 0o600);
}

/// A plain file has the keys for everybody to see, which is how the test above can fail.
#[test]
fn a_plain_vault_is_read_by_who_says_so_alone() {
    let mut place = Place::new();
    fs::remove_file(place.path()).unwrap();
    let vault = place.vault();
    VaultFile::create(&place.path(), Lock::Open, &vault, &mut place.rng).unwrap();
    let text = fs::read_to_string(place.path()).unwrap();
    assert!(text.contains("purchase") && text.contains(&hex::encode(&vault.image_key().unwrap()[..16])));
    let asked = VaultFile::open(&place.path(), &mut || panic!("there is nothing to ask"));
    assert!(matches!(asked, Err(Error::PlainVault(_))));
    let (file, read) = VaultFile::open_plain(&place.path()).unwrap();
    assert!(file.lock().is_open());
    assert_eq!(check_values(read), check_values(vault));
}

#[test]
fn what_is_wrong_has_an_error_of_its_own() {
    let place = Place::new();
    let error = place.open("wrong horse battery").unwrap_err();
    assert!(matches!(error, Error::WrongPassphrase(_)), "{error}");
    let missing = VaultFile::open(&place.path(), &mut || Err(Error::NoPassphrase(place.path())));
    let error = missing.unwrap_err().to_string();
    assert!(error.contains("--passphrase-file") && error.contains("PURSE_PASSPHRASE"), "{error}");
    assert!(matches!(VaultFile::open_plain(&place.path()), Err(Error::SealedVault(_))));
    fs::write(place.path(), "{").unwrap();
    assert!(matches!(place.open(SECRET), Err(Error::VaultFile { .. })));
    fs::remove_file(place.path()).unwrap();
    assert!(matches!(place.open(SECRET), Err(Error::Io { .. })));
}

/// Every field, cost and salt included: each of them changed, none is taken for the right one.
#[test]
fn every_field_counts() {
    let place = Place::new();
    let whole = place.json();
    for (field, value) in whole["sealed"].as_object().unwrap() {
        let mut changed = whole.clone();
        changed["sealed"][field] = match value {
            Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
            Value::String(text) => {
                let first = if text.starts_with('0') { "1" } else { "0" };
                format!("{first}{}", &text[1..]).into()
            }
            _ => panic!("{field}"),
        };
        fs::write(place.path(), changed.to_string()).unwrap();
        let error = place.open(SECRET).unwrap_err();
        let guess = ["memory", "passes", "lanes", "salt", "check"].contains(&field.as_str());
        match error {
            Error::WrongPassphrase(_) => assert!(guess, "{field}"),
            Error::VaultFile { .. } => assert!(!guess || field == "lanes", "{field}"),
            other => panic!("{field}: {other}"),
        }
    }
    fs::write(place.path(), whole.to_string()).unwrap();
    place.open(SECRET).unwrap();
}

#[test]
fn no_bit_of_the_sealed_text_can_be_changed() {
    let place = Place::new();
    let mut changed = place.json();
    let text = hex::decode(changed["sealed"]["text"].as_str().unwrap()).unwrap();
    for bit in (0..8 * text.len()).step_by(61) {
        let mut other = text.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        changed["sealed"]["text"] = hex::encode(&other).into();
        fs::write(place.path(), changed.to_string()).unwrap();
        let error = place.open(SECRET).unwrap_err().to_string();
        assert!(error.contains("damaged, or was changed"), "bit {bit}: {error}");
    }
}

#[test]
fn a_file_asks_for_no_more_than_is_sensible() {
    let place = Place::new();
    let whole = place.json();
    for (field, value) in [("memory", 2_u32 << 20), ("passes", 65), ("lanes", 17), ("memory", 0)] {
        let mut changed = whole.clone();
        changed["sealed"][field] = value.into();
        fs::write(place.path(), changed.to_string()).unwrap();
        let error = place.open(SECRET).unwrap_err().to_string();
        assert!(error.contains("out of bounds"), "{field}: {error}");
    }
}

#[test]
fn a_passphrase_is_rotated_and_the_old_one_opens_nothing() {
    let mut place = Place::new();
    let (mut file, vault) = place.open(SECRET).unwrap();
    let before = place.json();
    let lock = place.lock("another long word");
    file.relock(lock, &vault, &mut place.rng).unwrap();
    assert!(matches!(place.open(SECRET), Err(Error::WrongPassphrase(_))));
    assert_ne!(before["sealed"]["salt"], place.json()["sealed"]["salt"]);
    // What is saved later is under the new one.
    file.save(&vault, &mut place.rng).unwrap();
    assert_eq!(check_values(place.open("another long word").unwrap().1), check_values(vault));
    assert_eq!(mode(&place.path()), 0o600);
}

/// Interrupted before the new file has its name: the old one is there. What was left behind, even
/// readable to all, is in nobody's way and keeps nothing of its mode.
#[test]
fn an_interrupted_rotation_leaves_the_old_file() {
    let mut place = Place::new();
    let partial = place.path().with_extension("partial");
    fs::write(&partial, "half a fi").unwrap();
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o666)).unwrap();
    let (mut file, vault) = place.open(SECRET).unwrap();
    let lock = place.lock("another long word");
    file.relock(lock, &vault, &mut place.rng).unwrap();
    assert_eq!(mode(&place.path()), 0o600);
    assert!(!partial.exists());
    // A rotation that cannot be written changes neither the file nor what is saved later.
    fs::create_dir(&partial).unwrap();
    let lock = place.lock("a third long word");
    assert!(matches!(file.relock(lock, &vault, &mut place.rng), Err(Error::Io { .. })));
    fs::remove_dir(&partial).unwrap();
    file.save(&vault, &mut place.rng).unwrap();
    place.open("another long word").unwrap();
}

#[test]
fn a_vault_is_not_written_over() {
    let mut place = Place::new();
    let vault = place.vault();
    let again = VaultFile::create(&place.path(), Lock::Open, &vault, &mut place.rng);
    assert!(matches!(again, Err(Error::Exists(_))));
    place.open(SECRET).unwrap();
}

#[test]
fn a_passphrase_has_some_length_and_is_never_shown() {
    let mut place = Place::new();
    assert!(Passphrase::new(String::new()).is_none());
    let short = Lock::new(&word("seven77"), Cost::LEAST, &mut place.rng).unwrap_err();
    assert!(short.to_string().contains("eight characters"), "{short}");
    assert!(!format!("{:?}{:?}", word(SECRET), place.lock(SECRET)).contains("horse"));
    assert_eq!(Cost::default(), Cost { memory: 19_456, passes: 2, lanes: 1 }, "OWASP");
}
