//! A copy of the sources in which faults are planted. The repository itself is only read.
//!
//! The copy stays from run to run, and a file is written only where it differs: cargo goes by
//! the time of a file, and so builds again what a fault has touched and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::list::Fault;

/// Not sources.
const LEFT_OUT: [&str; 3] = ["target", ".git", "purse-data"];

/// The copy.
#[derive(Debug)]
pub struct Tree {
    from: PathBuf,
    to: PathBuf,
}

impl Tree {
    /// The copy of the repository at `from` in the folder `to`.
    #[must_use]
    pub fn new(from: PathBuf, to: PathBuf) -> Self {
        Self { from, to }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.to
    }

    /// Makes the copy equal to the repository: takes out what was planted and what tests left.
    pub fn restore(&self) -> Result<(), String> {
        mirror(&self.from, &self.to).map_err(|error| format!("{}: {error}", self.to.display()))
    }

    /// Restores it, then plants a fault.
    pub fn plant(&self, fault: &Fault) -> Result<(), String> {
        self.restore()?;
        for edit in &fault.edit {
            let text = edit.apply(&self.to)?;
            let path = self.to.join(&edit.file);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }
}

fn mirror(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) && entry.file_type()?.is_dir() {
            continue;
        }
        let (source, copy) = (entry.path(), to.join(&name));
        if entry.file_type()?.is_dir() {
            mirror(&source, &copy)?;
        } else {
            let bytes = fs::read(&source)?;
            if fs::read(&copy).ok().as_ref() != Some(&bytes) {
                fs::write(&copy, bytes)?;
            }
        }
        names.insert(name);
    }
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        if names.contains(&entry.file_name()) {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}
