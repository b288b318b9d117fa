//! Rows of settlements: which payments are open, and what was paid out.

use apdu_spec::element::{AcquirerId, Currency, ProviderId, Time};
use rusqlite::params;

use super::Tx;
use super::code::{self, get};
use super::watch::fill;
use crate::audit::row::{Form, Table};
use crate::error::Error;
use crate::management::participants::MerchantId;

/// Open payments of one merchant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MerchantSum {
    /// The merchant.
    pub merchant: MerchantId,
    /// Currency.
    pub currency: Currency,
    /// Payments.
    pub count: i64,
    /// Minor units.
    pub total: i64,
}

/// What an issuer owes an acquirer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// Who gets it.
    pub acquirer: AcquirerId,
    /// Who owes it.
    pub provider: ProviderId,
    /// Currency.
    pub currency: Currency,
    /// Payments.
    pub count: i64,
    /// Minor units.
    pub total: i64,
}

/// Booked payments that no settlement holds, their modules, and the merchants of those: tables,
/// and what selects the keys of their rows.
pub(crate) const UNSETTLED: [(&str, &str); 3] = [
    ("value_commit", "SELECT purse, nv FROM value_commit WHERE state = 1"),
    ("module", "SELECT DISTINCT sam FROM value_commit WHERE state = 1"),
    ("merchant", "SELECT DISTINCT merchant FROM value_commit JOIN module USING (sam) WHERE state = 1"),
];

impl Tx<'_> {
    /// Opens a settlement.
    pub fn insert_settlement(&self, now: Time) -> Result<i64, Error> {
        self.number("INSERT INTO settlement (time) VALUES (?1) RETURNING settlement", [now.0])
    }

    /// Puts every booked payment into a settlement; how many there were.
    pub fn settle_commits(&self, settlement: i64) -> Result<usize, Error> {
        let sql = "UPDATE value_commit SET state = 2, settlement = ?1 WHERE state = 1";
        self.execute(sql, [settlement])
    }

    /// Keys, in canonical form, of the rows of a table that `sql` selects by their keys.
    pub(crate) fn keys(&self, table: &Table, sql: &str) -> Result<Vec<Vec<u8>>, Error> {
        self.all(sql, [], |row| {
            let mut key = Form::default();
            fill(&mut key, row, 0, table.key.len())?;
            Ok(key.bytes)
        })
    }

    /// Writes the modules and merchants of booked payments once more, as they are.
    pub(crate) fn write_payees_again(&self) -> Result<(), Error> {
        let [_, (_, modules), (_, merchants)] = UNSETTLED;
        self.execute(&format!("UPDATE module SET name = name WHERE sam IN ({modules})"), [])?;
        self.execute(&format!("UPDATE merchant SET name = name WHERE merchant IN ({merchants})"), [])
            .map(drop)
    }

    /// Booked payments that no settlement holds, by merchant and currency.
    pub fn unsettled_by_merchant(&self) -> Result<Vec<MerchantSum>, Error> {
        let sql = "SELECT merchant, currency, COUNT(*), SUM(amount) FROM value_commit
             JOIN module USING (sam) JOIN purse USING (purse) WHERE state = 1
             GROUP BY merchant, currency ORDER BY merchant, currency";
        self.all(sql, [], |row| {
            Ok(MerchantSum {
                merchant: MerchantId(get(row, 0)?),
                currency: code::to_currency(get(row, 1)?)?,
                count: get(row, 2)?,
                total: get(row, 3)?,
            })
        })
    }

    /// Booked payments that no settlement holds, by acquirer, issuer and currency.
    pub fn unsettled_by_issuer(&self) -> Result<Vec<Position>, Error> {
        let sql = "SELECT acquirer, provider, currency, COUNT(*), SUM(amount) FROM value_commit
             JOIN module USING (sam) JOIN purse USING (purse) WHERE state = 1
             GROUP BY acquirer, provider, currency ORDER BY acquirer, provider, currency";
        self.all(sql, [], |row| {
            Ok(Position {
                acquirer: code::id(row, 0, AcquirerId::new)?,
                provider: code::id(row, 1, ProviderId::new)?,
                currency: code::to_currency(get(row, 2)?)?,
                count: get(row, 3)?,
                total: get(row, 4)?,
            })
        })
    }

    /// Keeps what a merchant is paid.
    pub fn insert_settlement_line(&self, settlement: i64, line: &MerchantSum) -> Result<(), Error> {
        let currency = code::currency(line.currency);
        let row = params![settlement, line.merchant.0, currency, line.count, line.total];
        self.execute("INSERT INTO settlement_line VALUES (?1, ?2, ?3, ?4, ?5)", row).map(drop)
    }

    /// Keeps what an issuer owes an acquirer.
    pub fn insert_position(&self, settlement: i64, position: &Position) -> Result<(), Error> {
        let (acquirer, provider) = (position.acquirer.get(), position.provider.get());
        let currency = code::currency(position.currency);
        let row = params![settlement, acquirer, provider, currency, position.count, position.total];
        self.execute("INSERT INTO settlement_position VALUES (?1, ?2, ?3, ?4, ?5, ?6)", row).map(drop)
    }
}
