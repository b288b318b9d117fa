//! `purse resolve`: what became of a payment, load or unload whose answer was lost. The purse
//! is asked, and answers under a MAC.

use apdu_spec::element::Kind;
use host::card::purse::PurseCard;
use serde_json::json;
use simulation::{Error, World};

use crate::card::word;
use crate::{Global, output, process};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse resolve 1 --at kiosk      a payment at this terminal\n  \
    purse resolve 1                 a load or unload, right after it\n  \
    purse --reader \"Virtual PCD 00 00\" resolve --at kiosk")]
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
            None => transfer(&mut world, purse, global.json),
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
                "amount": intent.amount.get(), "time": intent.time.to_string(), "paid": receipt.is_some(),
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

fn transfer(world: &mut World, purse: u64, as_json: bool) -> Result<(), Error> {
    let currency = world.scheme().currency();
    let nt = PurseCard::select(world.purse(purse)?)?.information()?.nt;
    let moved = world.resolve(purse, nt, process::now())?;
    // What that session was, for people: the log is not authenticated, the answer is.
    let log = PurseCard::select(world.purse(purse)?)?.log()?;
    let line = log.iter().find(|line| line.nt == nt && line.kind != Kind::Cancellation).filter(|_| moved);
    if as_json {
        let what = line.map(|line| {
            json!({ "kind": word(line.kind), "amount": line.amount.get(), "time": line.time.to_string() })
        });
        output::json(&json!({ "purse": purse, "session": nt.get(), "moved": moved, "transaction": what }));
        return Ok(());
    }
    let outcome = match line {
        Some(line) => {
            let amount = output::money(line.amount.get().into(), currency);
            format!("was a {} of {amount}, {}, and took place", word(line.kind), line.time)
        }
        None if moved => "took place".into(),
        None => "moved no value".into(),
    };
    output::line(format_args!("Purse {purse}: its last session (NT {nt}) {outcome}"));
    Ok(())
}
