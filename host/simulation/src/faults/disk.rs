//! The disk of a terminal: a journal and an outbox that lose what was not synchronised.
//!
//! The terminal's own code runs on it ([`LineJournal`](host::terminal::journal::LineJournal),
//! [`Outbox`](network::Outbox)). A disk that is full takes a part of a line and fails; a crash
//! keeps a part of what came after the last synchronisation, and may undo a removal.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use host::terminal::journal::Medium;
use network::Folder;

use super::fate::{Fate, Shared};
use super::rates::Fault;

/// A disk; copies are the same disk.
#[derive(Clone, Debug)]
pub struct Disk {
    files: Arc<Mutex<Files>>,
    shared: Shared,
}

#[derive(Debug, Default)]
struct Files {
    journal: String,
    /// Bytes of the journal that survive a crash.
    durable: usize,
    batches: BTreeMap<PathBuf, Vec<u8>>,
    /// Removed since the last synchronisation.
    removed: Vec<(PathBuf, Vec<u8>)>,
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new(shared: Shared) -> Self {
        Self { files: Arc::default(), shared }
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a crash leaves.
    pub fn crash(&self) {
        let mut fate = self.shared.lock();
        let mut files = self.files();
        let tail = files.journal.len() - files.durable;
        let kept = files.durable + fate.chance.place(tail + 1);
        files.journal.truncate(kept);
        files.durable = kept;
        for (path, bytes) in core::mem::take(&mut files.removed) {
            if fate.chance.coin() {
                files.batches.insert(path, bytes);
            }
        }
    }

    /// Batches that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.files().batches.len()
    }
}

/// Whether a write fails: how much of it gets through.
fn fails(fate: &mut Fate, length: usize) -> Option<usize> {
    let fails = fate.crashes() || fate.happens(Fault::Disk);
    fails.then(|| fate.chance.place(length + 1))
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

impl Medium for Disk {
    fn name(&self) -> &Path {
        Path::new("journal")
    }

    fn read(&mut self) -> io::Result<String> {
        Ok(self.files().journal.clone())
    }

    fn replace(&mut self, text: &str) -> io::Result<()> {
        if fails(&mut self.shared.lock(), text.len()).is_some() {
            return Err(full());
        }
        let mut files = self.files();
        text.clone_into(&mut files.journal);
        files.durable = text.len();
        Ok(())
    }

    fn append(&mut self, text: &str) -> io::Result<()> {
        // The lines are ASCII, so that they can be cut anywhere.
        let granted = fails(&mut self.shared.lock(), text.len());
        self.files().journal.push_str(&text[..granted.unwrap_or(text.len())]);
        granted.map_or(Ok(()), |_| Err(full()))
    }

    fn sync(&mut self) -> io::Result<()> {
        if fails(&mut self.shared.lock(), 0).is_some() {
            return Err(full());
        }
        let mut files = self.files();
        files.durable = files.journal.len();
        Ok(())
    }
}

impl Folder for Disk {
    fn list(&self) -> io::Result<Vec<PathBuf>> {
        Ok(self.files().batches.keys().cloned().collect())
    }

    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        Ok(self.files().batches.get(path).cloned())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if fails(&mut self.shared.lock(), 0).is_some() {
            return Err(full());
        }
        self.files().batches.insert(path.into(), bytes.to_vec());
        Ok(())
    }

    fn synchronise(&self) -> io::Result<()> {
        if fails(&mut self.shared.lock(), 0).is_some() {
            return Err(full());
        }
        self.files().removed.clear();
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if fails(&mut self.shared.lock(), 0).is_some() {
            return Err(full());
        }
        let mut files = self.files();
        if let Some(bytes) = files.batches.remove(path) {
            files.removed.push((path.into(), bytes));
        }
        Ok(())
    }
}
