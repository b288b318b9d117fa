//! An insider edits the database behind the program's back: with any tool, dropping triggers, and
//! with copies of older files. He does not hold the vault. Whatever he does is named, the
//! next settlement pays nothing that he made up, and what a crash leaves is taken for none of it.

mod support;

use std::hash::BuildHasher as _;
use std::path::{Path, PathBuf};

use apdu_spec::element::{Algorithm, Kind};
use apdu_spec::record::Outcome;
use background::audit::finding::FindingKind;
use background::audit::restore;
use background::audit::verify::verify;
use background::store::Store;
use background::{Background, Error, Vault};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use rusqlite::Connection;
use rusqlite::types::Value;
use support::*;

/// A day with a bit of everything: loads, an unload, payments settled and not, a voided one that
/// was taken back, a claim, an exception, a hotlisted purse.
fn day() -> World {
    let mut world = World::new();
    let (mut one, mut two, mut sam) = (world.purse(1), world.purse(2), world.sam(1));
    world.load(&mut one, 10_000);
    world.load(&mut two, 5_000);
    world.buy(&mut one, &mut sam, 250);
    world.buy(&mut two, &mut sam, 400);
    world.collect(&mut sam);
    world.background.settle(NOW).expect("settled");
    world.transfer(&mut two, Kind::Unload, 1_000);
    let value = world.pay(&mut one, &mut sam, 100);
    let back = one.cancel(&value);
    sam.entries.extend([(Outcome::Voided, value), (Outcome::Receipt, back)]);
    let claimed = world.pay(&mut two, &mut sam, 50);
    sam.entries.push((Outcome::Unresolved, unanswered(&claimed)));
    let forged = one.forge(&value);
    sam.entries.push((Outcome::Receipt, forged));
    world.collect(&mut sam);
    world.buy(&mut one, &mut sam, 700);
    world.buy(&mut one, &mut sam, 900);
    world.collect(&mut sam);
    world.background.hotlist(two.identity.iep, NOW).expect("hotlisted");
    world
}

/// Runs SQL as the insider does.
fn edit(path: &Path, sql: &str) {
    let connection = Connection::open(path).expect("open");
    connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON").expect("off");
    connection.execute_batch(sql).expect(sql);
    assert!(connection.changes() > 0 || sql.contains("TRIGGER"), "{sql} changes nothing");
}

/// After this edit there is a finding of this kind that says these words.
fn is_named(sql: &str, kind: FindingKind, words: &str) {
    let world = day();
    edit(&world.database(), sql);
    let found = world.look().findings;
    let named = found.iter().any(|finding| finding.kind == kind && finding.to_string().contains(words));
    assert!(named, "{sql}: {found:#?}");
}

#[test]
fn a_day_is_clean() {
    let mut world = day();
    let seen = world.look();
    assert_eq!(seen.findings, []);
    assert_eq!(Some(seen.head), world.background.head().map(|head| head.to_string()));
    assert!(seen.entries > 10 && seen.rows > 40, "{} {}", seen.entries, seen.rows);
    world.background.settle(NOW).expect("settled");
    assert_eq!(world.look().findings, []);
}

#[test]
fn a_cleared_hotlist_is_named() {
    let purse = "purse, 11-";
    is_named("UPDATE purse SET hotlisted = NULL WHERE hotlisted NOT NULL", FindingKind::RowRolledBack, purse);
    is_named("UPDATE purse SET hotlisted = 1 WHERE hotlisted NOT NULL", FindingKind::RowEdited, purse);
}

#[test]
fn a_deleted_exception_is_named() {
    is_named("DELETE FROM exception WHERE exception = 1", FindingKind::RowDeleted, "exception, 1");
}

#[test]
fn a_raised_settlement_line_is_named() {
    is_named(
        "UPDATE settlement_line SET total = total + 100",
        FindingKind::RowEdited,
        "settlement line, settlement 1, merchant 1",
    );
    is_named("UPDATE settlement_line SET total = total + 100", FindingKind::Ledger, "lines of settlement 1");
}

#[test]
fn a_removed_claim_is_named() {
    is_named("DELETE FROM claim", FindingKind::RowDeleted, "claim, sam 77-");
}

