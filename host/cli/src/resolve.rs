//! `purse resolve`: what became of a payment, load or unload whose answer was lost. The purse
//! is asked, and answers under a MAC.

use apdu_spec::element::{Currency, Kind};
use host::terminal::load::{Funding, Transfer};
use host::terminal::transfer_journal::TransferIntent;
use serde_json::{Value, json};
use simulation::{Error, World};

use crate::card::word;
use crate::process::Outcome;
use crate::{Global, load, output, process};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse resolve 1 --at kiosk      a payment at this terminal\n  \
    purse resolve 1                 loads and unloads of this purse\n  \
    purse --reader \"Virtual PCD 00 00\" resolve --at kiosk\n\n\
    Each end is told once. Exit code 4: something is still in doubt.")]
pub(crate) struct Resolve {
    /// Number of the purse; with --reader, the one in the reader
    purse: Option<u64>,
    /// Name of the terminal of the payment; without, the load terminal
    #[arg(long, value_name = "TERMINAL")]
    at: Option<String>,
}

impl Resolve {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let (mut world, presented) = process::open_with_purse(global)?;
        let purse = process::which(self.purse, presented);
        match &self.at {
            Some(terminal) => payments(&mut world, purse, terminal, global.json),
            None => transfers(&mut world, purse, global.json),
        }
    }
}

fn payments(world: &mut World, purse: u64, terminal: &str, as_json: bool) -> Result<(), Error> {
    let currency = world.scheme().currency();
    let resolved = world.recover(purse, terminal)?;
    if as_json {
        let value = |(intent, receipt): &(host::terminal::journal::Intent, Option<_>)| {
            json!({
                "purse": purse, "terminal": terminal, "nt_psam": intent.nt_psam.get(),
                "amount": intent.amount.get(), "time": intent.time.to_string(),
                "outcome": if receipt.is_some() { "paid" } else { Outcome::Refused.word() },
            })
        };
        output::json(&resolved.iter().map(value).collect());
        return Ok(());
    }
    if resolved.is_empty() {
        output::line(format_args!("Purse {purse}: nothing is in doubt at {terminal}"));
    }
    for (intent, receipt) in &resolved {
        let amount = output::money(intent.amount.get().into(), currency);
        let outcome = if receipt.is_some() { "was paid" } else { "was not paid" };
        output::line(format_args!("Purse {purse}: {amount} at {terminal}, {}, {outcome}", intent.time));
    }
    Ok(())
}

/// Ends what is in doubt at the load terminal. One that stays so makes the command end in doubt.
fn transfers(world: &mut World, purse: u64, as_json: bool) -> Result<(), Error> {
    let resolved = world.resolve(purse, process::now())?;
    if as_json {
        output::json(&resolved.iter().map(value).collect());
    } else if resolved.is_empty() {
        output::line(format_args!("Purse {purse}: nothing is in doubt at the load terminal"));
    } else {
        let currency = world.scheme().currency();
        resolved.iter().for_each(|end| output::line(sentence(end, currency)));
    }
    let doubt = resolved.into_iter().find_map(|end| match end {
        Transfer::InDoubt(intent, why) => Some(Error::TransferInDoubt(intent, why)),
        Transfer::Done(_) | Transfer::Refused(..) => None,
    });
    doubt.map_or(Ok(()), Err)
}

/// What an end is about, and its word.
fn end_of(end: &Transfer) -> (&TransferIntent, &'static str) {
    match end {
        Transfer::Done(intent) => (intent, load::word(intent)),
        Transfer::Refused(intent, _) => (intent, Outcome::Refused.word()),
        Transfer::InDoubt(intent, _) => (intent, Outcome::InDoubt.word()),
    }
}

fn value(end: &Transfer) -> Value {
    let (intent, outcome) = end_of(end);
    json!({
        "outcome": outcome, "purse": intent.iep.number.get(), "session": intent.nt.get(),
        "kind": word(intent.kind), "funding": intent.funding, "amount": intent.amount.get(),
        "time": intent.time.to_string(),
    })
}

fn sentence(end: &Transfer, currency: Currency) -> String {
    let (intent, _) = end_of(end);
    let amount = output::money(intent.amount.get().into(), currency);
    let what = format!("the {} of {amount}, {},", word(intent.kind), intent.time);
    let outcome = match (end, intent.funding, intent.kind) {
        (Transfer::Done(_), Funding::Cash, Kind::Unload) => format!("took place. Pay out {amount} in cash"),
        (Transfer::Done(_), ..) => "took place".into(),
        (Transfer::Refused(..), Funding::Cash, Kind::Load) => {
            format!("moved no value. The {amount} in cash are the holder's")
        }
        (Transfer::Refused(..), Funding::Cash, _) => "moved no value. Do not pay out".into(),
        (Transfer::Refused(..), ..) => "moved no value".into(),
        (Transfer::InDoubt(..), ..) => "is still in doubt".into(),
    };
    format!("Purse {}: {what} {outcome}", intent.iep.number.get())
}
