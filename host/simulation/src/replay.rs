//! Lives real statements on our cards: the opening balance is loaded, every charge is a
//! purchase at a terminal of its kind, every credit a load, a line that moves nothing is
//! a contact without debit. After every line the balance on the card is compared with
//! the file's; at the end, after clearing, so are shadow balances, merchants' totals and
//! the money equation.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use apdu_spec::element::{Amount, Currency, Time};
use host::card::purse::PurseCard;
use host::terminal::load::Funding;
use serde::Serialize;

use crate::day::Progress;
use crate::equation::Equation;
use crate::scheme::{Connection, Scheme};
use crate::statement::{Line, Statement};
use crate::world::Limits;
use crate::{Error, World};

/// Merchant of the opening purchase of a statement that begins below zero.
pub const CARRIED_FORWARD: &str = "carried forward";
/// Payments of one terminal after which it is collected.
const COLLECT_AFTER: u32 = 60;

/// Kinds of credits that the operator pays for.
#[derive(Clone, Debug)]
pub struct Kinds {
    /// Credits of these kinds are refunds by the operator; all others are top-ups.
    pub refunds: Vec<String>,
}

impl Default for Kinds {
    fn default() -> Self {
        Self { refunds: vec!["refund".into()] }
    }
}

/// What was lived, and that it came out even.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Lived {
    /// Statements, each its own card.
    pub statements: u64,
    /// Lines.
    pub lines: u64,
    /// Purchases, opening purchases included.
    pub purchases: u64,
    /// Loads, opening balances and refunds included.
    pub loads: u64,
    /// Of these: refunds by the operator.
    pub refunds: u64,
    /// Contacts without debit.
    pub contacts: u64,
    /// What each merchant got, minor units.
    pub merchants: BTreeMap<String, i64>,
    /// The money equation of the world.
    pub equation: Equation,
}

/// The scheme that a file of statements needs: one terminal a kind that charges or only
/// shows up.
#[must_use]
pub fn scheme(statements: &[Statement], currency: Currency) -> Scheme {
    let mut names: Vec<&str> = statements
        .iter()
        .flat_map(|statement| &statement.lines)
        .filter(|line| line.credit == 0)
        .map(|line| line.kind.as_str())
        .collect();
    if statements.iter().any(|statement| statement.opening < 0) {
        names.push(CARRIED_FORWARD);
    }
    names.sort_unstable();
    names.dedup();
    // Every other one is never connected, so that both ways are walked.
    let terminals: Vec<_> = names
        .into_iter()
        .enumerate()
        .map(|(n, name)| (name, if n % 2 == 0 { Connection::Online } else { Connection::Never }))
        .collect();
    let mut scheme = Scheme::new(currency, &terminals);
    // Refunds of the statements were given once; nobody is asked for them again.
    scheme.operator_limit = u32::MAX;
    scheme
}

/// Lives all statements in a world that has just been made for them.
pub fn run(
    world: &mut World,
    statements: &[Statement],
    kinds: &Kinds,
    progress: Progress<'_>,
) -> Result<Lived, Error> {
    let lines: usize = statements.iter().map(|statement| statement.lines.len()).sum();
    let mut replay = Replay {
        world,
        kinds,
        limits: limits(statements),
        payments: BTreeMap::new(),
        lived: Lived {
            statements: 0,
            lines: 0,
            purchases: 0,
            loads: 0,
            refunds: 0,
            contacts: 0,
            merchants: BTreeMap::new(),
            equation: Equation::default(),
        },
    };
    for statement in statements {
        replay.live(statement, &mut |done| progress("living statements", done, lines as u64))?;
    }
    let last = statements.iter().flat_map(|s| &s.lines).map(|line| line.time).max().unwrap_or(Time(0));
    replay.finish(statements, last)?;
    progress("living statements", lines as u64, lines as u64);
    Ok(replay.lived)
}

/// Limits under which every statement of the file fits.
fn limits(statements: &[Statement]) -> Limits {
    let lines = || statements.iter().flat_map(|statement| &statement.lines);
    let balances = || lines().map(|line| line.balance).chain(statements.iter().map(|s| s.opening));
    Limits {
        maximum: balances().max().unwrap_or(0).max(0).unsigned_abs(),
        overdraft: balances().min().unwrap_or(0).min(0).unsigned_abs(),
        purchase: Amount::MAX.get(),
    }
}

struct Replay<'w> {
    world: &'w mut World,
    kinds: &'w Kinds,
    limits: Limits,
    /// Payments of each terminal since its last collection.
    payments: BTreeMap<String, u32>,
    lived: Lived,
}

