//! `purse card show|log`: looks at purses; `block`, `unblock` and `rekey`. The other subcommands
//! have files of their own.

use apdu_spec::element::Kind;
use apdu_spec::purse::LogLine;
use background::reports::PurseLine;
use serde_json::json;
use simulation::world::Which;
use simulation::{Error, World};

use crate::{Global, blank, card_issue, card_list, output, pin, process, reader, sam, serve};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  purse card list\n  purse card show 1\n  purse card log 1 --json\n  purse card block 1\n  \
    purse --reader \"Virtual PCD 00 00\" card show\n  purse card serve --image purse-data/cards/purse-1.card"
)]
pub(crate) struct Card {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// All purses: balance on the card, and what the background system knows
    List,
    /// One purse
    Show {
        /// Number of the purse; with --reader, the one in the reader
        purse: Option<u64>,
    },
    /// The log of one purse, newest first
    Log {
        /// Number of the purse; with --reader, the one in the reader
        purse: Option<u64>,
    },
    /// Block a purse: it answers questions and moves no value
    Block {
        /// Number of the purse; with --reader, the one in the reader
        purse: Option<u64>,
    },
    /// Take a blocked purse into use again
    Unblock {
        /// Number of the purse; with --reader, the one in the reader
        purse: Option<u64>,
    },
    /// Change the PIN of a purse, or reset it
    Pin(pin::PinCommand),
    /// Bring a purse a generation of keys, or retire old ones
    #[command(after_help = "Examples:\n  purse card rekey 1\n  purse card rekey 1 --retire 1")]
    Rekey {
        /// Number of the purse; with --reader, the one in the reader
        purse: Option<u64>,
        #[command(flatten)]
        rekey: sam::NewKeys,
    },
    /// Issue new purses
    Issue(card_issue::CardIssue),
    /// Make blank cards, as image files
    Blank(blank::Blank),
    /// Put cards into readers: of pcscd, or of any program that connects
    Serve(serve::Serve),
}

impl Card {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        match &self.action {
            Action::List => {
                reader::refuse(global)?;
                card_list::list(&mut process::open(global)?, global.json)
            }
            Action::Show { purse } => {
                let (mut world, presented) = process::open_with_purse(global)?;
                let image = presented.is_none();
                show(&mut world, process::which(*purse, presented), image, global.json)
            }
            Action::Log { purse } => {
                let (mut world, presented) = process::open_with_purse(global)?;
                log(&mut world, process::which(*purse, presented), global.json)
            }
            Action::Block { purse } => block(*purse, true, global),
            Action::Unblock { purse } => block(*purse, false, global),
            Action::Pin(pin) => pin.run(global),
            Action::Rekey { purse, rekey } => bring_keys(rekey, *purse, global),
            Action::Issue(issue) => {
                reader::refuse(global)?;
                issue.run(global)
            }
            Action::Blank(blank) => {
                reader::refuse(global)?;
                blank.run(global)
            }
            Action::Serve(serve) => {
                reader::refuse(global)?;
                serve.run(global)
            }
        }
    }
}

fn block(purse: Option<u64>, blocked: bool, global: &Global) -> Result<(), Error> {
    let (mut world, presented) = process::open_with_purse(global)?;
    let purse = process::which(purse, presented);
    world.block(purse, blocked)?;
    if global.json {
        output::json(&json!({ "purse": purse, "blocked": blocked }));
    } else {
        let state = if blocked { "blocked: it answers questions and moves no value" } else { "in use again" };
        output::line(format_args!("Purse {purse} is {state}"));
    }
    Ok(())
}

fn shadow_of(world: &mut World, number: u64) -> Result<Option<PurseLine>, Error> {
    let name = world.iep(number)?.to_string();
    Ok(world.background().purses()?.into_iter().find(|line| line.purse == name))
}

