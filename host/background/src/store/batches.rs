//! Rows of batches that are stored.

use apdu_spec::batch::Trailer;
use apdu_spec::element::{BatchNumber, SamId, Time};
use rusqlite::params;

use super::Tx;
use super::code::{self, Bytes};
use crate::error::Error;

impl Tx<'_> {
    /// Stores the trailer of a batch.
    pub fn insert_batch(&self, trailer: &Trailer, now: Time) -> Result<(), Error> {
        let row =
            params![code::sam(trailer.sam), trailer.batch.get(), trailer.s4.0, Bytes::of(trailer), now.0];
        self.execute("INSERT INTO batch VALUES (?1, ?2, ?3, ?4, ?5)", row).map(drop)
    }

    /// The trailer of a batch.
    pub fn batch(&self, sam: SamId, batch: BatchNumber) -> Result<Option<Trailer>, Error> {
        let sql = "SELECT trailer FROM batch WHERE sam = ?1 AND batch = ?2";
        self.first(sql, params![code::sam(sam), batch.get()], |row| code::element(row, 0))
    }
}
