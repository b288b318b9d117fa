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
    /// What is asked for has no place in the command; nothing was sent.
    #[error("{command}: what is asked for does not fit the command")]
    Request {
        /// Name of the command.
        command: &'static str,
    },
    /// No answer came: the card was removed, or the reader failed.
    #[error("no answer from the card ({0}); put it back and try again")]
    NoAnswer(String),
    /// A reader cannot be used, or the card in it.
    #[error("{reader}: {trouble}")]
    Reader {
        /// Name of the reader, or address.
        reader: String,
        /// What is wrong, and what to do.
        trouble: Trouble,
    },
    /// The answer is for another card than the one that was meant.
    #[error("purse {found} is in the reader, not {wanted}")]
    OtherPurse {
        /// The purse in the reader.
        found: IepId,
        /// The purse that was meant.
        wanted: IepId,
    },
    /// The purse is blocked.
    #[error(
        "the purse is blocked by its issuer: it answers questions and moves no value; `purse card unblock` takes it into use again"
    )]
    Blocked,
    /// The card is blocked: so many authentications in a row were wrong.
    #[error(
        "the card is blocked after {0} wrong authentications: it answers questions and moves no value; its issuer takes it into use again with `purse gp unlock card`"
    )]
    CardBlocked(u8),
    /// A load that the purse wants the PIN for.
    #[error("the purse wants its holder's PIN for this load; give it with --pin")]
    PinWanted,
    /// A PIN that is not the purse's.
    #[error("the PIN is wrong; {}", tries(*.0))]
    WrongPin(u8),
    /// The PIN has no tries left.
    #[error("the PIN is blocked; its issuer gives the purse another one: `purse card pin reset`")]
    PinBlocked,
    /// The purse has no PIN.
    #[error("this purse has no PIN")]
    NoPin,
    /// The card has other keys of card management than those that were expected.
    #[error("the card has keys of card management that are not known here: {}", versions(.0))]
    ForeignKeys(Vec<u8>),
    /// An issuer without keys of card management: its vault is from before there were any.
    #[error("the vault has no keys of card management; `purse keys add` makes them")]
    NoManagementKeys,
    /// A purse that does not say what became of a cancellation.
    #[error("the outcome is in doubt; present purse {0} again, at the same terminal")]
    InDoubt(IepId),
    /// The authority could not be reached, rejected the request, or its answer is not under its MAC.
    /// Nothing may be concluded about value.
    #[error("load authority: {0}")]
    Authority(String),
    /// The secure channel did not open, or has ended, or a command does not fit it.
    #[error("secure channel: {0}")]
    SecureChannel(#[from] apdu_spec::crypto::secure_channel::Error),
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

/// Why a reader is of no use. Each says what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Trouble {
    /// No PC/SC daemon.
    #[error("the PC/SC service does not run; start it (`pcscd`, or the service pcscd.socket)")]
    NoService,
    /// No reader of this name; the names that there are.
    #[error("no such reader; {}", list(.0))]
    NoReader(Vec<String>),
    /// Several readers have this in their names.
    #[error("several readers are called so; {}", list(.0))]
    Ambiguous(Vec<String>),
    /// No card.
    #[error("there is no card in the reader; put one in, or wait for it with --wait")]
    NoCard,
    /// Another program has the card.
    #[error("another program holds the card; end it and try again")]
    Shared,
    /// The card does not answer its reset.
    #[error("the card is mute; take it out, clean it, turn it over and try again")]
    Mute,
    /// Nobody listens at an address.
    #[error("no card is served here ({0}); start `purse card serve --listen`")]
    NotServed(String),
    /// What is no address.
    #[error("this is no address; write HOST:PORT, tcp:HOST:PORT or unix:PATH")]
    Address,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

fn versions(versions: &[u8]) -> String {
    let words: Vec<_> = versions.iter().map(|version| format!("version {version:02X}")).collect();
    if words.is_empty() { "none are told".into() } else { words.join(", ") }
}

fn tries(left: u8) -> String {
    match left {
        0 => "no try is left, and it is blocked".into(),
        1 => "one try is left".into(),
        left => format!("{left} tries are left"),
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none is attached; attach one, or wait for it with --wait".into(),
        names => format!("there are: {}", names.join("; ")),
    }
}

impl Error {
    /// The status word, where a card gave one.
    #[must_use]
    pub const fn status(&self) -> Option<StatusWord> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::Blocked => Some(StatusWord::BLOCKED),
            Self::CardBlocked(_) => Some(StatusWord::CARD_BLOCKED),
            Self::PinWanted => Some(StatusWord::SECURITY_NOT_SATISFIED),
            _ => None,
        }
    }

    pub(crate) fn reader(reader: impl Into<String>, trouble: Trouble) -> Self {
        Self::Reader { reader: reader.into(), trouble }
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
