//! Rows of load terminals: what each may do.

use apdu_spec::element::{Amount, Date, SamId};
use network::Funding;
use rusqlite::params;

use super::Tx;
use super::code::{self, get};
use crate::error::Error;

/// Which money a load terminal may move.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permissions {
    /// The accounts of holders.
    pub account: bool,
    /// Cash.
    pub cash: bool,
    /// The operator's; loads above this sum in a day (UTC), minor units, take two operators.
    pub operator: Option<Amount>,
}

impl Permissions {
    /// Accounts and cash.
    pub const HOLDERS: Self = Self { account: true, cash: true, operator: None };

    /// Whether the terminal may use this.
    #[must_use]
    pub const fn allow(&self, funding: Funding) -> bool {
        match funding {
            Funding::Account => self.account,
            Funding::Cash => self.cash,
            Funding::Operator => self.operator.is_some(),
            // It is the holder's already, and the issuer knows of which purchase.
            Funding::Refund => true,
        }
    }

    const ALL: [Funding; 3] = [Funding::Account, Funding::Cash, Funding::Operator];

    /// A bit for each funding.
    fn bits(&self) -> u8 {
        Self::ALL.into_iter().filter(|funding| self.allow(*funding)).map(bit).sum()
    }

    fn of(bits: u8, limit: Amount) -> Self {
        let has = |funding| bits & bit(funding) != 0;
        let operator = has(Funding::Operator).then_some(limit);
        Self { account: has(Funding::Account), cash: has(Funding::Cash), operator }
    }
}

const fn bit(funding: Funding) -> u8 {
    1 << funding as u8
}

impl Tx<'_> {
    /// Stores what a load terminal may do.
    pub fn insert_load_terminal(&self, sam: SamId, permissions: &Permissions) -> Result<(), Error> {
        let sql = "INSERT INTO load_terminal (sam, fundings, operator_limit) VALUES (?1, ?2, ?3)";
        let limit = permissions.operator.unwrap_or_default();
        self.execute(sql, params![code::sam(sam), permissions.bits(), limit.get()]).map(drop)
    }

    /// What a load terminal may do.
    pub fn permissions(&self, sam: SamId) -> Result<Option<Permissions>, Error> {
        let sql = "SELECT fundings, operator_limit FROM load_terminal WHERE sam = ?1";
        self.first(sql, [code::sam(sam)], |row| Ok(Permissions::of(get(row, 0)?, code::amount(row, 1)?)))
    }

    /// Takes an amount from what the terminal may give of the operator's money on this day;
    /// false where there is not so much left.
    pub fn give(&self, sam: SamId, amount: Amount, day: Date) -> Result<bool, Error> {
        let sql = "UPDATE load_terminal SET given = iif(day = ?3, given, 0) + ?2, day = ?3
                   WHERE sam = ?1 AND iif(day = ?3, given, 0) + ?2 <= operator_limit";
        self.execute(sql, params![code::sam(sam), amount.get(), day.0]).map(|rows| rows == 1)
    }
}
