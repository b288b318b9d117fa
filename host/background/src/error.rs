//! The one error of this crate. Reasons why a *record* is not booked are data, not
//! errors: see [`clearing::exception`](crate::clearing::exception).

use std::io;
use std::path::{Path, PathBuf};

use network::{Rejection, RejectionCode};

/// What went wrong, and what to do about it. Nothing was booked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request was refused; the terminal gets to see why.
    #[error("{}", .0.text)]
    Rejected(Rejection),
    /// A file could not be read or written.
    #[error("{}: {source}; check that it exists and that you may use it", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file that shall be created is there already.
    #[error("{} exists already; open it, or choose another name", .0.display())]
    Exists(PathBuf),
    /// The file is not a database of this system.
    #[error("{} is not the database of a background system; check the path", .0.display())]
    NotOurs(PathBuf),
    /// A newer program has written the database.
    #[error("{} has schema version {found}, this program knows {known}; use the newer program", path.display())]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version of this program.
        known: i64,
    },
    /// The database is of an earlier program, which kept no chain.
    #[error("{} has schema version {found}, this program begins at {known}; go on with the program that made it", path.display())]
    OlderSchema {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The version of this program.
        known: i64,
    },
    /// The database is not as this system left it.
    #[error(
        "the books were changed by somebody else: {0}; nothing was done. `purse background verify` names what was \
         changed; restore a backup, and take it up with `purse background accept-restore`"
    )]
    Tampered(String),
    /// The file of the head is missing.
    #[error(
        "{} is missing, the head of the books; bring it back, or restore a backup and take it up with \
         `purse background accept-restore`",
        .0.display()
    )]
    HeadMissing(PathBuf),
    /// The head could not be written. What was to be done is done, and the next opening sees
    /// that the database has gone on.
    #[error("{}: {source}; what was done is in the books, see to the disk of their head", path.display())]
    Head {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds the database.
    #[error("the database is locked by another process; end that one or try again")]
    Locked,
    /// The database failed.
    #[error("the database failed: {0}; nothing of this transaction was stored")]
    Store(String),
    /// A row that this program would not have written.
    #[error("the database holds a {0} that this program does not understand; restore a backup")]
    Damaged(&'static str),
    /// The vault file cannot be understood.
    #[error("{} is not a key file: {reason}; restore it from its backup", path.display())]
    VaultFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The vault is under a passphrase, and there is none.
    #[error("{} is locked: give its passphrase with --passphrase-file FILE, in PURSE_PASSPHRASE, or at a terminal", .0.display())]
    NoPassphrase(PathBuf),
    /// The passphrase is not that of the vault.
    #[error("this is not the passphrase of {}; try again, or give the one of this scheme", .0.display())]
    WrongPassphrase(PathBuf),
    /// The keys of a vault are in clear where they have to be secret.
    #[error("{} has its keys in clear, as only a demonstration may: whoever has read it can make money. Make a new \
             scheme with keys of its own", .0.display())]
    PlainVault(PathBuf),
    /// The keys of a vault are secret where everything else says that they are not.
    #[error("{} is under a passphrase, and its directory says that it is a demonstration: one of them was \
             exchanged; restore both from a backup", .0.display())]
    SealedVault(PathBuf),
    /// The vault has other keys than the database was made with.
    #[error("the vault does not belong to this database: {0} differs; open the vault of this database")]
    ForeignVault(String),
    /// A key that the vault does not have.
    #[error("the vault has no {0}; add the key version first")]
    UnknownKey(String),
    /// Something of this number is registered.
    #[error("{0} is registered already; choose another number")]
    AlreadyRegistered(String),
    /// Something that must be registered first.
    #[error("{0} is not registered; register it first")]
    NotRegistered(String),
    /// An order that cannot be carried out.
    #[error("{0}")]
    BadOrder(&'static str),
    /// A posting of the same event with other contents.
    #[error("event {0} was posted before with other contents; nothing of this transaction was stored")]
    PostingDiffers(String),
    /// A sum left the range of the ledger.
    #[error("an amount leaves the range of the ledger; nothing of this transaction was stored")]
    Overflow,
}

impl Error {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { path: path.to_owned(), source }
    }

    /// A refusal that the terminal gets to see.
    pub(crate) fn rejected(code: RejectionCode, text: impl Into<String>) -> Self {
        Self::Rejected(Rejection { code, text: text.into() })
    }
}
