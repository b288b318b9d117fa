//! `purse card issue`: new purses of the scheme, which older readers can read besides, if wanted.
//! One card is ordered as a line of `purse issue` orders it.

use apdu_spec::element::{Bcd, Time};
use apdu_spec::personalisation::LegacyView;
use serde_json::json;
use simulation::Error;
use simulation::issuance::CardOrder;

use crate::{Global, output, process};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  purse card issue\n  purse card issue --count 3 --maximum 150 --overdraft 3.20\n  \
    purse card issue --view geldkarte --bank-code 37040044 --account 532013000\n\n\
    A view shows balance, limits and payments of the purse to readers of older cards. Nothing can be \
    written through it."
)]
pub(crate) struct CardIssue {
    /// How many
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// Greatest balance
    #[arg(long, default_value = "200.00", value_name = "AMOUNT")]
    maximum: String,
    /// How far below zero a payment may take it
    #[arg(long, default_value = "0.00", value_name = "AMOUNT")]
    overdraft: String,
    /// Greatest payment
    #[arg(long, default_value = "50.00", value_name = "AMOUNT")]
    limit: String,
    /// As which older cards it can be read besides
    #[arg(long, value_enum, value_delimiter = ',')]
    view: Vec<View>,
    /// Short bank code that a Geldkarte shows: 6 digits, the first two 21, 22, 25, 26 or 29
    #[arg(long, default_value_t = 250_000, value_parser = short_bank_code, requires = "view")]
    short_bank_code: u64,
    /// Bank code that a Geldkarte shows, 8 digits
    #[arg(long, default_value_t = 0, requires = "view",
        value_parser = clap::value_parser!(u64).range(..=Bcd::<4>::MAX))]
    bank_code: u64,
    /// Account that a Geldkarte shows, 10 digits
    #[arg(long, default_value_t = 0, requires = "view",
        value_parser = clap::value_parser!(u64).range(..=Bcd::<5>::MAX))]
    account: u64,
    /// Country that a Geldkarte shows, ISO 3166 numeric
    #[arg(long, default_value_t = 280, requires = "view", value_parser = clap::value_parser!(u64).range(..=999))]
    country: u64,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum View {
    Geldkarte,
    Quick,
}

/// Six digits that begin with the number of a group of banks.
fn short_bank_code(text: &str) -> Result<u64, String> {
    let code: u64 = text.parse().map_err(|_| "6 digits are expected".to_owned())?;
    match code / 10_000 {
        21 | 22 | 25 | 26 | 29 => Ok(code),
        _ => Err("6 digits are expected, the first two 21, 22, 25, 26 or 29".into()),
    }
}

impl CardIssue {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let mut world = process::open(global)?;
        let currency = world.scheme().currency();
        let amount = |text: &str| process::amount(text, currency);
        let mut order = CardOrder::new(amount(&self.maximum), amount(&self.overdraft), amount(&self.limit));
        if !self.view.is_empty() && u64::from(order.maximum.get()) > Bcd::<3>::MAX {
            process::usage("a view has six digits for the balance; lower --maximum");
        }
        let now = process::now();
        order.legacy = self.legacy(now);
        let mut issued = Vec::new();
        for _ in 0..self.count {
            let number = world.issue_card(&order, now)?;
            let (id, image) = (world.iep(number)?.to_string(), world.purse_path(number));
            if !global.json {
                output::line(format_args!("purse {number}, {id}: {}", image.display()));
            }
            issued.push(json!({ "purse": number, "id": id, "image": image }));
        }
        if global.json {
            output::json(&json!(issued));
        }
        Ok(())
    }

    fn legacy(&self, now: Time) -> Option<LegacyView> {
        let bit = |view: &View| match view {
            View::Geldkarte => LegacyView::GELDKARTE,
            View::Quick => LegacyView::QUICK,
        };
        let views = self.view.iter().map(bit).fold(0, |views, bit| views | bit);
        (views != 0).then(|| LegacyView {
            views,
            // What is typed has no more digits than its place.
            short_bank: Bcd::saturating(self.short_bank_code),
            bank: Bcd::saturating(self.bank_code),
            account: Bcd::saturating(self.account),
            country: Bcd::saturating(self.country),
            since: now.date(),
        })
    }
}
