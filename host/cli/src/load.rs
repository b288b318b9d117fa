//! `purse load` and `purse unload`: value goes into a purse, and out of it, online.

use apdu_spec::element::{Counter, Kind};
use host::terminal::load::Funding;
use host::terminal::transfer_journal::TransferIntent;
use serde_json::json;
use simulation::{Error, World};

use crate::{Global, output, pin, process};

/// Where the money comes from.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Source {
    /// The holder's account
    Account,
    /// Cash at the terminal
    Cash,
    /// The operator: a credit
    Operator,
    /// What is owed for a voided purchase of exactly this amount
    Refund,
}

/// Where the money goes to.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Destination {
    /// The holder's account
    Account,
    /// Cash at the terminal
    Cash,
    /// The operator
    Operator,
}

impl From<Source> for Funding {
    fn from(source: Source) -> Self {
        match source {
            Source::Account => Self::Account,
            Source::Cash => Self::Cash,
            Source::Operator => Self::Operator,
            Source::Refund => Self::Refund,
        }
    }
}

impl From<Destination> for Funding {
    fn from(destination: Destination) -> Self {
        match destination {
            Destination::Account => Self::Account,
            Destination::Cash => Self::Cash,
            Destination::Operator => Self::Operator,
        }
    }
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse load 1 20\n  purse load 1 12.50 --from cash\n  \
    purse load 1 2.50 --from refund       a purchase that its terminal voided, and the purse never got back\n  \
    purse load 1 100 --pin                above the purse's limit; the PIN is asked for\n\n\
    Exit code 3: the issuer refuses, the purse wants its PIN or another one, or is blocked; 4: in\n\
    doubt. Cash is given back where a load is refused, and kept where it is in doubt: `purse resolve 1`\n\
    finds out. What the operator gives above a day's limit, two operators sign for: `purse approve`.")]
pub(crate) struct Load {
    /// Number of the purse
    purse: u64,
    /// Amount, such as 12.50
    amount: String,
    /// Where the money comes from
    #[arg(long, value_enum, default_value = "account")]
    from: Source,
    /// The holder's PIN, where the purse wants it; without digits it is asked for. Others on this
    /// machine can see it here
    #[arg(long, value_name = "DIGITS", num_args = 0..=1, default_missing_value = "ask", value_parser = pin::typed)]
    pin: Option<pin::Typed>,
}

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse unload 1 5\n  purse unload 1 5 --to cash\n\n\
    Exit code 3: refused; 4: in doubt, and `purse resolve 1` finds out. Cash is paid out at exit code 0,\n\
    and never otherwise.")]
pub(crate) struct Unload {
    /// Number of the purse
    purse: u64,
    /// Amount, such as 12.50
    amount: String,
    /// Where the money goes to
    #[arg(long, value_enum, default_value = "account")]
    to: Destination,
}

impl Load {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let mut world = process::open(global)?;
        let amount = process::amount(&self.amount, world.scheme().currency());
        let pin = self.pin.as_ref().map(pin::Typed::pin).transpose()?;
        let (funding, now) = (self.from.into(), process::now());
        let done = world.load_with_pin(self.purse, amount, funding, pin.as_ref(), now)?;
        tell(&world, global, &done);
        Ok(())
    }
}

impl Unload {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let mut world = process::open(global)?;
        let amount = process::amount(&self.amount, world.scheme().currency());
        let done = world.unload(self.purse, amount, self.to.into(), process::now())?;
        tell(&world, global, &done);
        Ok(())
    }
}

/// Whether an intent loads, in the word for its outcome.
pub(crate) const fn word(intent: &TransferIntent) -> &'static str {
    if matches!(intent.kind, Kind::Unload) { "unloaded" } else { "loaded" }
}

/// What took place, with the balance that the issuer has confirmed.
fn tell(world: &World, global: &Global, done: &TransferIntent) {
    let (purse, currency) = (done.iep.number.get(), world.scheme().currency());
    let (amount, what) = (i64::from(done.amount.get()), word(done));
    let balance = done.balance_after().map_or(0, |balance| i64::from(balance.0));
    let nv = done.nv_after().map_or(0, Counter::get);
    if global.json {
        output::json(&json!({
            "outcome": what, "purse": purse, "amount": amount, "balance": balance, "nv": nv,
            "time": done.time.to_string(),
        }));
        return;
    }
    output::line(format_args!(
        "Purse {purse}: {what} {}, balance {} (NV {nv}, {})",
        output::money(amount, currency),
        output::money(balance, currency),
        done.time,
    ));
    if (done.kind, done.funding) == (Kind::Unload, Funding::Cash) {
        output::line(format_args!("Pay out {} in cash.", output::money(amount, currency)));
    }
}
