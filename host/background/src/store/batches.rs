//! Rows of batches that are stored, each with the acknowledgement that its PSAM gets, however often.

use apdu_spec::batch::{Acknowledgement, Sums, Trailer};
use apdu_spec::element::{BatchNumber, SamId, Time};
use rusqlite::{Row, params};

use super::Tx;
use super::code::{self, Bytes, get};
use crate::error::Error;

/// A batch that is stored.
#[derive(Clone, Debug)]
pub struct StoredBatch {
    /// Its trailer.
    pub trailer: Trailer,
    /// When it came in.
    pub received: Time,
    /// The sums of its PSAM before it.
    pub before: Sums,
    /// The word that it is stored.
    pub acknowledgement: Acknowledgement,
}

const SELECT: &str = "SELECT trailer, received, before, acknowledgement FROM batch";

fn read(row: &Row<'_>) -> Result<StoredBatch, Error> {
    Ok(StoredBatch {
        trailer: code::element(row, 0)?,
        received: Time(get(row, 1)?),
        before: code::element(row, 2)?,
        acknowledgement: code::element(row, 3)?,
    })
}

impl Tx<'_> {
    /// Stores a batch.
    pub fn insert_batch(&self, batch: &StoredBatch) -> Result<(), Error> {
        let StoredBatch { trailer, received, before, acknowledgement } = batch;
        let row = params![
            code::sam(trailer.sam),
            trailer.batch.get(),
            trailer.s4.0,
            Bytes::of(trailer),
            received.0,
            Bytes::of(before),
            Bytes::of(acknowledgement),
            acknowledgement.time.0
        ];
        self.execute("INSERT INTO batch VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", row).map(drop)
    }

    /// A batch.
    pub fn batch(&self, sam: SamId, batch: BatchNumber) -> Result<Option<StoredBatch>, Error> {
        self.first(
            &format!("{SELECT} WHERE sam = ?1 AND batch = ?2"),
            params![code::sam(sam), batch.get()],
            read,
        )
    }

    /// The last batch of a module below this number.
    pub fn batch_below(&self, sam: SamId, batch: BatchNumber) -> Result<Option<StoredBatch>, Error> {
        let sql = format!("{SELECT} WHERE sam = ?1 AND batch < ?2 ORDER BY batch DESC LIMIT 1");
        self.first(&sql, params![code::sam(sam), batch.get()], read)
    }

    /// The first batch of a module above this number.
    pub fn batch_above(&self, sam: SamId, batch: BatchNumber) -> Result<Option<StoredBatch>, Error> {
        let sql = format!("{SELECT} WHERE sam = ?1 AND batch > ?2 ORDER BY batch LIMIT 1");
        self.first(&sql, params![code::sam(sam), batch.get()], read)
    }

    /// The last time up to `time` that a PSAM has been told, in an acknowledgement or when it was issued.
    pub fn told_time(&self, sam: SamId, time: Time) -> Result<Option<Time>, Error> {
        let sql = "SELECT MAX(time) FROM
                   (SELECT issued AS time FROM module WHERE sam = ?1 AND issued <= ?2
                    UNION ALL SELECT MAX(told) FROM batch WHERE sam = ?1 AND told <= ?2)";
        let told = self.first(sql, params![code::sam(sam), time.0], |row| get::<Option<u32>>(row, 0))?;
        Ok(told.flatten().map(Time))
    }
}
