//! `purse gp`: card management as GlobalPlatform has it, for any card.
//!
//! `target` takes the card in hand, `keys` are those to get in with, `show` prints.

pub(crate) mod keys;
mod show;
mod target;

use std::path::PathBuf;

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::{KeySet, KeyType};
use apdu_spec::life_cycle::CardState;
use card_os::applets::AppletKind;
use host::card::domain::{Access, SecurityDomain};
use host::reader::Reader;
use host::terminal::personalise::reinstall;
use serde_json::json;
use simulation::Error;

use crate::blank::Kind;
use crate::{Global, output, process};
use keys::{Given, Keys, version};
use target::Target;

/// Version under which a card that is reset gets the keys of sample cards; the manufacturer's FF
/// cannot be put.
const SAMPLE_VERSION: u8 = 0x01;

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  purse gp list --card 1                          a purse of the scheme, with its own keys\n  \
    purse gp info --image blank.card                no keys needed\n  \
    purse --reader \"ACS\" gp list --key-file keys.json\n  \
    purse gp install purse F05055525332 --image blank.card\n  \
    purse gp lock purse --card 1                    an application; `lock card` locks the whole card\n  \
    purse gp put-key --new-key-file new.json --new-version 31 --image blank.card\n\n\
    Without --key-file or --key: a card of the scheme is opened with its own keys, any other one with\n\
    those of sample cards. Which, is said on standard error.\n\n\
    AIDs are hexadecimal, or a name: purse, psam, transfer. Exit code 3: the card refuses."
)]
pub(crate) struct Gp {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    keys: Keys,
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
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
        #[arg(value_parser = aid)]
        aid: Option<Aid>,
    },
    /// Delete an application that holds no value
    #[command(after_help = "Example:\n  purse gp delete F05055525332 --image blank.card")]
    Delete {
        /// Its AID
        #[arg(value_parser = aid)]
        aid: Aid,
    },
    /// Block an application, or lock the card
    #[command(after_help = "Examples:\n  purse gp lock purse --card 1\n  purse gp lock card --card 1")]
    Lock {
        /// AID of the application, or `card`
        #[arg(value_parser = subject)]
        what: Subject,
    },
    /// Take an application or the card into use again
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
enum State {
    Initialized,
    Secured,
    Terminated,
}

/// What is locked.
#[derive(Clone, Debug)]
enum Subject {
    Card,
    Application(Aid),
}

fn aid(text: &str) -> Result<Aid, String> {
    let named = Aid::NAMED.iter().find(|(name, _)| *name == text).map(|(_, aid)| aid.to_vec());
    let wrong = || "an AID is 5 to 16 bytes in hexadecimal, or purse, psam, transfer".to_owned();
    let bytes = named.or_else(|| hex::decode(text).ok()).filter(|bytes| (5..=16).contains(&bytes.len()));
    Aid::new(&bytes.ok_or_else(wrong)?).map_err(|_| wrong())
}

fn subject(text: &str) -> Result<Subject, String> {
    if text == "card" { Ok(Subject::Card) } else { aid(text).map(Subject::Application) }
}

type Domain<'d> = SecurityDomain<&'d mut dyn Reader>;

impl Gp {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let wants_keys = !matches!(self.action, Action::Info);
        let mut card = self.target.take(global, wants_keys && !self.keys.are_given())?;
        match &self.action {
            Action::Info => show::info(&mut card.reader, global.json),
            Action::List => show::list(&mut card.open(&self.keys)?, global.json),
            Action::PutKey { new_key_file, new_version, triple_des, add } => {
                let kind = if *triple_des { KeyType::TripleDes } else { KeyType::Aes };
                let new = Access::with(Given::read(new_key_file)?.keys(kind)?, *new_version);
                let mut domain = card.open(&self.keys)?;
                put_key(&mut domain, &new, *add)?;
                card.confirm(&new)?;
                done(global, "put-key", format_args!("The card has keys of version {new_version:02X} now"));
                Ok(())
            }
            Action::Reset { kind } => {
                let kind = AppletKind::from(*kind);
                let sample = Access::with(KeySet::sample(KeyType::Aes), SAMPLE_VERSION);
                let mut domain = card.open(&self.keys)?;
                reinstall(&mut domain, kind, kind.aid()).map_err(|error| refusal(error, "delete"))?;
                put_key(&mut domain, &sample, false)?;
                card.confirm(&sample)?;
                done(global, "reset", format_args!("The card is blank, with the keys of sample cards"));
                Ok(())
            }
            action => manage(&mut card.open(&self.keys)?, action, global),
        }
    }
}

