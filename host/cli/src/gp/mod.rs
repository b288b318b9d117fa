//! `purse gp`: card management as GlobalPlatform has it, for any card.
//!
//! `action` is what is asked for, `target` takes the card in hand, `keys` are those to get in with,
//! `show` prints.

mod action;
pub(crate) mod keys;
mod show;
mod target;

use apdu_spec::StatusWord;
use apdu_spec::aid::{Aid, ApplicationKind};
use apdu_spec::crypto::secure_channel::{KeySet, KeyType};
use apdu_spec::life_cycle::CardState;
use host::card::domain::{Access, Attempts, SecurityDomain, attempts};
use host::reader::Reader;
use host::terminal::personalise::reinstall;
use serde_json::json;
use simulation::Error;

use crate::{Global, output, process};
use action::{Action, Subject, names};
use keys::{Given, Keys};
use target::{InHand, Target};

/// Version under which a card that is reset gets the keys of sample cards; the manufacturer's FF
/// cannot be put.
const SAMPLE_VERSION: u8 = 0x01;

#[derive(clap::Args)]
#[command(after_help = after_help())]
pub(crate) struct Gp {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    keys: Keys,
    #[command(subcommand)]
    action: Action,
}

fn after_help() -> String {
    format!(
        "Examples:\n  purse gp list --card 1                          a purse of the scheme, with its own keys\n  \
         purse gp info --image blank.card                no keys needed\n  \
         purse --reader \"ACS\" gp list --key-file keys.json\n  \
         purse gp install purse F05055525332 --image blank.card\n  \
         purse gp lock purse --card 1                    an application; `lock card` locks the whole card\n  \
         purse gp put-key --new-key-file new.json --new-version 31 --image blank.card\n\n\
         Without --key-file or --key: a card of the scheme is opened with its own keys, any other one with\n\
         those of sample cards. Which, is said on standard error.\n\n\
         AIDs are hexadecimal, or a name: {}. Exit code 3: the card refuses.",
        names()
    )
}

type Domain<'d> = SecurityDomain<&'d mut dyn Reader>;

