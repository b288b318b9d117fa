//! Rows and sums that the audit reads: every record with the columns beside it, and what does
//! not follow from what.

use apdu_spec::batch::Trailer;
use apdu_spec::element::{IepId, SamId};
use apdu_spec::record::BatchRecord;
use rusqlite::Row;

use super::Tx;
use super::code::{self, get};
use super::commits::Evidence;
use super::transfers::Transfer;
use crate::error::Error;

/// A posting, with its accounts by role, owner and currency.
pub(crate) struct FullPosting {
    pub(crate) event: u8,
    pub(crate) subject: i64,
    pub(crate) number: i64,
    pub(crate) debit: (u8, u32),
    pub(crate) credit: (u8, u32),
    /// Currencies of the two accounts.
    pub(crate) currencies: (i64, i64),
    pub(crate) amount: i64,
}

/// Columns that repeat what a record says, in order, as integers.
pub(crate) type Columns = Vec<i64>;

/// What is read of each row, and which row it is.
pub(crate) type Each<'e, T> = &'e mut dyn FnMut(&str, Result<(Columns, T), Error>) -> Result<(), Error>;

/// `value commit of purse 11-5, NV 3`
fn name(what: &str, row: &Row<'_>, numbers: [&str; 2]) -> String {
    let number = |column: usize| row.get::<_, i64>(column).unwrap_or_default();
    let first = match numbers[0] {
        "purse" => code::to_iep(number(0)).map_or_else(|_| number(0).to_string(), |iep| iep.to_string()),
        _ => code::to_sam(number(0)).map_or_else(|_| number(0).to_string(), |sam| sam.to_string()),
    };
    format!("{what} of {} {first}, {} {}", numbers[0], numbers[1], number(1))
}

fn columns(row: &Row<'_>, count: usize) -> Result<Columns, Error> {
    (0..count).map(|column| get(row, column)).collect()
}

