//! `purse report`: what a merchant and an issuer can read, and the money equation with
//! each of its terms.

use apdu_spec::element::Currency;
use background::Books;
use background::clearing::reconcile::Discrepancy;
use background::reports::{ExceptionLine, GuaranteeLine, IssuerStatement, MerchantStatement};
use serde_json::{Value, json};
use simulation::equation::Equation;
use simulation::{Error, World, failure};

use crate::{Global, output, process};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse report\n  purse report --json")]
pub(crate) struct Report {}

/// Everything that a report shows.
pub(crate) struct Figures {
    currency: Currency,
    issuers: Vec<IssuerStatement>,
    merchants: Vec<MerchantStatement>,
    exceptions: Vec<ExceptionLine>,
    discrepancies: Vec<Discrepancy>,
    books: Books,
    equation: Equation,
}

impl Report {
    #[allow(clippy::unused_self)] // like the other commands
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let figures = gather(&mut process::open(global)?)?;
        if global.json {
            output::json(&figures.to_json());
        } else {
            figures.print();
        }
        figures.verdict()
    }
}

/// Reads all figures, the balances from the cards themselves.
pub(crate) fn gather(world: &mut World) -> Result<Figures, Error> {
    let (provider, currency) = (world.scheme().provider(), world.scheme().currency());
    let equation = world.equation()?;
    let background = world.background();
    Ok(Figures {
        currency,
        issuers: background.issuer_statements()?,
        merchants: background.merchant_statements()?,
        exceptions: background.exceptions()?.into_iter().filter(|line| line.open).collect(),
        discrepancies: background.reconcile()?,
        books: background.books(provider, currency)?,
        equation,
    })
}

impl Figures {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "issuers": self.issuers,
            "merchants": self.merchants,
            "exceptions": self.exceptions,
            "discrepancies": self.discrepancies,
            "books": { "terms": self.books, "difference": self.books.difference(), "holds": self.books.holds() },
            "world": { "terms": self.equation, "difference": self.equation.difference() },
            "failed": self.equation.failed,
        })
    }

    pub(crate) fn print(&self) {
        self.print_merchants();
        self.print_issuers();
        self.print_world();
        self.print_books();
        self.print_exceptions();
    }

    fn show(&self, minor: i64) -> String {
        output::money(minor, self.currency)
    }

    fn print_merchants(&self) {
        output::line("\nMerchants");
        let row = |merchant: &MerchantStatement| {
            [
                merchant.name.clone(),
                merchant.count.to_string(),
                output::amount(&merchant.total),
                self.show(merchant.settled),
                self.show(merchant.unsettled),
                self.show(merchant.unconfirmed),
                self.show(merchant.withheld),
            ]
        };
        let rows = self.merchants.iter().map(row).collect();
        let head = ["merchant", "payments", "total", "paid out", "to be paid", "unconfirmed", "withheld"];
        output::line(output::table(head, 1, rows));
    }

    fn print_issuers(&self) {
        output::line("\nIssuer");
        let row = |issuer: &IssuerStatement| {
            [
                issuer.name.clone(),
                issuer.purses.to_string(),
                self.show(issuer.books.float),
                self.show(issuer.receivable),
                issuer.hotlisted.to_string(),
                issuer.books.claims.to_string(),
            ]
        };
        let rows = self.issuers.iter().map(row).collect();
        let head = ["issuer", "purses", "float", "overdrawn", "hotlisted", "claims in doubt"];
        output::line(output::table(head, 1, rows));
        self.print_guarantees();
    }

    /// What merchants are guaranteed, by how often their terminals are connected, and what a copied
    /// card can cost by that.
    fn print_guarantees(&self) {
        let days = |seconds: u32| format!("{:.1} days", f64::from(seconds) / 86_400.0);
        let row = |line: &GuaranteeLine| {
            [
                line.terminals.into(),
                line.psams.to_string(),
                days(line.delay),
                days(line.age),
                output::amount(&line.total),
                output::amount(&line.exposure),
            ]
        };
        let rows = self.issuers.iter().flat_map(|issuer| &issuer.guarantees).map(row).collect();
        let head = [
            "connected",
            "PSAMs",
            "after hotlisting",
            "batch in within",
            "of a purse in a batch",
            "a copied card in all",
        ];
        output::line(output::table(head, 1, rows));
        output::line(
            "A copied or broken card costs its issuer at most the last column each time that all these PSAMs \
             close a batch, until it has been noticed and no PSAM takes it any more.",
        );
    }

    /// The world's line: counted on the cards.
    fn print_world(&self) {
        let Equation {
            loaded,
            unloaded,
            balances,
            purses,
            unread,
            received,
            in_terminals,
            in_receipts,
            failed: _,
        } = &self.equation;
        let difference = match *unread {
            0 => "difference".to_owned(),
            cards => format!("difference: on {cards} cards that cannot be read"),
        };
        output::line("\nThe money equation, counted on the cards");
        self.print_terms(&[
            ("loads that purses have committed", "", *loaded),
            ("unloads that purses have committed", "-", *unloaded),
            (&format!("balances on {purses} purses"), "=", *balances),
            ("payments at the background system", "+", *received),
            ("payments in terminals or on their way", "+", *in_terminals),
            ("payments that only the purse knows", "+", *in_receipts),
            (&difference, "!", self.equation.difference()),
        ]);
    }

    /// The books' line: from the tables of the background system.
    fn print_books(&self) {
        let books = &self.books;
        output::line("\nThe money equation, in the books");
        self.print_terms(&[
            ("loads whose order has left", "", books.loaded),
            ("unloads paid", "-", books.unloaded),
            ("shadow balances", "=", books.shadow),
            ("payments that their terminals have yet to hand in", "+", books.unconfirmed),
            ("payments booked, to be paid to merchants", "+", books.booked),
            ("payments settled", "+", books.settled),
            ("payments outside the guarantee, borne by acquirers", "+", books.withheld),
            ("voided, owed to holders", "+", books.voided),
            ("voided, refunded by loads", "+", books.refunded),
            ("taken back after settlement", "-", books.lost),
            ("difference", "!", books.difference()),
        ]);
    }

    fn print_terms(&self, terms: &[(&str, &str, i64)]) {
        let row = |(name, sign, minor): &(&str, &str, i64)| {
            let sign = if *sign == "!" { "" } else { *sign };
            [sign.to_owned(), (*name).to_owned(), self.show(*minor)]
        };
        output::line(output::table(["", "term", "amount"], 2, terms.iter().map(row).collect()));
    }

    fn print_exceptions(&self) {
        if self.exceptions.is_empty() && self.discrepancies.is_empty() {
            output::line("\nNo exceptions.");
            return;
        }
        output::line("\nExceptions");
        let purse = |line: &ExceptionLine| line.purse.clone().unwrap_or_default();
        let row = |line: &ExceptionLine| [line.reason.clone(), purse(line), line.detail.clone()];
        let rows = self.exceptions.iter().map(row).collect();
        output::line(output::table(["reason", "purse", "detail"], 3, rows));
        for discrepancy in &self.discrepancies {
            output::line(format_args!("discrepancy: {discrepancy:?}"));
        }
    }

    /// An error where the money does not add up, or where somebody could not be asked.
    pub(crate) fn verdict(&self) -> Result<(), Error> {
        let counted = self.equation.difference() == 0 || !self.equation.is_whole();
        let even = counted && self.books.holds() && self.books.covered();
        if even && self.discrepancies.is_empty() {
            return failure::verdict(self.equation.failed.clone());
        }
        Err(Error::Mismatch("the money equation does not hold; see the report".into()))
    }
}
