//! Pays merchants what is booked and not settled. Repeatable: a payment belongs to one
//! settlement, and a settlement without payments is not made.

use apdu_spec::element::Time;
use serde::Serialize;

use super::net::net;
use crate::error::Error;
use crate::ledger::chart;
use crate::ledger::posting::{Event, Journal};
use crate::reports::Money;
use crate::store::Tx;
use crate::store::settlements::{MerchantSum, Position};

/// A settlement.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Settlement {
    /// Its number; nothing where there was nothing to settle.
    pub number: Option<i64>,
    /// What each merchant is paid.
    pub merchants: Vec<SettlementLine>,
    /// What each issuer owes each acquirer.
    pub positions: Vec<PositionLine>,
}

/// What a merchant is paid.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SettlementLine {
    /// The merchant.
    pub merchant: u32,
    /// Payments.
    pub count: i64,
    /// Their sum.
    pub total: Money,
}

/// What an issuer owes an acquirer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PositionLine {
    /// Who gets it.
    pub acquirer: u32,
    /// Who owes it.
    pub provider: u32,
    /// Payments.
    pub count: i64,
    /// Their sum.
    pub total: Money,
}

/// The one transaction of a settlement.
pub(crate) fn settle(tx: &Tx<'_>, now: Time) -> Result<Settlement, Error> {
    let sums = tx.unsettled_by_merchant()?;
    if sums.is_empty() {
        return Ok(Settlement { number: None, merchants: Vec::new(), positions: Vec::new() });
    }
    let number = tx.insert_settlement(now)?;
    let positions = net(tx, number)?;
    let mut journal = Journal::new(tx, now);
    for sum in &sums {
        tx.insert_settlement_line(number, sum)?;
        let event = Event::Settled(number, sum.merchant, sum.currency);
        journal.post(event, chart::settlement(sum.merchant), sum.currency, sum.total)?;
    }
    tx.settle_commits(number)?;
    journal.finish()?;
    Ok(Settlement {
        number: Some(number),
        merchants: sums.iter().map(SettlementLine::from).collect(),
        positions: positions.iter().map(PositionLine::from).collect(),
    })
}

impl From<&MerchantSum> for SettlementLine {
    fn from(sum: &MerchantSum) -> Self {
        Self { merchant: sum.merchant.0, count: sum.count, total: Money::new(sum.total, sum.currency) }
    }
}

impl From<&Position> for PositionLine {
    fn from(position: &Position) -> Self {
        Self {
            acquirer: position.acquirer.get(),
            provider: position.provider.get(),
            count: position.count,
            total: Money::new(position.total, position.currency),
        }
    }
}
