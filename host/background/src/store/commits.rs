//! Rows of value commits: what purses have done, each once, under a good S6.

use apdu_spec::Element;
use apdu_spec::element::{Amount, BatchNumber, Counter, IepId, Kind, SamCounter, SamId};
use apdu_spec::record::{BatchRecord, ValueRecord};
use network::TransferRequest;
use rusqlite::{Row, params};

use super::code::{self, Bytes, get};
use super::{Tx, column_code};
use crate::error::Error;

column_code! {
    /// What has become of a value commit.
    CommitState {
        /// A payment that the merchant has to get.
        Booked = 1,
        /// A payment that the merchant has got.
        Settled = 2,
        /// A purchase that the PSAM has voided: the holder has to get it back.
        Voided = 3,
        /// A purchase that the purse has taken back.
        Cancelled = 4,
        /// A purchase that the purse has taken back after the merchant was paid.
        CancelledLate = 5,
        /// Not a purchase: nothing is owed for it.
        Recorded = 6,
        /// A payment that its own PSAM has not confirmed: the purse has paid, nobody is owed it yet.
        Unconfirmed = 7,
        /// A payment that no guarantee of the issuer covers: its merchant's acquirer bears it.
        Withheld = 8,
        /// A voided purchase that a load has refunded.
        Refunded = 9,
    }
}

column_code! {
    /// Who handed in a value commit.
    Source {
        /// The PSAM that took the payment.
        Own = 1,
        /// Another module, as a receipt.
        Receipt = 2,
        /// A load terminal.
        Terminal = 3,
    }
}

/// A value commit as it came in.
#[derive(Clone, Copy, Debug)]
pub enum Evidence {
    /// In a batch, under S5.
    Batch(BatchRecord),
    /// At a terminal.
    Plain(ValueRecord),
}

impl Evidence {
    /// The value commit.
    #[must_use]
    pub const fn value(&self) -> &ValueRecord {
        match self {
            Self::Batch(record) => &record.value,
            Self::Plain(value) => value,
        }
    }

    /// The bytes as they came in.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes().as_slice().to_vec()
    }

    pub(super) fn bytes(&self) -> Bytes {
        match self {
            Self::Batch(record) => Bytes::of(record),
            Self::Plain(value) => Bytes::of(value),
        }
    }

    /// Stored evidence; its length tells how it came in.
    pub(super) fn read(row: &Row<'_>, index: usize) -> Result<Self, Error> {
        let bytes: Vec<u8> = get(row, index)?;
        let evidence = match bytes.len() {
            BatchRecord::MAX => BatchRecord::from_bytes(&bytes).map(Self::Batch),
            _ => ValueRecord::from_bytes(&bytes).map(Self::Plain),
        };
        evidence.map_err(|_| Error::Damaged("stored record"))
    }
}

/// A value commit that is known.
#[derive(Clone, Copy, Debug)]
pub struct Commit {
    /// The commit as it came in first.
    pub evidence: Evidence,
    /// Its state.
    pub state: CommitState,
    /// Who handed it in.
    pub source: Source,
}

/// On which side of a number a neighbour is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Below it.
    Below,
    /// It, or above it.
    From,
}

/// A value commit in short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// NV.
    pub nv: Counter,
    /// Type of transaction.
    pub kind: Kind,
    /// Its state.
    pub state: CommitState,
    /// PSAM or load terminal.
    pub sam: SamId,
    /// Its number of the transaction.
    pub nt_sam: SamCounter,
    /// Amount, minor units.
    pub amount: Amount,
}

/// NV of the last cancellation, as the purse states it in a record or request that is kept.
fn stated_cancellation(bytes: &[u8]) -> Option<Counter> {
    let position = match bytes.len() {
        BatchRecord::MAX => BatchRecord::from_bytes(bytes).ok()?.value.entry.position,
        ValueRecord::MAX => ValueRecord::from_bytes(bytes).ok()?.entry.position,
        _ => TransferRequest::from_bytes(bytes).ok()?.initialized.statement.position,
    };
    Some(position.nv_cancellation)
}

