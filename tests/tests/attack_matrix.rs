//! `tests/ATTACKS.md` and the tests that it names are the same set: a row without its test
//! claims what nothing shows, a test without its row is found by nobody.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A test: its file from the root of the repository, and its name.
type Test = (String, String);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What stands in backquotes in the last cell of a row of four: files, each followed by its
/// tests.
fn named() -> BTreeSet<Test> {
    let text = std::fs::read_to_string(root().join("tests/ATTACKS.md")).expect("the matrix");
    let mut named = BTreeSet::new();
    for row in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.trim_matches('|').split('|').collect();
        let [attack, _, _, tests] = cells[..] else { continue };
        let mut file = None;
        for quoted in tests.split('`').skip(1).step_by(2) {
            if Path::new(quoted).extension().is_some_and(|extension| extension == "rs") {
                file = Some(quoted);
            } else {
                let file = file.unwrap_or_else(|| panic!("no file before {quoted}"));
                assert!(named.insert((file.into(), quoted.into())), "{file} {quoted} is named twice");
            }
        }
        let head = attack.trim() == "attack" || attack.starts_with("---");
        assert!(head || file.is_some(), "a row without a test: {attack}");
    }
    named
}

/// The tests of a file; those in `proptest!` are indented.
fn tests_of(file: &str) -> BTreeSet<Test> {
    let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let tests = lines.windows(2).filter(|pair| pair[0] == "#[test]");
    let name = |pair: &[&str]| pair[1].strip_prefix("fn ")?.split('(').next().map(str::to_owned);
    tests.map(|pair| (file.into(), name(pair).unwrap_or_else(|| panic!("{file}: {pair:?}")))).collect()
}

/// The files whose every test is an attack.
fn attack_files() -> Vec<String> {
    let mut files = vec!["card-os/tests/counters.rs".to_owned()];
    let folders = ["card-os/tests", "card-os/tests/attacks", "tests/tests", "host/tests"];
    let hosts = ["host/background/tests", "host/network/tests", "host/simulation/tests", "host/cli/tests"];
    for folder in folders.into_iter().chain(hosts) {
        let Ok(entries) = std::fs::read_dir(root().join(folder)) else { continue };
        for entry in entries {
            let name = entry.expect("an entry").file_name().into_string().expect("a name");
            let attacks = folder.ends_with("/attacks") || name.starts_with("attacks");
            if attacks && name.ends_with(".rs") {
                files.push(format!("{folder}/{name}"));
            }
        }
    }
    files
}

#[test]
fn every_row_has_its_tests_and_every_test_its_row() {
    let named = named();
    let there = |(file, _): &Test| file.clone();
    let existing: BTreeSet<Test> =
        named.iter().map(there).collect::<BTreeSet<_>>().iter().flat_map(|file| tests_of(file)).collect();
    let missing: Vec<_> = named.difference(&existing).collect();
    assert!(missing.is_empty(), "named and not there: {missing:#?}");

    let attacks: BTreeSet<Test> = attack_files().iter().flat_map(|file| tests_of(file)).collect();
    let unnamed: Vec<_> = attacks.difference(&named).collect();
    assert!(unnamed.is_empty(), "there and not named: {unnamed:#?}");
    println!("{} tests of attacks, {} named in the matrix", attacks.len(), named.len());
    assert!(attacks.len() > 100);
}
