//! `purse card issue`: new purses of the scheme, which older readers can read besides, if wanted.
//! One card is ordered as a line of `purse issue` orders it.

use apdu_spec::element::Time;
use apdu_spec::personalisation::LegacyView;
use serde_json::json;
use simulation::Error;
use simulation::issuance::{COUNTRY, CardOrder, SHORT_BANK};

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
    #[arg(long, default_value_t = SHORT_BANK, requires = "view")]
    short_bank_code: u64,
    /// Bank code that a Geldkarte shows, 8 digits
    #[arg(long, default_value_t = 0, requires = "view")]
    bank_code: u64,
    /// Account that a Geldkarte shows, 10 digits
    #[arg(long, default_value_t = 0, requires = "view")]
    account: u64,
    /// Country that a Geldkarte shows, ISO 3166 numeric
    #[arg(long, default_value_t = COUNTRY, requires = "view")]
    country: u64,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum View {
    Geldkarte,
    Quick,
}

impl CardIssue {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let mut world = process::open(global)?;
        process::note_demo(&world, global);
        let currency = world.scheme().currency();
        let amount = |text: &str| process::amount(text, currency);
        let mut order = CardOrder::new(amount(&self.maximum), amount(&self.overdraft), amount(&self.limit));
        let now = process::now();
        order.legacy = self.legacy(now).unwrap_or_else(|reason| process::usage(reason));
        let order = order.checked().unwrap_or_else(|reason| process::usage(reason));
        let mut issued = Vec::new();
        for _ in 0..self.count {
            let number = world.issue_card(&order, now)?;
            let (id, image) = (world.iep(number)?.to_string(), world.purse_path(number));
            if !global.json {
                output::line(format_args!("purse {number}, {id}: {}", image.display()));
            }
            issued.push(json!({ "purse": number, "id": id, "image": image, "demo": world.is_demo() }));
        }
        if global.json {
            output::json(&json!(issued));
        }
        Ok(())
    }

    fn legacy(&self, now: Time) -> Result<Option<LegacyView>, &'static str> {
        let bit = |view: &View| match view {
            View::Geldkarte => LegacyView::GELDKARTE,
            View::Quick => LegacyView::QUICK,
        };
        let views = self.view.iter().map(bit).fold(0, |views, bit| views | bit);
        let Self { short_bank_code, bank_code, account, country, .. } = *self;
        let view = LegacyView::new(views, short_bank_code, bank_code, account, country, now.date())?;
        Ok(Some(view).filter(|view| view.views != 0))
    }
}