#[test]
fn an_edited_posting_is_named_though_its_trigger_was_dropped() {
    let sql = "DROP TRIGGER posting_is_final; UPDATE posting SET amount = amount + 1 WHERE event = 1";
    is_named(sql, FindingKind::RowEdited, "posting, event 1");
    is_named(sql, FindingKind::Schema, "trigger posting_is_final: is missing");
    is_named(sql, FindingKind::Ledger, "posting, event 1");
}

#[test]
fn a_made_up_load_is_named() {
    let sql = "INSERT INTO transfer SELECT purse, nt + 100, kind, state, funding, sam, currency, nv, amount, request, answer
               FROM transfer WHERE kind = 0 LIMIT 1";
    is_named(sql, FindingKind::RowInserted, "transfer, purse 11-");
    is_named(sql, FindingKind::Evidence, "transfer of purse 11-");
    is_named(sql, FindingKind::Ledger, "load of purse 11-");
}

/// A copy of a payment under another number: nobody is paid for it.
#[test]
fn a_made_up_payment_is_named_and_not_paid() {
    let made_up =
        "INSERT INTO value_commit SELECT purse, 99, kind, 1, source, sam, 99, amount, NULL, evidence, batch
                   FROM value_commit WHERE kind = 1 LIMIT 1";
    is_named(made_up, FindingKind::RowInserted, "value commit, purse 11-");
    for sql in [
        made_up,
        "UPDATE value_commit SET amount = amount + 100 WHERE state = 1",
        "UPDATE value_commit SET state = 1 WHERE state = 2",
        "DELETE FROM value_commit WHERE state = 1 AND nv = (SELECT MAX(nv) FROM value_commit WHERE state = 1)",
        "INSERT INTO merchant VALUES (2, 'Mallory', 77); UPDATE module SET merchant = 2 WHERE merchant = 1",
        "UPDATE merchant SET name = 'Mallory'",
        "UPDATE module SET acquirer = 78 WHERE role = 1",
        "UPDATE account SET owner = 2 WHERE role = 5",
        "DROP TRIGGER posting_is_final; UPDATE posting SET amount = amount + 1 WHERE event = 1",
        "CREATE TRIGGER more AFTER INSERT ON settlement_line BEGIN
             UPDATE settlement_line SET total = total * 2 WHERE settlement = NEW.settlement; END",
        "UPDATE chain SET changes = X'00' WHERE number = (SELECT MAX(number) FROM chain)",
        "DELETE FROM chain WHERE number = (SELECT MAX(number) FROM chain)",
    ] {
        let mut world = day();
        edit(&world.database(), sql);
        let error = world.background.settle(NOW).expect_err(sql);
        assert!(matches!(error, Error::Tampered(_)), "{sql}: {error}");
        let paid = Connection::open(world.database()).expect("open");
        let settlements = paid.query_row("SELECT COUNT(*) FROM settlement", [], |row| row.get(0));
        assert_eq!(settlements, Ok(1), "{sql}");
    }
}

/// The insider edits, and lets the program itself write the row once more.
#[test]
fn a_row_that_the_program_takes_up_edited_is_named() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 1_000);
    edit(&world.database(), "UPDATE purse SET shadow = shadow + 500");
    world.buy(&mut purse, &mut sam, 100);
    world.collect(&mut sam);
    let found = world.look().findings;
    let kinds: Vec<_> = found.iter().map(|finding| finding.kind).collect();
    assert!(kinds.contains(&FindingKind::RowLaundered) && kinds.contains(&FindingKind::Ledger), "{found:#?}");
    assert!(matches!(world.background.settle(NOW), Err(Error::Tampered(_))));
}

#[test]
fn two_rows_that_are_swapped_are_both_named() {
    let world = day();
    edit(
        &world.database(),
        "CREATE TABLE x AS SELECT nv, evidence FROM value_commit WHERE kind = 1 AND purse = (SELECT MIN(purse) FROM purse) LIMIT 2;
         UPDATE value_commit SET evidence = (SELECT evidence FROM x WHERE x.nv <> value_commit.nv)
         WHERE purse = (SELECT MIN(purse) FROM purse) AND nv IN (SELECT nv FROM x); DROP TABLE x;",
    );
    let found = world.look().findings;
    let edited = found.iter().filter(|finding| finding.kind == FindingKind::RowEdited).count();
    let wrong = found.iter().filter(|finding| finding.kind == FindingKind::Evidence).count();
    assert_eq!((edited, wrong >= 2), (2, true), "{found:#?}");
}

