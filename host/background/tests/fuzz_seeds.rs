//! The fuzzer's bodies of this crate on stable Rust: every committed seed and every crash that was
//! ever found, and seeds with a byte turned.

#![allow(clippy::unwrap_used)] // a test fails by panicking
#![allow(unreachable_pub)] // the fuzzer uses the bodies too

mod fuzz_bodies;
#[path = "../../../fuzz/replay.rs"]
mod replay;

use apdu_spec::element::Algorithm;
use background::vault::{Cost, Lock, Passphrase};
use background::{Background, Vault, VaultFile};
use fuzz_bodies::vault_file::PASSPHRASE;
use fuzz_bodies::{books, vault_file};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use replay::replay;

fn vault(rng: &mut ChaCha20Rng) -> Vault {
    let mut vault = Vault::new();
    vault.add_version(1, Algorithm::AesCmac, &[1], rng).unwrap();
    vault
}

fn vault_files() -> Vec<(&'static str, Vec<u8>)> {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let (folder, vault) = (tempfile::tempdir().unwrap(), vault(&mut rng));
    let passphrase = Passphrase::new(PASSPHRASE.into()).unwrap();
    let sealed = Lock::new(&passphrase, Cost::LEAST, &mut rng).unwrap();
    let mut written = |name, lock| {
        let path = folder.path().join(name);
        VaultFile::create(&path, lock, &vault, &mut rng).unwrap();
        (name, std::fs::read(&path).unwrap())
    };
    let (plain, sealed) = (written("plain", Lock::Open), written("sealed", sealed));
    let other = |from: &str, to: &str| String::from_utf8(sealed.1.clone()).unwrap().replace(from, to);
    let costly = other("\"memory\": 8", "\"memory\": 4294967295").into_bytes();
    let both = format!("{{\"format\": 2, \"plain\": {{\"keys\": []}}, {}", &other("\"format\": 2,", "")[1..]);
    vec![
        ("neither", b"{\"format\": 2}".to_vec()),
        ("both", both.into_bytes()),
        ("costly", costly),
        ("torn", sealed.1[..sealed.1.len() / 2].to_vec()),
        plain,
        sealed,
    ]
}

/// A head file, and the entry that begins a chain, of books that were made here.
fn written_books() -> Vec<(&'static str, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("books.db");
    let background = Background::create(&database, vault(&mut ChaCha20Rng::seed_from_u64(7))).unwrap();
    assert_eq!(background.head().map(|head| head.number), Some(2));
    drop(background);
    let entry = rusqlite::Connection::open(&database).unwrap();
    let changes = entry.query_row("SELECT changes FROM chain ORDER BY number", [], |row| row.get(0)).unwrap();
    let head = std::fs::read(database.with_extension("head")).unwrap();
    let row = [&[0x11, 5, 0x00, 0x10, 0x30, 0, 0, 0, 2][..], b"ab", &[0x40, 0, 0, 0, 1, 9]].concat();
    vec![("head", head), ("entry", changes), ("row", row), ("long", vec![0x40, 0xFF, 0xFF, 0xFF, 0xFF])]
}

#[test]
fn vault_files_are_replayed() {
    let run = |bytes: &[u8]| {
        vault_file::run(bytes);
    };
    replay("vault_file", run, &vault_files());
}

#[test]
fn books_are_replayed() {
    replay("books", books::run, &written_books());
}

/// What is whole opens in one way; of a sealed file no changed byte does.
#[test]
fn bytes_that_are_turned_do_no_harm() {
    for (name, bytes) in vault_files() {
        assert_eq!(vault_file::run(&bytes), usize::from(["plain", "sealed"].contains(&name)), "{name}");
        for at in (0..bytes.len()).step_by(7) {
            let mut turned = bytes.clone();
            turned[at] ^= 0x01;
            vault_file::run(&turned);
        }
    }
    for (_, bytes) in written_books() {
        for at in 0..bytes.len() {
            books::run(&bytes[..at]);
            books::run(&bytes[at..]);
        }
    }
}
