//! Runs tests in the copy, and tells a test that fails from code that does not build.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Serialize;

/// What came of running tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "by")]
pub enum Verdict {
    /// These tests failed.
    Found(Vec<String>),
    /// All passed; how many.
    Survived(usize),
    /// Nothing can be said: it did not build, no test ran, or the tests ended without a word.
    Broken(String),
}

/// Where cargo works.
#[derive(Debug)]
pub struct Bench {
    /// The sources.
    pub tree: PathBuf,
    /// What is built.
    pub target: PathBuf,
}

impl Bench {
    /// Builds and runs the tests that these arguments of `cargo test` name.
    pub fn run(&self, arguments: &str) -> Result<Verdict, String> {
        let words: Vec<_> = arguments.split_whitespace().collect();
        let (build, filters) =
            words.split_at(words.iter().position(|word| *word == "--").unwrap_or(words.len()));
        let built = self.cargo(&[build, &["--no-run"]].concat())?;
        if !built.status.success() {
            return Ok(Verdict::Broken(errors(&built)));
        }
        let tested = self.cargo(&[build, filters].concat())?;
        let text = String::from_utf8_lossy(&tested.stdout);
        let ended = |end: &str| -> Vec<String> {
            let lines = text.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(end));
            lines.map(|line| line.trim_end_matches(" ...").to_owned()).collect()
        };
        let (failed, passed) = (ended(" FAILED"), ended(" ok").len());
        Ok(match (tested.status.success(), failed.is_empty(), passed) {
            (false, false, _) => Verdict::Found(failed),
            (true, true, 1..) => Verdict::Survived(passed),
            (true, true, 0) => Verdict::Broken("no test ran".into()),
            _ => Verdict::Broken(format!("the tests ended with {}", tested.status)),
        })
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Output, String> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["test", "--jobs", "2"]).args(arguments).current_dir(&self.tree);
        command.env("CARGO_TARGET_DIR", &self.target).env("CARGO_TERM_COLOR", "never");
        command.output().map_err(|error| format!("cargo: {error}"))
    }
}

/// The errors of the compiler, without what leads to them.
fn errors(built: &Output) -> String {
    let text = String::from_utf8_lossy(&built.stderr);
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("error")).collect();
    format!("it does not build: {}", lines.join("; "))
}

/// The folder for the copy and what is built from it.
#[must_use]
pub fn scratch(root: &Path) -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target).join("planted"),
        None => root.join("tests/planted/target/planted"),
    }
}
