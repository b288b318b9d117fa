//! The list of faults, and whether it still fits the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A fault: one slip, or two that each alone would do no harm.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Its name.
    pub name: String,
    /// What it does, in a sentence.
    pub does: String,
    /// Arguments of `cargo test` that run the tests which must notice.
    pub test: String,
    /// The name of a pair that is found, where this fault alone changes nothing that matters;
    /// then all tests must pass.
    pub harmless_without: Option<String>,
    /// What is changed.
    pub edit: Vec<Edit>,
}

/// A text of a file that is replaced by another.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Path from the root of the repository.
    pub file: String,
    /// Occurs there once.
    pub find: String,
    /// Goes in its place.
    pub put: String,
}

#[derive(Deserialize)]
struct File {
    fault: Vec<Fault>,
}

/// All faults, in the order of their files.
pub fn read(root: &Path) -> Result<Vec<Fault>, String> {
    let folder = root.join("tests/planted/faults");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut faults = Vec::new();
    for path in paths {
        let refuse = |error: String| format!("{}: {error}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| refuse(error.to_string()))?;
        let file: File = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        faults.extend(file.fault);
    }
    Ok(faults)
}

/// What is wrong with the list: a text that is not where it was, a test that is not there.
#[must_use]
pub fn complaints(root: &Path, faults: &[Fault]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut names = BTreeSet::new();
    let mut sources = Sources::default();
    sources.gather(root);
    for fault in faults {
        let edits = fault.edit.iter().filter_map(|edit| edit.apply(root).err());
        let mut found: Vec<String> = edits.chain(missing_tests(&sources, &fault.test)).collect();
        if !names.insert(&fault.name) {
            found.push("there are two of this name".into());
        }
        if fault.edit.is_empty() {
            found.push("it changes nothing".into());
        }
        if let Some(pair) = &fault.harmless_without {
            let worse = |other: &&Fault| {
                other.name == *pair && other.harmless_without.is_none() && other.edit.len() > fault.edit.len()
            };
            if faults.iter().find(worse).is_none() {
                found.push(format!("there is no pair {pair} that is found"));
            }
        }
        complaints.extend(found.into_iter().map(|text| format!("{}: {text}", fault.name)));
    }
    complaints
}

impl Edit {
    /// The whole text of the file with this edit made.
    pub fn apply(&self, root: &Path) -> Result<String, String> {
        let text = fs::read_to_string(root.join(&self.file)).map_err(|e| format!("{}: {e}", self.file))?;
        if self.find == self.put {
            return Err(format!("{}: nothing is changed", self.file));
        }
        match text.matches(&self.find).count() {
            1 => Ok(text.replace(&self.find, &self.put)),
            count => Err(format!("{}: this is there {count} times, not once:\n{}", self.file, self.find)),
        }
    }
}

/// What a test command names and the sources do not have, be it a file of tests or a function
/// or module to filter by: such a command runs no test, and so no fault would fail it.
fn missing_tests(sources: &Sources, test: &str) -> Vec<String> {
    let words: Vec<_> = test.split_whitespace().collect();
    let (build, filters) = words.split_at(words.iter().position(|word| *word == "--").unwrap_or(words.len()));
    let named = |option| build.windows(2).filter(move |pair| pair[0] == option).map(|pair| pair[1]);
    let is_there = |file: &&str| named("-p").any(|package| sources.has_tests(package, file));
    let files = named("--test").filter(|file| !is_there(file));
    let filters = filters.iter().skip(1).copied().filter(|filter| !sources.names(filter));
    files.chain(filters).map(|name| format!("there is no test {name}")).collect()
}

/// What the list is held against.
#[derive(Default)]
struct Sources {
    /// All Rust files, one after the other.
    text: String,
    /// Packages and where they are.
    packages: Vec<(String, PathBuf)>,
}

impl Sources {
    /// Adds what is below a folder.
    fn gather(&mut self, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let text = || fs::read_to_string(&path).unwrap_or_default();
            if path.is_dir() && !path.ends_with("target") {
                self.gather(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                self.text.push_str(&text());
            } else if path.ends_with("Cargo.toml")
                && let Some(name) = text().lines().find_map(|line| line.strip_prefix("name = "))
            {
                self.packages.push((name.trim_matches('"').into(), folder.into()));
            }
        }
    }

    /// Whether a package has a file of tests of this name.
    fn has_tests(&self, package: &str, name: &str) -> bool {
        let files = [format!("tests/{name}.rs"), format!("tests/{name}/main.rs")];
        let mut folders = self.packages.iter().filter(|(known, _)| known == package);
        folders.any(|(_, folder)| files.iter().any(|file| folder.join(file).is_file()))
    }

    /// Whether a function or module has this in its name.
    fn names(&self, filter: &str) -> bool {
        let named =
            |line: &str| line.trim_start().starts_with("fn ") || line.trim_start().starts_with("mod ");
        self.text.lines().any(|line| named(line) && line.contains(filter))
    }
}