/// Copies of the files, as an insider or a backup keeps them.
fn keep(world: &World, name: &str) -> PathBuf {
    let copy = world.folder.path().join(name);
    let connection = Connection::open(world.database()).expect("open");
    connection.execute("VACUUM INTO ?1", [copy.to_str().expect("UTF-8")]).expect("copied");
    copy
}

/// Puts a copy in the place of the database, which nobody has open.
fn bring_back(world: &World, copy: &Path) {
    for ending in ["db-wal", "db-shm"] {
        let _ = std::fs::remove_file(world.database().with_extension(ending));
    }
    std::fs::copy(copy, world.database()).expect("copied");
}

/// Closes the database of a world.
fn close(world: &mut World) {
    world.background = Background::in_memory(world.vault()).expect("another one");
}

#[test]
fn an_older_database_is_refused_and_named() {
    let mut world = day();
    let copy = keep(&world, "older.db");
    world.background.settle(NOW).expect("settled");
    close(&mut world);
    bring_back(&world, &copy);
    let error = Background::open(&world.database(), world.vault()).expect_err("older");
    assert!(error.to_string().contains("it was rolled back"), "{error}");
    let found = world.look().findings;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].kind, FindingKind::RolledBack);
}

#[test]
fn a_tail_that_is_cut_is_refused_and_named() {
    let mut world = day();
    close(&mut world);
    edit(&world.database(), "DELETE FROM chain WHERE number > (SELECT MAX(number) - 2 FROM chain)");
    assert!(matches!(Background::open(&world.database(), world.vault()), Err(Error::Tampered(_))));
    let found = world.look().findings;
    assert!(found.iter().any(|finding| finding.kind == FindingKind::RolledBack), "{found:#?}");
    edit(&world.database(), "DELETE FROM chain");
    let error = Background::open(&world.database(), world.vault()).expect_err("no chain");
    assert!(error.to_string().contains("chain over the books is gone"), "{error}");
}

#[test]
fn a_missing_or_foreign_head_is_refused_and_named() {
    let mut world = day();
    close(&mut world);
    let path = world.head();
    let kept = std::fs::read(&path).expect("the head");
    std::fs::remove_file(&path).expect("removed");
    let error = Background::open(&world.database(), world.vault()).expect_err("no head");
    assert!(error.to_string().contains("purse.head is missing"), "{error}");
    assert_eq!(world.look().findings[0].kind, FindingKind::Head);
    for digit in [3, 30, 90] {
        let mut foreign = kept.clone();
        foreign
            .iter_mut()
            .skip(digit)
            .step_by(512)
            .for_each(|byte| *byte = if *byte == b'7' { b'8' } else { b'7' });
        std::fs::write(&path, foreign).expect("written");
        assert!(
            matches!(Background::open(&world.database(), world.vault()), Err(Error::Tampered(_))),
            "{digit}"
        );
        assert_eq!(world.look().findings[0].kind, FindingKind::Head);
    }
    std::fs::write(&path, &kept[..512]).expect("written");
    Background::open(&world.database(), world.vault()).expect("the head before, after a write that was torn");
}

#[test]
fn a_swapped_vault_is_refused_though_the_key_table_is_empty() {
    let mut world = day();
    close(&mut world);
    edit(&world.database(), "DELETE FROM key_version");
    let mut rng = ChaCha20Rng::seed_from_u64(99);
    let mut foreign = Vault::new();
    foreign.add_version(1, Algorithm::AesCmac, &[GROUP], &mut rng).expect("keys");
    let error = Background::open(&world.database(), foreign).expect_err("foreign");
    assert!(matches!(error, Error::Tampered(_)), "{error}");
    let found = world.look().findings;
    assert!(found.iter().any(|finding| finding.about.starts_with("key version")), "{found:#?}");
}

#[test]
fn a_database_of_an_earlier_program_is_refused() {
    let mut world = day();
    close(&mut world);
    edit(&world.database(), "UPDATE purse SET shadow = shadow; PRAGMA user_version = 1");
    let error = Background::open(&world.database(), world.vault()).expect_err("older");
    assert!(matches!(error, Error::OlderSchema { found: 1, .. }), "{error}");
}