impl Replay<'_> {
    fn live(&mut self, statement: &Statement, tell: &mut dyn FnMut(u64)) -> Result<(), Error> {
        let start = statement.lines.first().map_or(Time(0), |line| line.time);
        let purse = self.world.issue_purse(self.limits, start)?;
        self.open(purse, statement, start)?;
        for line in &statement.lines {
            self.line(purse, line)?;
            self.compare(purse, statement, line)?;
            self.lived.lines += 1;
            tell(self.lived.lines);
        }
        self.lived.statements += 1;
        Ok(())
    }

    /// The balance with which a statement begins: loaded, or bought within the overdraft.
    fn open(&mut self, purse: u64, statement: &Statement, now: Time) -> Result<(), Error> {
        let minor = statement.opening.unsigned_abs();
        match statement.opening.cmp(&0) {
            Ordering::Greater => self.load(purse, minor, Funding::Account, now),
            Ordering::Less => self.pay(purse, CARRIED_FORWARD, minor, now),
            Ordering::Equal => Ok(()),
        }
    }

    fn line(&mut self, purse: u64, line: &Line) -> Result<(), Error> {
        if line.charge > 0 {
            self.pay(purse, &line.kind, line.charge, line.time)
        } else if line.credit > 0 {
            let refund = self.kinds.refunds.contains(&line.kind);
            self.lived.refunds += u64::from(refund);
            let funding = if refund { Funding::Operator } else { Funding::Account };
            self.load(purse, line.credit, funding, line.time)
        } else {
            self.lived.contacts += 1;
            self.world.contact(purse, &line.kind, line.time)
        }
    }

    fn load(&mut self, purse: u64, minor: u32, funding: Funding, now: Time) -> Result<(), Error> {
        self.world.load(purse, amount(minor)?, funding, now)?;
        self.lived.loads += 1;
        Ok(())
    }

    fn pay(&mut self, purse: u64, merchant: &str, minor: u32, now: Time) -> Result<(), Error> {
        self.world.pay(purse, merchant, amount(minor)?, now)?;
        self.lived.purchases += 1;
        let count = self.payments.entry(merchant.into()).or_default();
        *count += 1;
        if *count >= COLLECT_AFTER {
            *count = 0;
            self.world.collect(merchant)?;
            self.world.clear(now)?.verdict()?;
        }
        Ok(())
    }

    /// The balance on the card is the file's.
    fn compare(&mut self, purse: u64, statement: &Statement, line: &Line) -> Result<(), Error> {
        let mut card = PurseCard::select(self.world.purse(purse)?)?;
        let balance = card.balance()?.balance.0;
        if balance == line.balance {
            return Ok(());
        }
        Err(Error::Mismatch(format!(
            "statement {}, line {}: the card says {balance} minor units, the file {}",
            statement.name, line.number, line.balance
        )))
    }

    /// Collects, clears, and compares everything that can be compared.
    fn finish(&mut self, statements: &[Statement], now: Time) -> Result<(), Error> {
        let names: Vec<_> = self.world.scheme().terminals.iter().map(|t| t.name.clone()).collect();
        for name in &names {
            self.world.collect(name)?;
        }
        let cleared = self.world.clear(now)?;
        // The transfer card brings the last acknowledgements back.
        for name in &names {
            self.world.collect(name)?;
        }
        cleared.verdict()?;
        self.compare_shadows(statements)?;
        self.compare_merchants(statements)?;
        self.compare_books()
    }

    fn compare_shadows(&mut self, statements: &[Statement]) -> Result<(), Error> {
        let shadows: BTreeMap<String, i64> = self
            .world
            .background()
            .purses()?
            .into_iter()
            .map(|line| (line.purse, line.shadow.minor))
            .collect();
        for (number, statement) in (1..).zip(statements) {
            let purse = self.world.iep(number)?.to_string();
            let last = statement.lines.last().map_or(0, |line| i64::from(line.balance));
            if shadows.get(&purse) != Some(&last) {
                let shadow = shadows.get(&purse).copied().unwrap_or_default();
                let name = &statement.name;
                let text =
                    format!("statement {name}: shadow balance {shadow}, the file says {last} minor units");
                return Err(Error::Mismatch(text));
            }
        }
        Ok(())
    }

    /// Totals per merchant against a plain sum over the file.
    fn compare_merchants(&mut self, statements: &[Statement]) -> Result<(), Error> {
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        for statement in statements {
            if statement.opening < 0 {
                *expected.entry(CARRIED_FORWARD.into()).or_default() -= i64::from(statement.opening);
            }
            for line in statement.lines.iter().filter(|line| line.charge > 0) {
                *expected.entry(line.kind.clone()).or_default() += i64::from(line.charge);
            }
        }
        let found: BTreeMap<String, i64> = self
            .world
            .background()
            .merchant_statements()?
            .into_iter()
            .filter(|merchant| merchant.count > 0)
            .map(|merchant| (merchant.name, merchant.total.minor))
            .collect();
        if found != expected {
            return Err(Error::Mismatch(format!("merchants got {found:?}, the file says {expected:?}")));
        }
        self.lived.merchants = found;
        Ok(())
    }

    fn compare_books(&mut self) -> Result<(), Error> {
        let (provider, currency) = (self.world.scheme().provider(), self.world.scheme().currency());
        let books = self.world.background().books(provider, currency)?;
        let discrepancies = self.world.background().reconcile()?;
        self.lived.equation = self.world.equation()?;
        if !books.holds() || !discrepancies.is_empty() || self.lived.equation.difference() != 0 {
            return Err(Error::Mismatch(format!(
                "the money equation does not hold: {:?}, {books:?}, {discrepancies:?}",
                self.lived.equation
            )));
        }
        Ok(())
    }
}

fn amount(minor: u32) -> Result<Amount, Error> {
    Amount::new(minor)
        .ok_or_else(|| Error::Order(format!("{minor} minor units is above the greatest amount")))
}
