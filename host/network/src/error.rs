//! The one error of this crate.

use std::io;
use std::path::{Path, PathBuf};

use apdu_spec::Malformed;

use crate::batch_file::Damage;

/// What went wrong on the way, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are not a message of this version.
    #[error("not a message of this protocol: {0}; the two ends may run different versions")]
    Malformed(#[from] Malformed),
    /// A message of another version.
    #[error("message version {found} is not spoken here (only {expected}); update the older end")]
    Version {
        /// The version that came.
        found: u8,
        /// The version that is spoken here.
        expected: u8,
    },
    /// The other end cannot be reached; nothing is known about the request.
    #[error("the other end does not answer ({0}); the request may be repeated")]
    Unreachable(String),
    /// An answer that does not belong to the request.
    #[error("the other end answered {0}, which does not belong to the request; do not act on it")]
    Unexpected(&'static str),
    /// A file or directory could not be read or written.
    #[error("{}: {source}; check that it exists and that you may write there", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A batch file is damaged.
    #[error("{}: {damage}; collect the batch again, the security module still has it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// Another batch of the same number is already waiting.
    #[error("{}: holds another batch of the same number; keep both files and report the module", path.display())]
    Conflict {
        /// The file that is kept.
        path: PathBuf,
    },
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { path: path.to_owned(), source }
    }
}
