//! The house around the money: vault, issuance, database files, tampering.

mod support;

use std::os::unix::fs::PermissionsExt as _;

use apdu_spec::Element;
use apdu_spec::element::{Algorithm, Amount, Balance, Currency, Time};
use apdu_spec::personalisation::{DataGroup, Function, KeyData};
use apdu_spec::security_domain::{LAST, MORE};
use background::{Background, Error, PurseOrder, TransferOrder, Vault, VaultFile};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rusqlite::Connection;
use support::*;

#[test]
fn a_vault_is_its_owners_and_shows_nothing() {
    let world = World::new();
    let path = world.folder.path().join("vault.json");
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(format!("{:?}", world.vault()), "Vault(7 master keys, not shown)");
    std::fs::write(&path, "{\"format\": 2, \"plain\": {\"keys\": [{}]}}").expect("written");
    assert!(VaultFile::open_plain(&path).expect_err("damaged").to_string().contains("vault.json"));
    assert!(matches!(VaultFile::open_plain(&path.with_extension("missing")), Err(Error::Io { .. })));
}

#[test]
fn key_versions_are_added_and_never_replaced() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut vault = Vault::new();
    vault.add_version(1, Algorithm::AesCmac, &[1, 2], &mut rng).expect("added");
    assert!(vault.add_version(1, Algorithm::AesCmac, &[1], &mut rng).is_err());
    vault.add_version(2, Algorithm::RetailMac, &[1], &mut rng).expect("added");
    assert_eq!(vault.highest(Function::Purchase, 1).map(|key| key.version), Some(2));
    assert_eq!(vault.highest(Function::Purchase, 2).map(|key| key.version), Some(1));
    assert!(vault.reference(Function::Purchase, 2, 2).is_err());
}

#[test]
fn a_foreign_vault_does_not_open_the_database() {
    let world = World::new();
    let mut rng = ChaCha20Rng::seed_from_u64(99);
    let mut foreign = Vault::new();
    foreign.add_version(1, Algorithm::AesCmac, &[GROUP], &mut rng).expect("keys");
    let error = Background::open(&world.database(), foreign).expect_err("foreign");
    assert!(matches!(error, Error::ForeignVault(_)), "{error}");
}

fn order(number: u64) -> PurseOrder {
    let mut world = World::new();
    PurseOrder {
        iep: world.purse(number).identity.iep,
        currency: Currency::GBP,
        expiry: NOW.date(),
        maximum: Balance(1_000),
        overdraft: Amount::default(),
        purchase_limit: amount(10),
        groups: vec![GROUP],
        versions: vec![1],
        legacy: None,
        pin: None,
    }
}

#[test]
fn blocks_are_in_order_and_numbers_are_issued_once() {
    let mut world = World::new();
    let blocks = world.background.issue_purse(&order(5), NOW).expect("issued");
    assert_eq!(blocks[0].group, DataGroup::Purse);
    assert!(blocks[1..].iter().all(|block| block.group == DataGroup::Key));
    assert_eq!(blocks.iter().map(|block| block.last).collect::<Vec<_>>(), [MORE, MORE, MORE, LAST]);
    assert_eq!(blocks.iter().map(|block| block.block).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(matches!(world.background.issue_purse(&order(5), NOW), Err(Error::AlreadyRegistered(_))));
}

#[test]
fn the_same_order_gets_the_same_again() {
    let mut world = World::new();
    let background = &mut world.background;
    assert!(background.register_purse(&order(5), NOW).expect("registered"));
    assert!(!background.register_purse(&order(5), NOW).expect("the same"));
    let other = PurseOrder { maximum: Balance(2_000), ..order(5) };
    assert!(matches!(background.register_purse(&other, NOW), Err(Error::AlreadyRegistered(_))));
    let blocks = |background: &Background| background.purse_blocks(&order(5)).expect("blocks");
    assert!(blocks(background) == blocks(background));
    assert!(background.knows_purse(order(5).iep).expect("asked"));
    assert!(!background.knows_purse(order(6).iep).expect("asked"));
}

#[test]
fn a_generation_reaches_vault_file_database_and_cards() {
    let mut world = World::new();
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let (file, iep) = (world.folder.path().join("vault.json"), order(5).iep);
    let background = &mut world.background;
    assert!(
        background.purse_generation(iep, &[GROUP], 2).is_err()
            && background.sam_generation(GROUP, 2).is_err()
    );
    assert_eq!(background.all_channel_keys(iep).len(), 1);
    let version =
        background.add_key_version(&world.file, Algorithm::RetailMac, &[GROUP], &mut rng).expect("added");
    assert_eq!(version, 2);
    let purse = background.purse_generation(iep, &[GROUP], 2).expect("a generation");
    let sam = background.sam_generation(GROUP, 2).expect("a generation");
    assert_eq!((purse.group, sam.group), (DataGroup::Generation, DataGroup::Generation));
    let places: Vec<_> = background.all_channel_keys(iep).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, [0x31, 0x30], "newest first");
    assert!(places.into_iter().all(Background::is_own_version) && !Background::is_own_version(0xFF));
    let names: Vec<_> = background.key_versions().into_iter().map(|key| key.name).collect();
    assert!(names.contains(&"load key, group 0, version 2".to_owned()), "{names:?}");
    // The file has what the database has noted.
    let (_, vault) = VaultFile::open_plain(&file).expect("the vault");
    assert!(Background::open(&world.database(), vault).is_ok());
}