/// A backup is taken up for a reason that stays in the books; the number of the chain only
/// rises, so that neither the lost head nor an older one is ever believed again.
#[test]
fn a_backup_is_taken_up_for_a_reason() {
    let mut world = day();
    let copy = keep(&world, "backup.db");
    world.background.settle(NOW).expect("settled");
    let lost = std::fs::read(world.head()).expect("the head");
    let last = world.background.head().expect("kept").number;
    close(&mut world);
    let accept = |reason: &str, remembered| {
        restore::accept(&world.database(), &world.head(), &world.vault(), reason, remembered, NOW)
    };
    assert!(matches!(accept("disk died", None), Err(Error::BadOrder(_))), "nothing was restored");
    bring_back(&world, &copy);
    assert!(matches!(accept(" ", None), Err(Error::BadOrder(_))));
    let taken_up = accept("disk died", None).expect("taken up");
    assert_eq!((taken_up.entry, taken_up.kept), (last + 1, last - 1));
    let seen = world.look();
    assert_eq!((seen.findings, seen.restorations), (vec![], vec![taken_up]));
    let mut background = Background::open(&world.database(), world.vault()).expect("goes on");
    background.settle(NOW).expect("settled");
    drop(background);
    assert_eq!(world.look().findings, []);

    // A crash before the new head was written leaves the lost one.
    std::fs::write(world.head(), lost).expect("written");
    Background::open(&world.database(), world.vault()).expect("goes on");
    // The machine is gone with its head: somebody remembers a number.
    std::fs::remove_file(world.head()).expect("removed");
    let taken_up = accept("machine lost", Some(500)).expect("taken up");
    assert_eq!(taken_up.entry, 501);
    assert_eq!(world.look().findings, []);
}

#[test]
fn a_backup_that_was_edited_is_not_taken_up() {
    let mut world = day();
    let copy = keep(&world, "backup.db");
    world.background.settle(NOW).expect("settled");
    close(&mut world);
    bring_back(&world, &copy);
    edit(&world.database(), "UPDATE purse SET shadow = shadow + 1 WHERE shadow > 0");
    let accepted = restore::accept(&world.database(), &world.head(), &world.vault(), "disk died", None, NOW);
    assert!(matches!(accepted, Err(Error::Tampered(_))), "{accepted:?}");
}

/// Power fails at every statement of a day's work, between commit and head as well: what is
/// left opens, and is clean.
#[test]
fn a_crash_is_no_edit() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 5_000);
    let mut behind = 0;
    for statements in 0..60 {
        world.buy(&mut purse, &mut sam, 10);
        let batch = sam.close();
        world.background.cut_after(statements);
        let cut = world.background.submit(&batch, NOW).is_err();
        let kept = std::fs::read(world.head()).expect("the head");
        close(&mut world);
        assert_eq!(world.look().findings, [], "cut after {statements}");
        world.background = Background::open(&world.database(), world.vault()).expect("opened");
        behind += u32::from(cut && std::fs::read(world.head()).expect("the head") != kept);
        world.submit(&batch);
    }
    assert!(behind > 0, "power never failed between commit and head");
    world.background.settle(NOW).expect("settled");
    assert_eq!(world.look().findings, []);
}

/// A second process writes in turn.
#[test]
fn two_processes_keep_one_chain() {
    let mut world = day();
    let mut other = Background::open(&world.database(), world.vault()).expect("opened");
    other
        .register_issuer(apdu_spec::element::ProviderId::new(12).expect("small"), "Other")
        .expect("registered");
    world.purse(77);
    other.settle(NOW).expect("settled");
    world.purse(78);
    assert_eq!(world.look().findings, []);
}

/// Books that began before their chain.
#[test]
fn books_begin_with_what_is_there() {
    let world = World::new();
    let path = world.folder.path().join("bare.db");
    let mut store = Store::create(&path).expect("created");
    store.transaction("before", |tx| tx.insert_issuer(provider(), "Issuer")).expect("inserted");
    let head = path.with_extension("head");
    drop(Background::begin(store, Some(&head), world.vault()).expect("begun"));
    let seen = verify(&path, &head, &world.vault(), &mut |_, _, _| ()).expect("verified");
    assert_eq!(seen.findings, []);
    edit(&path, "UPDATE issuer SET name = 'Mallory'");
    let seen = verify(&path, &head, &world.vault(), &mut |_, _, _| ()).expect("verified");
    assert_eq!(seen.findings.len(), 1, "{:?}", seen.findings);
}

/// A number below `count`.
fn pick(rng: &mut ChaCha20Rng, count: usize) -> usize {
    usize::try_from(rng.next_u64()).unwrap_or(usize::MAX) % count
}

