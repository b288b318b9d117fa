//! Runs the program in a directory of its own.

pub(crate) mod serving;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A world in a directory that goes away with the test.
pub(crate) struct Place {
    directory: tempfile::TempDir,
}

/// How a run ended.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    /// An empty place.
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    /// A place where a short day has been lived.
    pub(crate) fn after_a_day(seed: u64) -> Self {
        let place = Self::new();
        let seed = seed.to_string();
        let run = place.run(&["demo", "--purses", "4", "--payments", "40", "--seed", &seed]);
        assert_eq!(run.code, Some(0), "{}{}", run.out, run.err);
        place
    }

    /// The directory of the data.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The image of a purse.
    pub(crate) fn card(&self, purse: u64) -> PathBuf {
        self.data().join(format!("cards/purse-{purse}.card"))
    }

    /// A file beside the data.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).expect("write a file");
        path
    }

    /// A blank card beside the data.
    pub(crate) fn blank(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        self.json(&["card", "blank", "--insecure-plain", argument(&path)]);
        path
    }

    /// The program, not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_purse"));
        command.arg("--data").arg(self.data()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs the program.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let Output { status, stdout, stderr } = self.command(arguments).output().expect("run purse");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Run { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// Runs the program with `--json`, which must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(arguments);
        let run = self.run(&all);
        assert_eq!(run.code, Some(0), "{arguments:?}: {}{}", run.out, run.err);
        serde_json::from_str(&run.out).expect("JSON")
    }

    /// Runs the program, which must fail with this code and say all of `words`; the
    /// report afterwards must balance still.
    pub(crate) fn fails(&self, code: i32, arguments: &[&str], words: &[&str]) {
        let run = self.run(arguments);
        assert_eq!(run.code, Some(code), "{arguments:?}: {}{}", run.out, run.err);
        for word in words {
            assert!(run.err.contains(word), "{arguments:?} does not say {word:?}: {}", run.err);
        }
    }
}

/// A path as an argument.
pub(crate) fn argument(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
