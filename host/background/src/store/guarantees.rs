//! Rows of what issuers guarantee, and what they demand of PSAMs.

use apdu_spec::element::{Amount, ProviderId};
use rusqlite::params;

use super::Tx;
use super::code::{self, get};
use super::participants::Connection;
use crate::clearing::guarantee::Guarantee;
use crate::error::Error;

impl Tx<'_> {
    /// What an issuer guarantees for terminals of this kind.
    pub fn guarantee(&self, provider: ProviderId, connection: Connection) -> Result<Guarantee, Error> {
        let sql = "SELECT delay, age, total FROM guarantee WHERE provider = ?1 AND connection = ?2";
        let own = self.first(sql, params![provider.get(), connection], |row| {
            Ok(Guarantee { delay: get(row, 0)?, age: get(row, 1)?, total: code::amount(row, 2)? })
        })?;
        Ok(own.unwrap_or_else(|| Guarantee::default_of(connection)))
    }

    /// Changes what an issuer guarantees.
    pub fn set_guarantee(
        &self,
        provider: ProviderId,
        connection: Connection,
        guarantee: &Guarantee,
    ) -> Result<(), Error> {
        let sql = "INSERT INTO guarantee VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT DO UPDATE SET delay = excluded.delay, age = excluded.age, total = excluded.total";
        let Guarantee { delay, age, total } = guarantee;
        self.execute(sql, params![provider.get(), connection, delay, age, Amount::get(*total)]).map(drop)
    }

    /// The oldest list of blocked purses under which PSAMs may open purchases: the newest that an issuer
    /// demands.
    pub fn list_min(&self) -> Result<u32, Error> {
        let newest = self.number("SELECT COALESCE(MAX(list_min), 0) FROM issuer", [])?;
        u32::try_from(newest).map_err(|_| Error::Damaged("number of a list"))
    }

    /// Changes the oldest list that an issuer demands; false where there is no such issuer.
    pub fn set_list_min(&self, provider: ProviderId, list: u32) -> Result<bool, Error> {
        let sql = "UPDATE issuer SET list_min = ?2 WHERE provider = ?1";
        self.execute(sql, params![provider.get(), list]).map(|rows| rows == 1)
    }

    /// Days after the last day of a purse in which its payments still come in.
    pub fn collection(&self, provider: ProviderId) -> Result<u16, Error> {
        let sql = "SELECT collection FROM issuer WHERE provider = ?1";
        let days = self.first(sql, [provider.get()], |row| get(row, 0))?;
        days.ok_or_else(|| Error::NotRegistered(format!("issuer {provider}")))
    }
}
