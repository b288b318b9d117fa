//! Rows of backups that were taken up.

use apdu_spec::element::Time;
use rusqlite::params;

use super::Tx;
use super::code::get;
use crate::audit::Restoration;
use crate::error::Error;

impl Tx<'_> {
    /// Keeps that a backup was taken up.
    pub(crate) fn insert_restoration(&self, restoration: &Restoration, now: Time) -> Result<(), Error> {
        let Restoration { entry, kept, reason, .. } = restoration;
        let row = params![entry, kept, now.0, reason];
        self.execute("INSERT INTO restoration VALUES (?1, ?2, ?3, ?4)", row).map(drop)
    }

    /// The backups that were taken up.
    pub(crate) fn restorations(&self) -> Result<Vec<Restoration>, Error> {
        let sql = "SELECT restoration, kept, time, reason FROM restoration ORDER BY restoration";
        self.all(sql, [], |row| {
            let time = Time(get(row, 2)?).to_string();
            Ok(Restoration { entry: get(row, 0)?, kept: get(row, 1)?, time, reason: get(row, 3)? })
        })
    }
}
