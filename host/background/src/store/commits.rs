//! Rows of value commits: what purses have done, each once, under a good S6.

use apdu_spec::Element;
use apdu_spec::element::{Amount, Counter, IepId, Kind, SamCounter, SamId};
use apdu_spec::record::{BatchRecord, ValueRecord};
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
    ) -> Result<bool, Error> {
        let sql = "INSERT INTO value_commit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
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
            evidence.bytes()
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

    /// Notes that the PSAM itself has handed in what was known from a receipt.
    pub fn set_commit_own(&self, iep: IepId, nv: Counter) -> Result<(), Error> {
        let sql = "UPDATE value_commit SET source = ?3 WHERE purse = ?1 AND nv = ?2";
        self.execute(sql, params![code::purse(iep), nv.get(), Source::Own]).map(drop)
    }
}