/// Puts keys in the place of those of the channel, or beside them.
fn put_key(domain: &mut Domain<'_>, new: &Access, add: bool) -> Result<(), Error> {
    let replaced = if add { 0 } else { domain.key_version() };
    let put = domain.put_keys(replaced, new.wish.key_version, &new.keys);
    put.map_err(|error| refusal(error, "put-key"))
}

/// What is one command to the card.
fn manage(domain: &mut Domain<'_>, action: &Action, global: &Global) -> Result<(), Error> {
    let (what, result, text) = match action {
        Action::Install { kind, aid } => {
            let kind = AppletKind::from(*kind);
            let own = || Aid::new(kind.aid()).unwrap_or_default();
            let name = aid.clone().unwrap_or_else(own);
            ("install", domain.install(kind, &name), format!("{} is installed", hex(&name)))
        }
        Action::Delete { aid } => ("delete", domain.delete(aid), format!("{} is deleted", hex(aid))),
        Action::Lock { what: Subject::Card } => {
            ("lock", domain.set_card_state(CardState::Locked), "The card is locked".into())
        }
        Action::Unlock { what: Subject::Card } => {
            ("unlock", unlock(domain)?, "The card is in use again".into())
        }
        Action::Lock { what: Subject::Application(aid) } => {
            ("lock", domain.block(aid, true), format!("{} is blocked", hex(aid)))
        }
        Action::Unlock { what: Subject::Application(aid) } => {
            ("unlock", domain.block(aid, false), format!("{} is in use again", hex(aid)))
        }
        Action::State { state, yes } => {
            if !yes {
                process::usage("there is no way back from this; say so with --yes");
            }
            let state = match state {
                State::Initialized => CardState::Initialized,
                State::Secured => CardState::Secured,
                State::Terminated => CardState::Terminated,
            };
            ("state", domain.set_card_state(state), format!("The card is {}", show::card_state(state)))
        }
        Action::DeleteKey { version } => {
            ("delete-key", domain.delete_keys(*version), format!("Keys of version {version:02X} are deleted"))
        }
        Action::List | Action::Info | Action::PutKey { .. } | Action::Reset { .. } => return Ok(()),
    };
    result.map_err(|error| refusal(error, what))?;
    done(global, what, format_args!("{text}"));
    Ok(())
}

/// CARD_LOCKED to SECURED. SECURED is reached by `state` from everywhere else.
fn unlock(domain: &mut Domain<'_>) -> Result<Result<(), host::Error>, Error> {
    match domain.card_state()? {
        CardState::Locked => Ok(domain.set_card_state(CardState::Secured)),
        state => Err(Error::Refused(format!("the card is not locked, it is {}", show::card_state(state)))),
    }
}

fn hex(aid: &Aid) -> String {
    hex::encode_upper(aid.as_slice())
}

fn done(global: &Global, what: &str, text: std::fmt::Arguments<'_>) {
    if global.json {
        output::json(&json!({ "done": what }));
    } else {
        output::line(text);
    }
}

/// Why the card refuses, where the command makes that clear.
fn refusal(error: host::Error, what: &str) -> Error {
    let why = match (what, error.status()) {
        ("delete", Some(StatusWord::CONDITIONS_NOT_SATISFIED)) => {
            "there is value in the application, or evidence of payments that nobody has taken over. Unload a \
             purse, collect and clear a PSAM; then delete it"
        }
        ("install", Some(StatusWord::CONDITIONS_NOT_SATISFIED)) => {
            "there is an application of this AID already"
        }
        ("install", Some(StatusWord::NOT_ENOUGH_MEMORY)) => "there is no room for another application",
        ("install", Some(StatusWord::WRONG_DATA)) => "no application may have this AID",
        ("lock" | "unlock", Some(StatusWord::CONDITIONS_NOT_SATISFIED)) => {
            "not in this state: an application must be personalised, a card SECURED"
        }
        ("state", Some(StatusWord::CONDITIONS_NOT_SATISFIED)) => "the card's life cycle goes forwards only",
        ("delete-key", Some(StatusWord::CONDITIONS_NOT_SATISFIED)) => "these are its last keys",
        ("put-key", Some(StatusWord::WRONG_DATA)) => {
            "it has other keys of this version, or the version is not 01 to 7F"
        }
        ("put-key", Some(StatusWord::NOT_ENOUGH_MEMORY)) => "it holds three key sets; delete one",
        (_, Some(StatusWord::REFERENCE_NOT_FOUND)) => "it has nothing of this name or version",
        _ => return error.into(),
    };
    Error::Refused(format!("the card refuses: {why}"))
}
