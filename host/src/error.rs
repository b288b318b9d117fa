//! What can go wrong on this side of a card.

use std::io;
use std::path::PathBuf;

use apdu_spec::StatusWord;
use apdu_spec::element::IepId;
use card_os::kernel::memory::MemoryError;

/// The errors of this crate. Messages say what to do where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The card answered with a status word other than 9000.
    #[error("{command}: the card answers {status}")]
    Status {
        /// Name of the command.
        command: &'static str,
        /// What the card said. Not authenticated: nothing may be concluded about value.
        status: StatusWord,
    },
    /// The card answered something else than its answer's layout.
    #[error("{command}: the card's answer does not have the declared shape")]
    Answer {
        /// Name of the command.
        command: &'static str,
    },
    /// No answer came: the card was removed, or the reader failed.
    #[error("no answer from the card ({0}); put it back and try again")]
    NoAnswer(String),
    /// The answer is for another card than the one that was meant.
    #[error("purse {found} is in the reader, not {wanted}")]
    OtherPurse {
        /// The purse in the reader.
        found: IepId,
        /// The purse that was meant.
        wanted: IepId,
    },
    /// The issuer did not allow the load or unload; the purse is unchanged.
    #[error("the issuer refused")]
    RefusedByIssuer,
    /// A load, unload or payment whose outcome is not known yet.
    #[error("the outcome is in doubt; present purse {0} again, here or at any other terminal")]
    InDoubt(IepId),
    /// The authority could not be reached, or rejected the request.
    #[error("load authority: {0}")]
    Authority(String),
    /// A card image cannot be used.
    #[error("{}: {reason}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The memory of a card that is no file cannot be used.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A file or directory cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A terminal journal is damaged.
    #[error("{}, line {line}: {reason}; the journal is left as it is", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// What a transfer card carries does not make a batch.
    #[error("transfer card: {0}")]
    Parcel(String),
}

impl Error {
    /// The status word, where a card gave one.
    #[must_use]
    pub const fn status(&self) -> Option<StatusWord> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
