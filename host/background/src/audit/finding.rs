//! What an audit finds, each in one line of words.

use std::fmt;

use serde::Serialize;

/// What kind of thing was found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A table, index or trigger is not this program's.
    Schema,
    /// An entry of the chain was edited, inserted or moved.
    EntryChanged,
    /// Entries of the chain are missing.
    EntryMissing,
    /// The chain ends before the head that is kept outside.
    RolledBack,
    /// The head that is kept outside does not fit the chain.
    Head,
    /// A row was edited.
    RowEdited,
    /// A row is as it was at an earlier entry.
    RowRolledBack,
    /// A row was deleted.
    RowDeleted,
    /// A row was made up, or is back after its deletion.
    RowInserted,
    /// A row was changed by somebody else before an entry took it up as it was.
    RowLaundered,
    /// A record does not say what its row says, or is not under its MACs.
    Evidence,
    /// A posting, a settlement or a balance does not follow from its evidence.
    Ledger,
    /// Something cannot be read.
    Unreadable,
}

/// Something that is not as this program left it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// What it is about: `posting, event 1, subject 12, number 3`.
    pub about: String,
    /// What is wrong with it.
    pub what: String,
}

impl Finding {
    pub(crate) fn new(kind: FindingKind, about: impl Into<String>, what: impl Into<String>) -> Self {
        Self { kind, about: about.into(), what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.what)
    }
}