fn show(world: &mut World, number: u64, image: bool, as_json: bool) -> Result<(), Error> {
    let path = image.then(|| world.purse_path(number));
    let mut card = process::purse_card(world, number)?;
    let blocked = card.is_blocked();
    let told = card.balance().and_then(|balance| Ok((balance, card.information()?)));
    let (balance, information) = told.map_err(|error| world.explained(number, error))?;
    let known = shadow_of(world, number)?;
    let wrong = if blocked { world.blocked_after(number) } else { None };
    let (identity, currency) = (information.identity, information.identity.currency);
    if as_json {
        output::json(&json!({
            "purse": number, "id": identity.iep.to_string(), "expiry": identity.expiry.to_string(),
            "currency": currency.code, "exponent": currency.exponent, "balance": balance.balance.0,
            "maximum": identity.maximum.0, "overdraft": information.overdraft.get(),
            "sessions": information.nt.get(), "value_commits": information.nv.get(),
            "receipts": information.receipts, "blocked": blocked, "image": path, "background": known,
        }));
        return Ok(());
    }
    let shadow = known.map_or("unknown".into(), |line| output::amount(&line.shadow));
    let mut rows = vec![
        ["id".into(), identity.iep.to_string()],
        ["balance".into(), output::money(balance.balance.0.into(), currency)],
        ["shadow balance".into(), shadow],
        ["greatest balance".into(), output::money(identity.maximum.0.into(), currency)],
        ["overdraft".into(), output::money(information.overdraft.get().into(), currency)],
        ["last day".into(), identity.expiry.to_string()],
        ["sessions (NT)".into(), information.nt.to_string()],
        ["value commits (NV)".into(), information.nv.to_string()],
        ["receipts held".into(), information.receipts.to_string()],
        ["state".into(), state(blocked, wrong)],
    ];
    rows.extend(path.map(|path| ["image".into(), path.display().to_string()]));
    output::line(output::table(["purse", &number.to_string()], 2, rows));
    Ok(())
}

/// The state of a purse, and what blocks it: its issuer, or wrong authentications at its card.
fn state(blocked: bool, wrong: Option<u8>) -> String {
    match wrong {
        Some(wrong) => format!("blocked after {wrong} wrong authentications"),
        None if blocked => "blocked by the issuer".into(),
        None => "in use".into(),
    }
}

fn log(world: &mut World, number: u64, as_json: bool) -> Result<(), Error> {
    let mut card = process::purse_card(world, number)?;
    let currency = card.information()?.identity.currency;
    let lines = card.log()?;
    if as_json {
        let value = |line: &LogLine| {
            json!({
                "nv": line.nv.get(), "nt": line.nt.get(), "kind": word(line.kind), "time": line.time.to_string(),
                "sam": line.sam.to_string(), "nt_sam": line.nt_sam.get(),
                "amount": line.amount.get(), "balance": line.balance.0,
            })
        };
        output::json(&lines.iter().map(value).collect());
        return Ok(());
    }
    let row = |line: &LogLine| {
        [
            line.nv.to_string(),
            line.time.to_string(),
            word(line.kind).to_owned(),
            line.sam.to_string(),
            output::money(line.amount.get().into(), currency),
            output::money(line.balance.0.into(), currency),
        ]
    };
    let rows = lines.iter().map(row).collect();
    output::line(output::table(["NV", "time", "what", "where", "amount", "balance"], 4, rows));
    Ok(())
}

/// A type of transaction, in a word.
pub(crate) const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Load => "load",
        Kind::Purchase => "purchase",
        Kind::Unload => "unload",
        Kind::Cancellation => "cancellation",
        Kind::Recovery => "recovery",
    }
}

fn bring_keys(rekey: &sam::NewKeys, number: Option<u64>, global: &Global) -> Result<(), Error> {
    let (mut world, presented) = process::open_with_purse(global)?;
    let number = process::which(number, presented);
    let version = rekey.run(&mut world, &Which::Purse(number), global)?;
    if global.json {
        output::json(&json!({ "purse": number, "version": version, "retired": rekey.retire }));
    }
    Ok(())
}