impl Gp {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        if let Action::State { yes: false, .. } = self.action {
            process::usage("there is no way back from this; say so with --yes");
        }
        let wants_keys = !matches!(self.action, Action::Info);
        let mut card = self.target.take(global, wants_keys && !self.keys.are_given())?;
        let done = self.carry_out(&mut card, global.json)?;
        if let (Some(_), true) = (&done, global.json) {
            output::json(&json!({ "done": self.action.word() }));
        } else if let Some(text) = done {
            output::line(text);
        }
        Ok(())
    }

    /// What was done, in words; nothing where the card has been shown.
    fn carry_out(&self, card: &mut InHand, as_json: bool) -> Result<Option<String>, Error> {
        let keys = &self.keys;
        Ok(Some(match &self.action {
            Action::Info => return show::info(&mut card.reader, as_json).map(|()| None),
            Action::List => return show::list(&mut card.open(keys)?, as_json).map(|()| None),
            Action::Install { kind, aid } => {
                let kind = ApplicationKind::from(*kind);
                let own = || Aid::new(kind.aid()).unwrap_or_default();
                let name = aid.clone().unwrap_or_else(own);
                self.taken(card.manage(keys)?.install(kind, &name))?;
                format!("{} is installed", hex(&name))
            }
            Action::Delete { aid } => {
                self.taken(card.manage(keys)?.delete(aid))?;
                format!("{} is deleted", hex(aid))
            }
            Action::Lock { what } => self.lock(&mut card.open(keys)?, what)?,
            Action::Unlock { what } => self.unlock(&mut card.open(keys)?, what)?,
            Action::State { state, .. } => {
                let state = CardState::from(*state);
                self.taken(card.open(keys)?.set_card_state(state))?;
                format!("The card is {}", show::card_state(state))
            }
            Action::PutKey { new_key_file, new_version, triple_des, add } => {
                let kind = if *triple_des { KeyType::TripleDes } else { KeyType::Aes };
                let new = Access::with(Given::read(new_key_file)?.keys(kind)?, *new_version);
                self.put_key(&mut card.manage(keys)?, &new, *add)?;
                card.confirm(&new)?;
                format!("The card has keys of version {new_version:02X} now")
            }
            Action::DeleteKey { version } => {
                self.taken(card.manage(keys)?.delete_keys(*version))?;
                format!("Keys of version {version:02X} are deleted")
            }
            Action::Reset { kind } => self.reset(card, (*kind).into())?,
        }))
    }

    fn lock(&self, domain: &mut Domain<'_>, what: &Subject) -> Result<String, Error> {
        match what {
            Subject::Card => {
                self.taken(domain.set_card_state(CardState::Locked))?;
                Ok("The card is locked".into())
            }
            Subject::Application(aid) => {
                self.taken(domain.block(aid, true))?;
                Ok(format!("{} is blocked", hex(aid)))
            }
        }
    }

    /// The card: CARD_LOCKED to SECURED, and out of the block of wrong authentications. SECURED is
    /// reached by `state` from everywhere else.
    fn unlock(&self, domain: &mut Domain<'_>, what: &Subject) -> Result<String, Error> {
        if let Subject::Application(aid) = what {
            self.taken(domain.block(aid, false))?;
            return Ok(format!("{} is in use again", hex(aid)));
        }
        let blocked = attempts(domain.reader())?.is_some_and(Attempts::block);
        match domain.card_state()? {
            CardState::Locked => self.taken(domain.set_card_state(CardState::Secured))?,
            state if blocked => self.taken(domain.set_card_state(state))?,
            state => {
                let state = show::card_state(state);
                return Err(Error::Refused(format!("the card is neither locked nor blocked, it is {state}")));
            }
        }
        Ok("The card is in use again".into())
    }

    /// Puts keys in the place of those of the channel, or beside them.
    fn put_key(&self, domain: &mut Domain<'_>, new: &Access, add: bool) -> Result<(), Error> {
        let replaced = if add { 0 } else { domain.key_version() };
        self.taken(domain.put_keys(replaced, new.wish.key_version, &new.keys))
    }

    fn reset(&self, card: &mut InHand, kind: ApplicationKind) -> Result<String, Error> {
        let sample = Access::with(KeySet::sample(KeyType::Aes), SAMPLE_VERSION);
        let mut domain = card.manage(&self.keys)?;
        self.taken(reinstall(&mut domain, kind, kind.aid()))?;
        self.put_key(&mut domain, &sample, false)?;
        card.confirm(&sample)?;
        Ok("The card is blank, with the keys of sample cards".into())
    }

    /// What the card made of a command; why it refuses, where the action makes that clear.
    fn taken(&self, result: Result<(), host::Error>) -> Result<(), Error> {
        result.map_err(|error| match error.status().and_then(|status| refusal(&self.action, status)) {
            Some(why) => Error::Refused(format!("the card refuses: {why}")),
            None => error.into(),
        })
    }
}

fn hex(aid: &Aid) -> String {
    hex::encode_upper(aid.as_slice())
}

/// Why a card refuses this.
const fn refusal(action: &Action, status: StatusWord) -> Option<&'static str> {
    Some(match (action, status) {
        (Action::Delete { .. } | Action::Reset { .. }, StatusWord::CONDITIONS_NOT_SATISFIED) => {
            "there is value in the application, or evidence of payments that nobody has taken over. Unload a \
             purse, collect and clear a PSAM; then delete it"
        }
        (Action::Install { .. }, StatusWord::CONDITIONS_NOT_SATISFIED) => {
            "there is an application of this AID already"
        }
        (Action::Install { .. }, StatusWord::NOT_ENOUGH_MEMORY) => "there is no room for another application",
        (Action::Install { .. }, StatusWord::WRONG_DATA) => "no application may have this AID",
        (Action::Lock { .. } | Action::Unlock { .. }, StatusWord::CONDITIONS_NOT_SATISFIED) => {
            "not in this state: an application must be personalised, a card SECURED"
        }
        (Action::State { .. }, StatusWord::CONDITIONS_NOT_SATISFIED) => {
            "the card's life cycle goes forwards only"
        }
        (Action::DeleteKey { .. }, StatusWord::CONDITIONS_NOT_SATISFIED) => "these are its last keys",
        (Action::PutKey { .. } | Action::Reset { .. }, StatusWord::WRONG_DATA) => {
            "it has other keys of this version, or the version is not 01 to 7F"
        }
        (Action::PutKey { .. } | Action::Reset { .. }, StatusWord::NOT_ENOUGH_MEMORY) => {
            "it holds three key sets; delete one"
        }
        (_, StatusWord::REFERENCE_NOT_FOUND) => "it has nothing of this name or version",
        _ => return None,
    })
}