impl Tx<'_> {
    fn each<T>(
        &self,
        (what, numbers): (&str, [&str; 2]),
        sql: &str,
        width: usize,
        read: impl Fn(&Row<'_>, usize) -> Result<T, Error>,
        each: Each<'_, T>,
    ) -> Result<(), Error> {
        self.all(sql, [], |row| {
            let found = columns(row, width).and_then(|columns| Ok((columns, read(row, width)?)));
            each(&name(what, row, numbers), found)
        })
        .map(drop)
    }

    /// Value commits: purse, NV, kind, module, its number, amount, and the record.
    pub(crate) fn audited_commits(&self, each: Each<'_, Evidence>) -> Result<(), Error> {
        let sql = "SELECT purse, nv, kind, sam, nt_sam, amount, evidence FROM value_commit";
        self.each(("value commit", ["purse", "NV"]), sql, 6, Evidence::read, each)
    }

    /// Claims: module, its number, purse, NT, NV, amount, and the record.
    pub(crate) fn audited_claims(&self, each: Each<'_, BatchRecord>) -> Result<(), Error> {
        let sql = "SELECT sam, nt_sam, purse, nt, nv, amount, evidence FROM claim";
        self.each(("claim", ["module", "number"]), sql, 6, code::element, each)
    }

    /// Cancellations that wait: purse, NV, and the record.
    pub(crate) fn audited_waiting(&self, each: Each<'_, Evidence>) -> Result<(), Error> {
        let sql = "SELECT purse, nv, evidence FROM waiting";
        self.each(("cancellation", ["purse", "NV"]), sql, 2, Evidence::read, each)
    }

    /// Loads and unloads: purse, NT, kind, funding, module, currency, NV before, amount, and what
    /// was asked and answered.
    pub(crate) fn audited_transfers(&self, each: Each<'_, Transfer>) -> Result<(), Error> {
        let sql = "SELECT purse, nt, kind, funding, sam, currency, nv, amount, state, request, answer
                   FROM transfer";
        let read = |row: &Row<'_>, place| {
            let (request, answer) = (code::element(row, place + 1)?, code::element(row, place + 2)?);
            Ok(Transfer { state: get(row, place)?, request, answer })
        };
        self.each(("transfer", ["purse", "NT"]), sql, 8, read, each)
    }

    /// Batches: module, number, and S4 with the trailer.
    pub(crate) fn audited_batches(&self, each: Each<'_, ([u8; 8], Trailer)>) -> Result<(), Error> {
        let sql = "SELECT sam, batch, s4, trailer FROM batch";
        let read = |row: &Row<'_>, place| Ok((get(row, place)?, code::element(row, place + 1)?));
        self.each(("batch", ["module", "number"]), sql, 2, read, each)
    }

    /// Postings, each with its accounts.
    pub(crate) fn audited_postings(
        &self,
        mut each: impl FnMut(Result<FullPosting, Error>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let sql = "SELECT event, subject, number, d.role, d.owner, c.role, c.owner, d.currency, c.currency,
                   amount FROM posting LEFT JOIN account d ON d.account = debit
                   LEFT JOIN account c ON c.account = credit";
        self.all(sql, [], |row| each(full_posting(row))).map(drop)
    }

    /// The total of a settlement line: settlement, merchant, currency as they are packed.
    pub(crate) fn line_total(
        &self,
        settlement: i64,
        merchant: i64,
        currency: i64,
    ) -> Result<Option<i64>, Error> {
        let sql =
            "SELECT total FROM settlement_line WHERE settlement = ?1 AND merchant = ?2 AND currency = ?3";
        self.first(sql, [settlement, merchant, currency], |row| get(row, 0))
    }

    /// Evidence without the posting that it leads to.
    pub(crate) fn unposted(&self) -> Result<Vec<String>, Error> {
        let purchases = "SELECT purse, nv FROM value_commit WHERE kind = 1 AND amount > 0 AND NOT EXISTS
            (SELECT 1 FROM posting WHERE event = 1 AND subject = purse AND number = nv)";
        let transfers = |event: u8, condition: &str| {
            format!(
                "SELECT purse, nt FROM transfer WHERE amount > 0 AND {condition} AND NOT EXISTS
                 (SELECT 1 FROM posting WHERE event = {event} AND subject = purse AND number = nt)"
            )
        };
        let mut all = self.all(purchases, [], |row| Ok(name("payment", row, ["purse", "NV"])))?;
        let of_transfers = [
            ("load", transfers(4, "kind = 0 AND state <> 5")),
            ("reversed load", transfers(5, "kind = 0 AND state = 4")),
            ("unload", transfers(6, "kind = 5 AND state = 3")),
        ];
        for (what, sql) in &of_transfers {
            all.extend(self.all(sql, [], |row| Ok(name(what, row, ["purse", "NT"])))?);
        }
        let lines = "SELECT settlement, merchant FROM settlement_line AS l WHERE total > 0 AND NOT EXISTS
            (SELECT 1 FROM posting
             WHERE event = 7 AND subject = l.settlement << 24 | l.currency AND number = l.merchant)";
        let line = |row: &Row<'_>| {
            Ok(format!("settlement {}, merchant {}", get::<i64>(row, 0)?, get::<i64>(row, 1)?))
        };
        all.extend(self.all(lines, [], line)?);
        Ok(all)
    }

    /// Purses whose shadow balance is not what their postings moved in and out of the float:
    /// purse, shadow balance, sum.
    pub(crate) fn wrong_shadows(&self) -> Result<Vec<(IepId, i64, i64)>, Error> {
        let sql = "WITH moved (purse, amount) AS (
                SELECT subject, SUM(CASE WHEN c.role = 4 THEN amount ELSE 0 END
                                    - CASE WHEN d.role = 4 THEN amount ELSE 0 END)
                FROM posting JOIN account d ON d.account = debit JOIN account c ON c.account = credit
                WHERE event <> 7 GROUP BY subject)
            SELECT purse, shadow, COALESCE(amount, 0) FROM purse LEFT JOIN moved USING (purse)
            WHERE shadow <> COALESCE(amount, 0)";
        self.all(sql, [], |row| Ok((code::to_iep(get(row, 0)?)?, get(row, 1)?, get(row, 2)?)))
    }

    /// Settlements whose lines or positions are not the sums of their payments.
    pub(crate) fn wrong_settlements(&self) -> Result<Vec<String>, Error> {
        let paid = |columns: &str| {
            format!(
                "SELECT settlement, {columns}, currency, COUNT(*), SUM(amount) FROM value_commit
                 JOIN module USING (sam) JOIN purse USING (purse) WHERE settlement IS NOT NULL
                 GROUP BY settlement, {columns}, currency"
            )
        };
        let differ = |kept: &str, paid: &str| {
            format!(
                "SELECT DISTINCT settlement FROM
                 (SELECT * FROM ({kept} EXCEPT {paid}) UNION SELECT * FROM ({paid} EXCEPT {kept}))"
            )
        };
        let lines = differ("SELECT * FROM settlement_line", &paid("merchant"));
        let positions = differ("SELECT * FROM settlement_position", &paid("acquirer, provider"));
        let states = "SELECT DISTINCT settlement FROM value_commit
                      WHERE (state IN (2, 5)) <> (settlement IS NOT NULL)";
        let mut all = Vec::new();
        for (what, sql) in [("lines", lines.as_str()), ("positions", &positions), ("payments", states)] {
            all.extend(self.all(sql, [], |row| {
                let settlement = get::<Option<i64>>(row, 0)?
                    .map_or_else(|| "none".to_owned(), |number| number.to_string());
                Ok(format!("{what} of settlement {settlement}"))
            })?);
        }
        Ok(all)
    }
}

fn full_posting(row: &Row<'_>) -> Result<FullPosting, Error> {
    Ok(FullPosting {
        event: get(row, 0)?,
        subject: get(row, 1)?,
        number: get(row, 2)?,
        debit: (get(row, 3)?, get(row, 4)?),
        credit: (get(row, 5)?, get(row, 6)?),
        currencies: (get(row, 7)?, get(row, 8)?),
        amount: get(row, 9)?,
    })
}

/// Identities as they are packed into columns.
pub(crate) fn packed(iep: IepId, sam: SamId) -> (i64, i64) {
    (code::purse(iep), code::sam(sam))
}