#[test]
fn there_are_as_many_generations_as_card_management_has_places() {
    let mut world = World::new();
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let iep = order(5).iep;
    let mut add = || world.background.add_key_version(&world.file, Algorithm::AesCmac, &[GROUP], &mut rng);
    (2..=16).for_each(|version| assert_eq!(add().expect("added"), version));
    let error = add().expect_err("the seventeenth");
    assert!(error.to_string().contains("key versions 1 to 16"), "{error}");
    assert_eq!(world.background.all_channel_keys(iep).first().map(|(place, _)| *place), Some(0x3F));
}

/// Design, Keys: a SAM never holds a load or certificate key.
#[test]
fn nobody_gets_a_key_that_is_not_theirs() {
    let mut world = World::new();
    let merchant = world.merchant;
    let sam = background::SamOrder {
        sam: sam_id(3),
        name: "Till".into(),
        merchant,
        expiry: NOW.date(),
        currency: Currency::EUR,
        purchase_limit: amount(1),
        group: GROUP,
        versions: vec![1],
        providers: vec![provider()],
        connection: background::store::participants::Connection::Periodic,
    };
    let blocks = world.background.issue_sam(&sam, &mut world.rng, NOW).expect("issued");
    let functions = |blocks: &[apdu_spec::security_domain::DataBlock]| -> Vec<Function> {
        let keys = blocks.iter().filter(|block| block.group == DataGroup::Key);
        keys.map(|block| KeyData::from_bytes(block.content.as_slice()).expect("key").function).collect()
    };
    assert_eq!(functions(&blocks), [Function::Purchase, Function::Record, Function::Cancellation]);
    let card = TransferOrder { card: sam_id(4), name: "Courier".into(), version: 1 };
    let blocks = world.background.issue_transfer(&card, NOW).expect("issued");
    assert_eq!(functions(&blocks), [Function::Record]);
    let release = world.background.release(sam_id(4), 10, 3).expect("released");
    assert_eq!((release.parcels, release.downloads), (10, 3));
    assert!(world.background.release(sam_id(5), 10, 3).is_err());
}

#[test]
fn a_tampered_sum_shows() {
    for sql in [
        "UPDATE purse SET shadow = shadow + 1",
        "UPDATE value_commit SET amount = amount + 1 WHERE kind = 1",
        "UPDATE transfer SET amount = amount + 1",
        "UPDATE account SET balance = balance + 1 WHERE role = 4",
        "UPDATE value_commit SET state = 2 WHERE kind = 1",
    ] {
        let mut world = World::new();
        let (mut purse, mut sam) = (world.purse(1), world.sam(1));
        world.load(&mut purse, 1_000);
        world.buy(&mut purse, &mut sam, 300);
        world.collect(&mut sam);
        world.check();
        let connection = Connection::open(world.database()).expect("open");
        connection.execute(sql, []).expect(sql);
        assert!(!world.background.reconcile().expect("reconciled").is_empty(), "{sql}");
        assert!(connection.execute("UPDATE posting SET amount = 1", []).is_err(), "postings are immutable");
        assert!(connection.execute("DELETE FROM posting", []).is_err(), "postings are immutable");
    }
}

#[test]
fn files_that_are_not_ours_are_refused_by_name() {
    let world = World::new();
    let path = world.database();
    assert!(matches!(Background::create(&path, world.vault()), Err(Error::Exists(_))));
    let missing = path.with_extension("missing");
    let error = Background::open(&missing, world.vault()).expect_err("missing");
    assert!(error.to_string().contains("purse.missing"), "{error}");
    std::fs::write(&missing, "this is a text of some length and no database at all").expect("written");
    assert!(matches!(Background::open(&missing, world.vault()), Err(Error::NotOurs(_))));
    let foreign = path.with_extension("foreign");
    Connection::open(&foreign).and_then(|db| db.execute_batch("CREATE TABLE t (a)")).expect("made");
    assert!(matches!(Background::open(&foreign, world.vault()), Err(Error::NotOurs(_))));
}

#[test]
fn a_newer_schema_is_refused() {
    let world = World::new();
    let (path, vault) = (world.database(), world.vault());
    Connection::open(&path).and_then(|db| db.execute_batch("PRAGMA user_version = 99")).expect("changed");
    let error = Background::open(&path, vault).expect_err("newer");
    assert!(matches!(error, Error::NewerSchema { found: 99, .. }), "{error}");
    drop(world);
}

#[test]
fn a_locked_database_says_so() {
    let mut world = World::new();
    let other = Connection::open(world.database()).expect("open");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let error = world.background.settle(Time(1)).expect_err("locked");
    assert!(matches!(error, Error::Locked), "{error}");
    other.execute_batch("ROLLBACK").expect("free");
    world.background.settle(Time(1)).expect("free again");
}
