//! Rows of accounts and postings.

use apdu_spec::element::{Currency, Time};
use rusqlite::params;

use super::Tx;
use super::code::{self, get};
use crate::error::Error;
use crate::ledger::account::Account;
use crate::ledger::posting::Event;

/// Row number of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AccountRow(i64);

/// One posting: a transfer from one account to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PostingRow {
    /// The account that gives.
    pub debit: AccountRow,
    /// The account that takes.
    pub credit: AccountRow,
    /// Minor units, above zero.
    pub amount: i64,
}

impl Tx<'_> {
    /// The row of an account, made where it is missing.
    pub fn account(&self, account: Account, currency: Currency) -> Result<AccountRow, Error> {
        let (role, owner) = account.key();
        let key = params![role, owner, code::currency(currency)];
        let sql = "INSERT INTO account (role, owner, currency) VALUES (?1, ?2, ?3)
                   ON CONFLICT DO UPDATE SET role = role RETURNING account";
        let row = self.first(sql, key, |row| get(row, 0))?;
        row.map(AccountRow).ok_or(Error::Damaged("account"))
    }

    /// Adds to the balance of an account.
    pub fn add_to_balance(&self, account: AccountRow, delta: i64) -> Result<(), Error> {
        let sql = "UPDATE OR FAIL account SET balance = balance + ?2 WHERE account = ?1";
        self.execute(sql, params![account.0, delta]).map(drop)
    }

    /// Stores a posting; false where its event has been posted before.
    pub fn insert_posting(&self, event: &Event, posting: &PostingRow, now: Time) -> Result<bool, Error> {
        let (kind, subject, number) = event_key(event);
        let sql = "INSERT INTO posting VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
        let row = params![kind, subject, number, posting.debit.0, posting.credit.0, posting.amount, now.0];
        self.insert_whole("posting", sql, row)
    }

    /// The posting of an event.
    pub fn posting(&self, event: &Event) -> Result<Option<PostingRow>, Error> {
        let sql = "SELECT debit, credit, amount FROM posting
                   WHERE event = ?1 AND subject = ?2 AND number = ?3";
        let (kind, subject, number) = event_key(event);
        self.first(sql, params![kind, subject, number], |row| {
            Ok(PostingRow {
                debit: AccountRow(get(row, 0)?),
                credit: AccountRow(get(row, 1)?),
                amount: get(row, 2)?,
            })
        })
    }

    /// The balance of an account: credits less debits.
    pub fn balance(&self, account: Account, currency: Currency) -> Result<i64, Error> {
        let (role, owner) = account.key();
        let sql = "SELECT balance FROM account WHERE role = ?1 AND owner = ?2 AND currency = ?3";
        self.number(sql, params![role, owner, code::currency(currency)])
    }

    /// Accounts whose balance is not the sum of their postings: role, owner, balance, sum.
    pub fn unbalanced_accounts(&self) -> Result<Vec<(u8, u32, i64, i64)>, Error> {
        let sql = "WITH leg (account, amount) AS (
                       SELECT credit, SUM(amount) FROM posting GROUP BY credit
                       UNION ALL SELECT debit, -SUM(amount) FROM posting GROUP BY debit
                   ), total (account, amount) AS (SELECT account, SUM(amount) FROM leg GROUP BY account)
                   SELECT role, owner, balance, COALESCE(amount, 0) FROM account LEFT JOIN total USING (account)
                   WHERE balance <> COALESCE(amount, 0) ORDER BY account";
        self.all(sql, [], |row| Ok((get(row, 0)?, get(row, 1)?, get(row, 2)?, get(row, 3)?)))
    }
}

/// The key under which an event is posted once.
fn event_key(event: &Event) -> (u8, i64, u32) {
    match *event {
        Event::Payment(iep, nv) => (1, code::purse(iep), nv.get()),
        Event::Voided(iep, nv) => (2, code::purse(iep), nv.get()),
        Event::Cancelled(iep, nv) => (3, code::purse(iep), nv.get()),
        Event::Load(iep, nt) => (4, code::purse(iep), nt.get()),
        Event::LoadReversed(iep, nt) => (5, code::purse(iep), nt.get()),
        Event::Unload(iep, nt) => (6, code::purse(iep), nt.get()),
        Event::Settled(settlement, merchant, currency) => {
            (7, settlement << 24 | code::currency(currency), merchant.0)
        }
        Event::Confirmed(iep, nv) => (8, code::purse(iep), nv.get()),
        Event::Refunded(iep, nv) => (9, code::purse(iep), nv.get()),
    }
}
