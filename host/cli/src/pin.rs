//! `purse card pin change|reset`, and how a PIN gets in: from the terminal without echo, from
//! standard input, or as an argument. It is printed nowhere.

use std::io::{IsTerminal as _, stdin};

use apdu_spec::element::Pin;
use host::card::purse::PurseCard;
use serde_json::json;
use simulation::Error;
use zeroize::Zeroizing;

use crate::{Global, output, process};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  purse card pin change 1              asks for the old PIN and the new one\n  \
    purse card pin reset 1               asks for the new one\n  \
    printf '1234\\n9876\\n' | purse card pin change 1\n\n\
    Exit code 3: the PIN is wrong, or blocked."
)]
pub(crate) struct PinCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// The holder's: a new PIN in the place of the old one
    Change {
        /// Number of the purse; with --reader, the one in the reader
        purse: Option<u64>,
        /// The PIN as it is; without, it is asked for. Others on this machine can see it here
        #[arg(long, value_name = "DIGITS", value_parser = parse)]
        old: Option<Pin>,
        /// The PIN as it shall be; without, it is asked for
        #[arg(long, value_name = "DIGITS", value_parser = parse)]
        new: Option<Pin>,
    },
    /// The issuer's: a new PIN with all its tries, through the secure channel
    Reset {
        /// Number of the purse; with --reader, the one in the reader
        purse: Option<u64>,
        /// The PIN as it shall be; without, it is asked for
        #[arg(long, value_name = "DIGITS", value_parser = parse)]
        new: Option<Pin>,
    },
}

impl PinCommand {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let (mut world, presented) = process::open_with_purse(global)?;
        let (purse, what) = match &self.action {
            Action::Change { purse, old, new } => {
                let purse = process::which(*purse, presented);
                let reader = world.purse(purse)?;
                let old = given_or(old.as_ref(), "PIN as it is: ")?;
                let new = given_or(new.as_ref(), "PIN as it shall be: ")?;
                let changed = PurseCard::select(reader)?.change_pin(&old, &new);
                changed.map_err(|error| world.explained(purse, error))?;
                (purse, "changed")
            }
            Action::Reset { purse, new } => {
                let purse = process::which(*purse, presented);
                world.reset_pin(purse, &given_or(new.as_ref(), "New PIN: ")?)?;
                (purse, "reset")
            }
        };
        if global.json {
            output::json(&json!({ "purse": purse, "pin": what }));
        } else {
            output::line(format_args!("Purse {purse}: its PIN is {what}"));
        }
        Ok(())
    }
}

/// A PIN on the command line. What is none is not repeated.
fn parse(text: &str) -> Result<Pin, String> {
    Pin::new(text).map_err(|_| "a PIN has 4 to 12 digits".into())
}

/// A `--pin` that may have digits; without, they are asked for.
#[derive(Clone, Debug)]
pub(crate) enum Typed {
    Given(Pin),
    Asked,
}

/// `--pin` as clap takes it; `ask` stands where no digits are.
pub(crate) fn typed(text: &str) -> Result<Typed, String> {
    if text == "ask" { Ok(Typed::Asked) } else { parse(text).map(Typed::Given) }
}

impl Typed {
    pub(crate) fn pin(&self) -> Result<Pin, Error> {
        match self {
            Self::Given(pin) => Ok(pin.clone()),
            Self::Asked => ask("PIN: "),
        }
    }
}

fn given_or(given: Option<&Pin>, prompt: &str) -> Result<Pin, Error> {
    given.map_or_else(|| ask(prompt), |pin| Ok(pin.clone()))
}

/// Asks a person without echo; a program gives a line on standard input.
fn ask(prompt: &str) -> Result<Pin, Error> {
    let refuse = |error: std::io::Error| Error::Order(format!("no PIN could be read: {error}"));
    let mut line = Zeroizing::new(String::new());
    if stdin().is_terminal() {
        line = Zeroizing::new(rpassword::prompt_password(prompt).map_err(refuse)?);
    } else {
        stdin().read_line(&mut line).map_err(refuse)?;
    }
    parse(line.trim()).map_err(Error::Order)
}
