//! Rows of purses.

use apdu_spec::element::{Amount, Balance, Counter, Currency, Date, IepId, Time};
use rusqlite::{Row, params};

use super::Tx;
use super::code::{self, get};
use crate::error::Error;

/// A purse as it was issued, and where it stands as far as is known here.
#[derive(Clone, Copy, Debug)]
pub struct Purse {
    /// Identity.
    pub iep: IepId,
    /// Currency.
    pub currency: Currency,
    /// Last day.
    pub expiry: Date,
    /// Greatest balance.
    pub maximum: Balance,
    /// How far below zero it may go.
    pub overdraft: Amount,
    /// Greatest amount of one purchase.
    pub purchase_limit: Amount,
    /// Shadow balance, minor units.
    pub shadow: i64,
    /// All value commits up to this NV are known.
    pub complete: Counter,
    /// Highest NV that is known.
    pub highest: Counter,
    /// The highest NV that it has stated.
    pub stated_nv: Counter,
    /// NV of its last cancellation, as it stated then.
    pub stated_cancellation: Counter,
    /// Since when it is on the hotlist.
    pub hotlisted: Option<Time>,
    /// Whether a claim about it, or a transfer of it, is in doubt.
    pub doubts: bool,
    /// Whether cancellations under its name wait for their purchases.
    pub waiting: bool,
    /// Whether it has taken back a purchase that has not come in.
    pub taken_back: bool,
}

impl Purse {
    /// A purse that is new: nothing is known of it but how it was ordered.
    #[must_use]
    pub fn new(
        iep: IepId,
        currency: Currency,
        expiry: Date,
        maximum: Balance,
        overdraft: Amount,
        purchase_limit: Amount,
    ) -> Self {
        let zero = Counter::default();
        Self {
            iep,
            currency,
            expiry,
            maximum,
            overdraft,
            purchase_limit,
            shadow: 0,
            complete: zero,
            highest: zero,
            stated_nv: zero,
            stated_cancellation: zero,
            hotlisted: None,
            doubts: false,
            waiting: false,
            taken_back: false,
        }
    }

    /// Whether anything of it is in doubt.
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        self.doubts || self.waiting || self.taken_back
    }
}

const SELECT: &str =
    "SELECT purse, currency, expiry, maximum, overdraft, purchase_limit, shadow, complete, highest,
    stated_nv, stated_cancellation, hotlisted,
    EXISTS (SELECT 1 FROM claim WHERE claim.purse = p.purse AND state IN (1, 4))
    OR EXISTS (SELECT 1 FROM transfer WHERE transfer.purse = p.purse AND state = 1),
    EXISTS (SELECT 1 FROM waiting WHERE waiting.purse = p.purse),
    EXISTS (SELECT 1 FROM taken_back WHERE taken_back.purse = p.purse)
    FROM purse p";

fn read(row: &Row<'_>) -> Result<Purse, Error> {
    Ok(Purse {
        iep: code::to_iep(get(row, 0)?)?,
        currency: code::to_currency(get(row, 1)?)?,
        expiry: Date(get(row, 2)?),
        maximum: Balance(get(row, 3)?),
        overdraft: code::amount(row, 4)?,
        purchase_limit: code::amount(row, 5)?,
        shadow: get(row, 6)?,
        complete: code::counter(row, 7)?,
        highest: code::counter(row, 8)?,
        stated_nv: code::counter(row, 9)?,
        stated_cancellation: code::counter(row, 10)?,
        hotlisted: get::<Option<u32>>(row, 11)?.map(Time),
        doubts: get(row, 12)?,
        waiting: get(row, 13)?,
        taken_back: get(row, 14)?,
    })
}

impl Tx<'_> {
    /// Registers a purse; false where the number is taken.
    pub fn insert_purse(&self, purse: &Purse, now: Time) -> Result<bool, Error> {
        let sql = "INSERT OR IGNORE INTO purse
                   (purse, provider, currency, expiry, maximum, overdraft, purchase_limit, issued)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let row = params![
            code::purse(purse.iep),
            purse.iep.provider.get(),
            code::currency(purse.currency),
            purse.expiry.0,
            purse.maximum.0,
            purse.overdraft.get(),
            purse.purchase_limit.get(),
            now.0
        ];
        self.execute(sql, row).map(|rows| rows == 1)
    }

    /// A purse.
    pub fn purse(&self, iep: IepId) -> Result<Option<Purse>, Error> {
        self.first(&format!("{SELECT} WHERE purse = ?1"), [code::purse(iep)], read)
    }

    /// All purses, in order of their identity.
    pub fn purses(&self) -> Result<Vec<Purse>, Error> {
        self.all(&format!("{SELECT} ORDER BY provider, purse"), [], read)
    }

    /// Writes what clearing has changed.
    pub fn update_purse(&self, purse: &Purse) -> Result<(), Error> {
        let sql = "UPDATE OR FAIL purse SET shadow = ?2, complete = ?3, highest = ?4, hotlisted = ?5,
                   stated_nv = ?6, stated_cancellation = ?7 WHERE purse = ?1";
        let row = params![
            code::purse(purse.iep),
            purse.shadow,
            purse.complete.get(),
            purse.highest.get(),
            purse.hotlisted.map(|time| time.0),
            purse.stated_nv.get(),
            purse.stated_cancellation.get()
        ];
        self.execute(sql, row).map(drop)
    }
}
