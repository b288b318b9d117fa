//! What is asked of `purse gp`, as it is written on the command line.

use std::path::PathBuf;

use apdu_spec::aid::Aid;
use apdu_spec::life_cycle::CardState;

use super::keys::version;
use crate::blank::Kind;

#[derive(clap::Subcommand)]
pub(super) enum Action {
    /// The card's state, applications, load files and keys
    #[command(after_help = "Example:\n  purse gp list --card 1")]
    List,
    /// What anybody may know: recognition data, diversification data, keys; no keys needed
    #[command(after_help = "Example:\n  purse gp info --image blank.card")]
    Info,
    /// Install an application of a kind, under its own AID or another one
    #[command(after_help = "Example:\n  purse gp install purse F05055525332 --image blank.card")]
    Install {
        /// What kind
        #[arg(value_enum)]
        kind: Kind,
        /// Its AID; without, that of its kind
        #[arg(value_parser = application)]
        aid: Option<Aid>,
    },
    /// Delete an application that holds no value
    #[command(after_help = "Example:\n  purse gp delete F05055525332 --image blank.card")]
    Delete {
        /// Its AID
        #[arg(value_parser = application)]
        aid: Aid,
    },
    /// Block an application, or lock the card
    #[command(after_help = "Examples:\n  purse gp lock purse --card 1\n  purse gp lock card --card 1")]
    Lock {
        /// AID of the application, or `card`
        #[arg(value_parser = subject)]
        what: Subject,
    },
    /// Take an application or the card into use again, also after too many wrong authentications
    #[command(after_help = "Examples:\n  purse gp unlock purse --card 1\n  purse gp unlock card --card 1")]
    Unlock {
        /// AID of the application, or `card`
        #[arg(value_parser = subject)]
        what: Subject,
    },
    /// Move the card's life cycle on; there is no way back
    #[command(
        after_help = "Examples:\n  purse gp state secured --image blank.card --yes\n  purse gp state terminated --card 1 --yes"
    )]
    State {
        /// The new state
        #[arg(value_enum)]
        state: State,
        /// Yes, although there is no way back
        #[arg(long)]
        yes: bool,
    },
    /// Replace the keys of card management; the old ones work until the new ones have
    #[command(
        after_help = "Example:\n  purse gp put-key --new-key-file new.json --new-version 31 --image blank.card"
    )]
    PutKey {
        /// File of the new keys, as for --key-file
        #[arg(long, value_name = "FILE")]
        new_key_file: PathBuf,
        /// Version of the new keys, hexadecimal, 01 to 7F
        #[arg(long, value_name = "HEX", value_parser = version)]
        new_version: u8,
        /// They are keys of Triple DES, for SCP02
        #[arg(long)]
        triple_des: bool,
        /// Leave those that were used beside them
        #[arg(long)]
        add: bool,
    },
    /// Delete the keys of a version
    #[command(after_help = "Example:\n  purse gp delete-key 31 --image blank.card")]
    DeleteKey {
        /// The version, hexadecimal
        #[arg(value_parser = version)]
        version: u8,
    },
    /// Make a card that holds no value blank again: an application anew, the keys of sample cards
    #[command(after_help = "Example:\n  purse --reader \"ACS\" gp reset\n\n\
        For a card that was torn in personalisation and is wanted for something else; the order that it was \
        torn in goes on with it by itself.")]
    Reset {
        /// What is installed on it
        #[arg(value_enum, default_value = "purse")]
        kind: Kind,
    },
}

/// A state that the card is moved on to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum State {
    Initialized,
    Secured,
    Terminated,
}

/// What is locked.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    Card,
    Application(Aid),
}

impl Action {
    /// Its name.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Info => "info",
            Self::Install { .. } => "install",
            Self::Delete { .. } => "delete",
            Self::Lock { .. } => "lock",
            Self::Unlock { .. } => "unlock",
            Self::State { .. } => "state",
            Self::PutKey { .. } => "put-key",
            Self::DeleteKey { .. } => "delete-key",
            Self::Reset { .. } => "reset",
        }
    }
}

impl From<State> for CardState {
    fn from(state: State) -> Self {
        match state {
            State::Initialized => Self::Initialized,
            State::Secured => Self::Secured,
            State::Terminated => Self::Terminated,
        }
    }
}

/// The names of applications; the security domain is none.
pub(super) fn names() -> String {
    let applications = Aid::NAMED.iter().filter(|(_, aid)| *aid != Aid::SECURITY_DOMAIN);
    applications.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn application(text: &str) -> Result<Aid, String> {
    let named = Aid::NAMED.iter().find(|(name, _)| *name == text).map(|(_, aid)| aid.to_vec());
    let bytes = named.or_else(|| hex::decode(text).ok()).filter(|bytes| (5..=16).contains(&bytes.len()));
    let aid = bytes.and_then(|bytes| Aid::new(&bytes).ok());
    match aid {
        Some(aid) if aid.as_slice() == Aid::SECURITY_DOMAIN => {
            Err("this is the security domain itself; an application is expected".into())
        }
        Some(aid) => Ok(aid),
        None => Err(format!("an AID is 5 to 16 bytes in hexadecimal, or {}", names())),
    }
}

fn subject(text: &str) -> Result<Subject, String> {
    if text == "card" { Ok(Subject::Card) } else { application(text).map(Subject::Application) }
}
