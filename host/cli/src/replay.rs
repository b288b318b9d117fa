//! `purse replay`: statements of a real card, lived on cards of ours.

use std::path::PathBuf;

use apdu_spec::element::{Algorithm, Currency, Time};
use background::vault::Lock;
use serde_json::json;
use simulation::replay::{self, Kinds, Lived};
use simulation::statement::{self, Columns};
use simulation::world::Founding;
use simulation::{Error, World};

use crate::progress::Progress;
use crate::{Global, output, process, report, watch};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse replay statements.csv --data /tmp/replay\n  \
    purse replay export.csv --column kind=type --column charge=fare --currency 978:2\n\n\
    One line an event, oldest first; lines of one statement stand together. A charge is a\n\
    purchase at the merchant of its kind, a credit a load, neither a contact without debit.")]
pub(crate) struct Replay {
    /// The file: CSV with a head
    file: PathBuf,
    /// Name of a column, as field=name; fields: statement date time kind charge credit balance
    #[arg(long = "column", value_name = "FIELD=NAME")]
    columns: Vec<String>,
    /// Kind of a credit that the operator pays for
    #[arg(long = "refund", value_name = "KIND", default_value = "refund")]
    refunds: Vec<String>,
    /// Currency: ISO 4217 number, colon, decimals
    #[arg(long, value_name = "CODE:DECIMALS", default_value = "826:2", value_parser = currency)]
    currency: Currency,
    /// Remove the data of an earlier run first
    #[arg(long)]
    replace: bool,
}

fn currency(text: &str) -> Result<Currency, String> {
    let (code, exponent) = text.split_once(':').ok_or("write it like 826:2")?;
    let code = code.parse().ok().filter(|code| *code < 1_000).ok_or("the code has up to three digits")?;
    let exponent = exponent.parse().ok().filter(|e| *e <= 4).ok_or("decimals are 0 to 4")?;
    Ok(Currency { code, exponent })
}

impl Replay {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let mut columns = Columns::default();
        for assignment in &self.columns {
            columns.set(assignment).map_err(|reason| Error::Order(format!("{assignment}: {reason}")))?;
        }
        let statements = statement::read(&self.file, &columns, self.currency.exponent)?;
        if self.replace {
            process::remove_world(&global.data)?;
        }
        let scheme = replay::scheme(&statements, self.currency);
        let start = statements.iter().flat_map(|s| &s.lines).map(|line| line.time).min().unwrap_or(Time(0));
        let random = process::random(global.seed)?;
        let observer = watch::observer(global)?;
        let founding = Founding { algorithm: Algorithm::AesCmac, lock: Lock::Open, observer };
        let mut world = World::found(&global.data, scheme, founding, random, start)?;
        let mut progress = Progress::new();
        let kinds = Kinds { refunds: self.refunds.clone() };
        let lived = replay::run(&mut world, &statements, &kinds, &mut |what, done, total| {
            progress.tell(what, done, total);
        });
        drop(progress);
        let lived = lived?;
        let figures = report::gather(&mut world)?;
        if global.json {
            output::json(&json!({ "demo": true, "lived": lived, "report": figures.to_json() }));
            return figures.verdict();
        }
        self.tell(&lived);
        process::note_demo_keys(global);
        figures.print();
        figures.verdict()
    }

    fn tell(&self, lived: &Lived) {
        let Lived { statements, lines, purchases, loads, refunds, contacts, .. } = lived;
        output::line(format_args!(
            "{}: {statements} statements, {lines} lines, lived on {statements} cards\n\n\
             {purchases} purchases, {loads} loads (of them {refunds} refunds), {contacts} contacts without debit.\n\
             After every line the balance on the card was the file's. After clearing, all {statements} shadow\n\
             balances and the totals of {} merchants were the file's too.",
            self.file.display(),
            lived.merchants.len(),
        ));
    }
}