fn read(row: &Row<'_>) -> Result<Commit, Error> {
    Ok(Commit { state: get(row, 0)?, source: get(row, 1)?, evidence: Evidence::read(row, 2)? })
}

fn line(row: &Row<'_>) -> Result<Line, Error> {
    let kind = Kind::from_bytes(&[get(row, 2)?]).map_err(|_| Error::Damaged("kind of a value commit"))?;
    Ok(Line {
        nv: code::counter(row, 1)?,
        kind,
        state: get(row, 3)?,
        sam: code::to_sam(get(row, 4)?)?,
        nt_sam: code::sam_counter(row, 5)?,
        amount: code::amount(row, 6)?,
    })
}

impl Tx<'_> {
    /// Stores a value commit; false where its NV, or its number at the PSAM, is taken.
    pub fn insert_commit(
        &self,
        evidence: &Evidence,
        state: CommitState,
        source: Source,
        batch: Option<BatchNumber>,
    ) -> Result<bool, Error> {
        let sql = "INSERT INTO value_commit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                   ON CONFLICT DO NOTHING";
        let ValueRecord { identity, entry } = evidence.value();
        let nv = entry.nv().ok_or(Error::Damaged("counter"))?;
        let row = params![
            code::purse(identity.iep),
            nv.get(),
            entry.kind as u8,
            state,
            source,
            code::sam(entry.counterpart.sam),
            entry.order.nt.get(),
            entry.order.amount.get(),
            None::<i64>,
            evidence.bytes(),
            batch.map(BatchNumber::get)
        ];
        self.insert_whole("value_commit", sql, row)
    }

    /// The value commit of a purse with this NV.
    pub fn commit(&self, iep: IepId, nv: Counter) -> Result<Option<Commit>, Error> {
        let sql = "SELECT state, source, evidence FROM value_commit WHERE purse = ?1 AND nv = ?2";
        self.first(sql, params![code::purse(iep), nv.get()], read)
    }

    /// All value commits, in order of purse and NV.
    pub fn commits(&self, mut each: impl FnMut(IepId, Line)) -> Result<(), Error> {
        let sql = "SELECT purse, nv, kind, state, sam, nt_sam, amount FROM value_commit ORDER BY purse, nv";
        self.all(sql, [], |row| {
            each(code::to_iep(get(row, 0)?)?, line(row)?);
            Ok(())
        })
        .map(drop)
    }

    /// The value commit of a purse with this NV, in short.
    pub fn commit_line(&self, iep: IepId, nv: Counter) -> Result<Option<Line>, Error> {
        let sql = "SELECT purse, nv, kind, state, sam, nt_sam, amount FROM value_commit
                   WHERE purse = ?1 AND nv = ?2";
        self.first(sql, params![code::purse(iep), nv.get()], line)
    }

    /// Whether the value commit of a purse with this NV is known.
    pub fn has_commit(&self, iep: IepId, nv: Counter) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM value_commit WHERE purse = ?1 AND nv = ?2";
        self.first(sql, params![code::purse(iep), nv.get()], |_| Ok(())).map(|found| found.is_some())
    }

    /// Changes the state of a value commit.
    pub fn set_commit_state(&self, iep: IepId, nv: Counter, state: CommitState) -> Result<(), Error> {
        let sql = "UPDATE value_commit SET state = ?3 WHERE purse = ?1 AND nv = ?2";
        self.execute(sql, params![code::purse(iep), nv.get(), state]).map(drop)
    }

    /// Notes that the PSAM itself has handed in, in this batch, what was known from a receipt.
    pub fn confirm_commit(
        &self,
        iep: IepId,
        nv: Counter,
        state: CommitState,
        batch: Option<BatchNumber>,
    ) -> Result<(), Error> {
        let sql = "UPDATE value_commit SET state = ?3, source = ?4, batch = ?5 WHERE purse = ?1 AND nv = ?2";
        let batch = batch.map(BatchNumber::get);
        self.execute(sql, params![code::purse(iep), nv.get(), state, Source::Own, batch]).map(drop)
    }

    /// The last value commit of a purse below this NV, or the first one from it on.
    pub fn neighbour(&self, iep: IepId, nv: Counter, side: Side) -> Result<Option<Commit>, Error> {
        let sql = match side {
            Side::Below => {
                "SELECT state, source, evidence FROM value_commit WHERE purse = ?1 AND nv < ?2
                 ORDER BY nv DESC LIMIT 1"
            }
            Side::From => {
                "SELECT state, source, evidence FROM value_commit WHERE purse = ?1 AND nv >= ?2
                 ORDER BY nv LIMIT 1"
            }
        };
        self.first(sql, params![code::purse(iep), nv.get()], read)
    }

    /// What a purse has paid at a PSAM that the issuer guarantees, of one batch; without a batch, of a
    /// PSAM that is lost.
    pub fn guaranteed(&self, iep: IepId, sam: SamId, batch: Option<BatchNumber>) -> Result<i64, Error> {
        let sql = "SELECT COALESCE(SUM(amount), 0) FROM value_commit WHERE purse = ?1 AND sam = ?2
                   AND batch IS ?3 AND kind = 1 AND state IN (1, 2, 5)";
        self.number(sql, params![code::purse(iep), code::sam(sam), batch.map(BatchNumber::get)])
    }

    /// Purchases of a purse that are voided and not taken back: their sum.
    pub fn voids(&self, iep: IepId) -> Result<i64, Error> {
        let sql = "SELECT COALESCE(SUM(amount), 0) FROM value_commit WHERE purse = ?1 AND state = 3";
        self.number(sql, [code::purse(iep)])
    }

    /// Payments of PSAMs that are lost, which no batch will confirm.
    pub fn unconfirmed_of_lost(&self) -> Result<Vec<Commit>, Error> {
        let sql = "SELECT state, source, evidence FROM value_commit JOIN module USING (sam)
                   WHERE state = 7 AND lost IS NOT NULL ORDER BY purse, nv";
        self.all(sql, [], read)
    }

    /// Whether a purse says, under a MAC that is kept, that it has taken this purchase back: by the
    /// cancellation, or by the number of its last one, in what it did later.
    pub fn is_taken_back(&self, iep: IepId, nv: Counter) -> Result<bool, Error> {
        let Some(next) = nv.next() else { return Ok(false) };
        let known = self.commit(iep, next)?.map(|known| known.evidence.value().entry.kind);
        if known == Some(Kind::Cancellation) {
            return Ok(true);
        }
        let sql = "SELECT evidence FROM value_commit WHERE purse = ?1 AND nv > ?2
                   UNION ALL SELECT request FROM transfer WHERE purse = ?1 AND nv >= ?2";
        let stated = self.all(sql, params![code::purse(iep), next.get()], |row| {
            let bytes: Vec<u8> = get(row, 0)?;
            Ok(stated_cancellation(&bytes) == Some(next))
        })?;
        Ok(stated.contains(&true))
    }

    /// Keeps that a purse has taken this purchase back, which has not come in.
    pub fn insert_taken_back(&self, iep: IepId, nv: Counter) -> Result<(), Error> {
        let sql = "INSERT OR IGNORE INTO taken_back VALUES (?1, ?2)";
        self.execute(sql, params![code::purse(iep), nv.get()]).map(drop)
    }

    /// Whether a purse has said that it has taken this purchase back; said once.
    pub fn take_taken_back(&self, iep: IepId, nv: Counter) -> Result<bool, Error> {
        let sql = "DELETE FROM taken_back WHERE purse = ?1 AND nv = ?2";
        self.execute(sql, params![code::purse(iep), nv.get()]).map(|rows| rows == 1)
    }
}
