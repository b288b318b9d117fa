//! Rows of the exception queue.

use apdu_spec::element::{BatchNumber, IepId, SamId, Time};
use rusqlite::params;

use super::Tx;
use super::code::{self, get};
use crate::clearing::exception::{Exception, Reason};
use crate::error::Error;
use crate::reports::ExceptionLine;

impl Tx<'_> {
    /// Keeps an exception. The very same one is kept once, so that a sender who repeats
    /// does not fill the disk.
    pub fn insert_exception(&self, exception: &Exception, now: Time) -> Result<(), Error> {
        let sql = "SELECT 1 FROM exception WHERE sam IS ?1 AND batch IS ?2 AND reason = ?3 AND evidence = ?4
                   AND purse IS ?5 AND nv IS ?6";
        let row = params![
            exception.sam.map(code::sam),
            exception.batch.map(BatchNumber::get),
            exception.reason.code(),
            exception.evidence,
            exception.purse.map(code::purse),
            exception.nv.map(|nv| nv.get())
        ];
        match self.first(sql, row, |_| Ok(()))? {
            Some(()) => Ok(()),
            None => self.append_exception(exception, now),
        }
    }

    /// Keeps an exception about what comes once, as a record of a batch does: nothing is
    /// compared, which would take the square of a batch whose records are all alike.
    pub fn append_exception(&self, exception: &Exception, now: Time) -> Result<(), Error> {
        let sql = "INSERT INTO exception (reason, time, sam, batch, purse, nv, detail, evidence)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let row = params![
            exception.reason.code(),
            now.0,
            exception.sam.map(code::sam),
            exception.batch.map(BatchNumber::get),
            exception.purse.map(code::purse),
            exception.nv.map(|nv| nv.get()),
            exception.detail,
            exception.evidence
        ];
        self.execute(sql, row).map(drop)
    }

    /// How many refusals of whole batches are kept of a module.
    pub fn refusals(&self, sam: SamId) -> Result<i64, Error> {
        let sql = "SELECT count(*) FROM exception WHERE sam = ?1 AND batch IS NOT NULL AND purse IS NULL
                   AND reason IN (?2, ?3, ?4, ?5, ?6)";
        let [a, b, c, d, e] = Reason::REFUSALS.map(Reason::code);
        let count = self.first(sql, params![code::sam(sam), a, b, c, d, e], |row| get(row, 0))?;
        Ok(count.unwrap_or_default())
    }

    /// How many exceptions of a purse that no module brought are kept for this reason.
    pub fn stated(&self, iep: IepId, reason: Reason) -> Result<i64, Error> {
        let sql = "SELECT count(*) FROM exception WHERE sam IS NULL AND batch IS NULL AND purse = ?1 AND reason = ?2";
        let count = self.first(sql, params![code::purse(iep), reason.code()], |row| get(row, 0))?;
        Ok(count.unwrap_or_default())
    }

    /// Keeps an exception about a batch, or says anew what it is about where it is kept already.
    pub fn put_exception(&self, exception: &Exception, now: Time) -> Result<(), Error> {
        let sql =
            "UPDATE exception SET detail = ?4 WHERE sam = ?1 AND batch = ?2 AND reason = ?3 AND purse IS NULL
                   AND open = 1";
        let (sam, batch) = (exception.sam.map(code::sam), exception.batch.map(BatchNumber::get));
        match self.execute(sql, params![sam, batch, exception.reason.code(), exception.detail])? {
            0 => self.append_exception(exception, now),
            _ => Ok(()),
        }
    }

    /// Closes exceptions of a batch that have been cleared up.
    pub fn close_exceptions(&self, reason: Reason, sam: SamId, batch: BatchNumber) -> Result<(), Error> {
        let sql = "UPDATE exception SET open = 0 WHERE sam = ?1 AND batch = ?2 AND reason = ?3";
        self.execute(sql, params![code::sam(sam), batch.get(), reason.code()]).map(drop)
    }

    /// The exceptions, oldest first.
    pub fn exceptions(&self) -> Result<Vec<ExceptionLine>, Error> {
        let sql = "SELECT exception, reason, open, time, sam, batch, purse, nv, detail
                   FROM exception ORDER BY exception";
        self.all(sql, [], |row| {
            Ok(ExceptionLine {
                number: get(row, 0)?,
                reason: get(row, 1)?,
                open: get(row, 2)?,
                time: Time(get(row, 3)?).to_string(),
                sam: get::<Option<i64>>(row, 4)?.map(code::to_sam).transpose()?.map(|sam| sam.to_string()),
                batch: get(row, 5)?,
                purse: get::<Option<i64>>(row, 6)?.map(code::to_iep).transpose()?.map(|iep| iep.to_string()),
                nv: get(row, 7)?,
                detail: get(row, 8)?,
            })
        })
    }
}
