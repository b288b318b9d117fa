//! `purse pay` and `purse cancel`: a payment between a purse and a terminal, offline,
//! and taking the last one back.

use apdu_spec::element::Kind;
use host::card::purse::PurseCard;
use serde_json::json;
use simulation::Error;

use crate::{Global, output, process};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse pay 1 2.50 --at kiosk\n  \
    purse --reader \"Virtual PCD 00 00\" --wait pay 1 2.50 --at kiosk\n\n\
    Exit code 3: not paid; 4: in doubt, and `purse resolve 1 --at kiosk` finds out.")]
pub(crate) struct Pay {
    /// Number of the purse
    purse: u64,
    /// Amount, such as 2.50
    amount: String,
    /// Name of the terminal
    #[arg(long, value_name = "TERMINAL")]
    at: String,
}

#[derive(clap::Args)]
#[command(after_help = "Example:\n  purse cancel 1 --at kiosk\n\n\
    Only the last transaction of the purse, at its terminal, before that is collected.")]
pub(crate) struct Cancel {
    /// Number of the purse
    purse: u64,
    /// Name of the terminal
    #[arg(long, value_name = "TERMINAL")]
    at: String,
}

impl Pay {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let mut world = process::open(global)?;
        let currency = world.scheme().currency();
        let amount = process::amount(&self.amount, currency);
        let receipt = world.pay(self.purse, &self.at, amount, process::now())?;
        let balance = receipt.balance.map(|balance| i64::from(balance.0));
        let batch = receipt.credited.map(|credited| credited.batch.get());
        if global.json {
            output::json(&json!({
                "outcome": "paid", "purse": self.purse, "terminal": self.at, "amount": receipt.amount.get(),
                "time": receipt.time.to_string(), "nt_psam": receipt.nt_psam.get(), "batch": batch,
                "balance": balance,
            }));
            return Ok(());
        }
        let rows = vec![
            ["purse".into(), receipt.iep.to_string()],
            ["paid".into(), output::money(receipt.amount.get().into(), currency)],
            ["at".into(), self.at.clone()],
            ["time".into(), receipt.time.to_string()],
            ["number".into(), receipt.nt_psam.to_string()],
            ["balance".into(), balance.map_or("not known".into(), |minor| output::money(minor, currency))],
        ];
        output::line(output::table(["RECEIPT", ""], 2, rows));
        Ok(())
    }
}

impl Cancel {
    fn nothing(&self) -> Error {
        Error::Order(format!("the last transaction of purse {} is no payment at {}", self.purse, self.at))
    }

    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let mut world = process::open(global)?;
        let currency = world.scheme().currency();
        let sam = world.scheme().module(world.scheme().terminal(&self.at)?.sam);
        let last = PurseCard::select(world.purse(self.purse)?)?.log()?.into_iter().next();
        let last = last.filter(|line| line.sam == sam).filter(|line| line.kind != Kind::Recovery);
        let last = last.ok_or_else(|| self.nothing())?;
        if last.kind == Kind::Cancellation {
            return Err(Error::Order(format!(
                "the last payment of purse {} at {} has been given back already: {}",
                self.purse,
                self.at,
                output::money(last.amount.get().into(), currency)
            )));
        }
        if last.kind != Kind::Purchase {
            return Err(self.nothing());
        }
        // Which payment it is, the purse's log says, and may lie: the PSAM lets the purse prove it.
        let taken_back = world.cancel(self.purse, &self.at, last.nt_sam)?;
        let amount = taken_back.amount;
        let balance = taken_back.balance.map(|balance| i64::from(balance.0));
        if global.json {
            output::json(&json!({ "purse": self.purse, "cancelled": amount.get(), "balance": balance }));
        } else {
            let amount = output::money(amount.get().into(), currency);
            let balance = balance
                .map_or(String::new(), |minor| format!(", balance {}", output::money(minor, currency)));
            output::line(format_args!("Purse {}: {amount} given back{balance}", self.purse));
        }
        Ok(())
    }
}