/// A random edit of a random row. What it was, where it changed something.
fn random_edit(connection: &Connection, rng: &mut ChaCha20Rng) -> Option<String> {
    let names = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).expect("a statement");
        let rows = statement.query_map([], |row| row.get(0)).expect("rows");
        rows.collect::<Result<_, _>>().expect("names")
    };
    let tables = names("SELECT name FROM sqlite_schema WHERE type = 'table'");
    let table = &tables[pick(rng, tables.len())];
    let columns = names(&format!("SELECT name FROM pragma_table_info('{table}')"));
    let keys = names(&format!("SELECT name FROM pragma_table_info('{table}') WHERE pk > 0 ORDER BY pk"));
    let count: i64 =
        connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).expect("count");
    if count == 0 {
        return None;
    }
    let place = pick(rng, usize::try_from(count).expect("rows"));
    let this =
        format!("({0}) = (SELECT {0} FROM {table} ORDER BY {0} LIMIT 1 OFFSET {place})", keys.join(", "));
    let column = &columns[pick(rng, columns.len())];
    let old: Value = connection
        .query_row(&format!("SELECT {column} FROM {table} WHERE {this}"), [], |row| row.get(0))
        .expect("a value");
    let new = changed(&old, rng);
    let done = match pick(rng, 8) {
        0 => connection.execute(&format!("DELETE FROM {table} WHERE {this}"), []),
        1 => {
            let copy = columns
                .iter()
                .map(|name| if name == column { "?1" } else { name })
                .collect::<Vec<_>>()
                .join(", ");
            connection
                .execute(&format!("INSERT INTO {table} SELECT {copy} FROM {table} WHERE {this}"), [&new])
        }
        _ => connection.execute(&format!("UPDATE {table} SET {column} = ?1 WHERE {this}"), [&new]),
    };
    matches!(done, Ok(1)).then(|| format!("{table}, row {place}, {column}: {old:?} becomes {new:?}"))
}

/// Another value, near or far.
fn changed(old: &Value, rng: &mut ChaCha20Rng) -> Value {
    match old {
        Value::Integer(number) if pick(rng, 2) == 0 => Value::Integer(number ^ 1 << pick(rng, 20)),
        Value::Integer(number) => Value::Integer(number + 1),
        Value::Text(text) => Value::Text(format!("{text}x")),
        Value::Blob(bytes) if !bytes.is_empty() => {
            let mut bytes = bytes.clone();
            let place = pick(rng, bytes.len());
            bytes[place] ^= 1 << pick(rng, 8);
            Value::Blob(bytes)
        }
        _ => Value::Integer(i64::from(rng.next_u32() % 1_000)),
    }
}

/// A thousand databases, each with one random edit: all are named, by table.
#[test]
fn a_thousand_random_edits_are_all_named() {
    let seed = std::env::var("AUDIT_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| std::collections::hash_map::RandomState::new().hash_one(0));
    println!("AUDIT_SEED={seed}");
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut world = day();
    let copy = keep(&world, "clean.db");
    close(&mut world);
    bring_back(&world, &copy);
    let connection = Connection::open(world.database()).expect("open");
    connection
        .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; DROP TRIGGER posting_is_final; DROP TRIGGER posting_stays")
        .expect("opened");
    let triggers: Vec<_> = world.look().findings;
    assert_eq!(triggers.len(), 2, "{triggers:?}");
    drop(connection);
    let mut edits = 0;
    while edits < 1_000 {
        let connection = Connection::open(world.database()).expect("open");
        connection
            .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; BEGIN")
            .expect("begun");
        let Some(edit) = random_edit(&connection, &mut rng) else { continue };
        connection.execute_batch("COMMIT").expect("committed");
        drop(connection);
        let found = world.look().findings;
        let table = edit.split(',').next().expect("a table").replace('_', " ");
        let named = found.iter().any(|finding| match table.as_str() {
            "chain" => finding.about.contains("of the chain") || finding.kind == FindingKind::Head,
            _ => {
                finding.about.starts_with(&table)
                    && !matches!(finding.kind, FindingKind::Evidence | FindingKind::Ledger)
            }
        });
        assert!(named, "AUDIT_SEED={seed}: {edit} is not named: {found:#?}");
        bring_back(&world, &copy);
        edits += 1;
    }
}
