//! What can go wrong in a world.

use std::path::PathBuf;

use apdu_spec::StatusWord;
use apdu_spec::element::{IepId, Kind};
use host::terminal::load::{Funding, Refusal};
use host::terminal::transfer_journal::TransferIntent;

use crate::failure::{Failure, lines};

/// The errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A card, reader or terminal.
    #[error(transparent)]
    Card(#[from] host::Error),
    /// The background system.
    #[error(transparent)]
    Background(#[from] background::Error),
    /// A link or queue.
    #[error(transparent)]
    Network(#[from] network::Error),
    /// A directory that holds no world.
    #[error("there is no purse scheme in {}; make one with `purse demo`, or name another with --data", .0.display())]
    NoWorld(PathBuf),
    /// A directory that holds something already.
    #[error("{}: there is something here already; choose another directory, or remove this one", .0.display())]
    NotEmpty(PathBuf),
    /// A directory of somebody else.
    #[error("{}: this directory is somebody else's, who could read the keys in it; choose one of your own", .0.display())]
    NotOurs(PathBuf),
    /// Something that would make a demonstration real.
    #[error(
        "this scheme is a demonstration: {0}. Make one with keys of its own for anything that is to be worth something"
    )]
    Demo(String),
    /// Another process works in this directory.
    #[error("{}: another process works here; wait for it or end it", .0.display())]
    Busy(PathBuf),
    /// A file of the world.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No such purse.
    #[error("there is no purse {0} here; `purse card list` shows which there are")]
    NoPurse(u64),
    /// A card of which nothing can be read.
    #[error(
        "the card of purse {0} is locked: what is on it cannot be read; `purse gp unlock card --card {0}` unlocks it"
    )]
    Locked(u64),
    /// A card of which nothing can be read any more.
    #[error(
        "the card of purse {0} is TERMINATED: what is on it cannot be read any more, and is worth nothing"
    )]
    Terminated(u64),
    /// A purse that is on its card no more.
    #[error("there is no purse on card {0} any more: it was deleted")]
    Deleted(u64),
    /// A PSAM that does not serve its terminal.
    #[error("the PSAM of {0} does not serve: {1}; `purse gp list --sam {0}` shows what is on its card")]
    Module(String, host::Error),
    /// A purse of another issuer.
    #[error("purse {0} is not of this scheme; name its directory with --data")]
    ForeignPurse(IepId),
    /// No such terminal.
    #[error("there is no terminal {0:?} here; there are {1}")]
    NoTerminal(String, String),
    /// The purse did not pay.
    #[error("not paid: {}", .0.map_or("the purse was not debited".into(), |word| word.to_string()))]
    NotPaid(Option<StatusWord>),
    /// A payment that is in doubt.
    #[error("payment in doubt: present purse {0} again at the same terminal; `purse resolve` asks it")]
    InDoubt(IepId),
    /// A load or unload that moved no value.
    #[error("not {}: {}{}", verb(.0), .1, refused(.0))]
    NotTransferred(TransferIntent, Refusal),
    /// A load or unload that is in doubt.
    #[error("the {} is in doubt ({}){}; present purse {} again here: `purse resolve` asks it",
        noun(.0), .1, in_doubt(.0), .0.iep)]
    TransferInDoubt(TransferIntent, String),
    /// A cancellation that is in doubt.
    #[error("cancellation in doubt: present purse {0} again at the same terminal, and repeat the command")]
    CancellationInDoubt(IepId),
    /// A statement file that cannot be lived.
    #[error("{}, line {line}: {reason}", path.display())]
    Statement {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Why.
        reason: String,
    },
    /// An order file that cannot be carried out. Nothing of it was written.
    #[error("{}, line {line}: {reason}; nothing was written", path.display())]
    OrderFile {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Why.
        reason: String,
    },
    /// What a card refuses, in words.
    #[error("{0}")]
    Refused(String),
    /// The transfer card cannot be used.
    #[error("transfer card: {0}")]
    Transfer(Box<Self>),
    /// Some could not do their part; everybody else's is done.
    #[error("some could not do their part; everything else is done:{}", lines(.0))]
    Unfinished(Vec<Failure>),
    /// A sum that should be the same and is not.
    #[error("{0}")]
    Mismatch(String),
    /// An order that makes no sense.
    #[error("{0}")]
    Order(String),
}

const fn noun(intent: &TransferIntent) -> &'static str {
    if matches!(intent.kind, Kind::Unload) { "unload" } else { "load" }
}

const fn verb(intent: &TransferIntent) -> &'static str {
    if matches!(intent.kind, Kind::Unload) { "unloaded" } else { "loaded" }
}

/// What the attendant does with cash where no value has moved.
const fn refused(intent: &TransferIntent) -> &'static str {
    match (intent.funding, intent.kind) {
        (Funding::Cash, Kind::Unload) => "; do not pay out",
        (Funding::Cash, _) => "; the cash is the holder's",
        (Funding::Account | Funding::Operator | Funding::Refund, _) => "",
    }
}

/// What the attendant does with cash where nothing is known.
const fn in_doubt(intent: &TransferIntent) -> &'static str {
    match (intent.funding, intent.kind) {
        (Funding::Cash, Kind::Unload) => "; do not pay out",
        (Funding::Cash, _) => "; keep the cash, and give none back",
        (Funding::Account | Funding::Operator | Funding::Refund, _) => "",
    }
}

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { path, reason: error.to_string() }
    }
}
