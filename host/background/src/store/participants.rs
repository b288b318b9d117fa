//! Rows of issuers, acquirers, merchants, modules and key versions.

use apdu_spec::element::{AcquirerId, KeyReference, ProviderId, SamCounter, SamId, Time};
use rusqlite::params;

use super::code::{self, Bytes, get};
use super::{Tx, column_code};
use crate::error::Error;
use crate::management::participants::MerchantId;

column_code! {
    /// What a module is.
    Role {
        /// Security module of a payment terminal.
        Psam = 1,
        /// Load terminal.
        LoadTerminal = 2,
        /// Transfer card.
        TransferCard = 3,
    }
}

column_code! {
    /// How often a terminal speaks to the background system.
    Connection {
        /// It is online.
        Online = 1,
        /// Once a day or so, itself or through a concentrator.
        Periodic = 2,
        /// Never: transfer cards come to it.
        Never = 3,
    }
}

/// A module as it was registered.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    /// What it is.
    pub role: Role,
    /// Whose payments it takes, of a PSAM.
    pub merchant: Option<MerchantId>,
    /// Its record key.
    pub record_key: Option<KeyReference>,
    /// How often its terminal speaks to us.
    pub connection: Connection,
}

impl Tx<'_> {
    /// Registers an issuer; false where the number is taken.
    pub fn insert_issuer(&self, provider: ProviderId, name: &str) -> Result<bool, Error> {
        self.execute(
            "INSERT OR IGNORE INTO issuer (provider, name) VALUES (?1, ?2)",
            params![provider.get(), name],
        )
        .map(|n| n == 1)
    }

    /// The name of an issuer.
    pub fn issuer(&self, provider: ProviderId) -> Result<Option<String>, Error> {
        self.first("SELECT name FROM issuer WHERE provider = ?1", [provider.get()], |row| get(row, 0))
    }

    /// Registers an acquirer; false where the number is taken.
    pub fn insert_acquirer(&self, acquirer: AcquirerId, name: &str) -> Result<bool, Error> {
        let sql = "INSERT OR IGNORE INTO acquirer VALUES (?1, ?2)";
        self.execute(sql, params![acquirer.get(), name]).map(|rows| rows == 1)
    }

    /// The name of an acquirer.
    pub fn acquirer(&self, acquirer: AcquirerId) -> Result<Option<String>, Error> {
        self.first("SELECT name FROM acquirer WHERE acquirer = ?1", [acquirer.get()], |row| get(row, 0))
    }

    /// Registers a merchant under the next number; nothing where the name is taken.
    pub fn insert_merchant(&self, name: &str, acquirer: AcquirerId) -> Result<Option<MerchantId>, Error> {
        let sql = "INSERT INTO merchant (name, acquirer) VALUES (?1, ?2)
                   ON CONFLICT (name) DO NOTHING RETURNING merchant";
        self.first(sql, params![name, acquirer.get()], |row| get(row, 0).map(MerchantId))
    }

    /// The number of a merchant.
    pub fn merchant(&self, name: &str) -> Result<Option<MerchantId>, Error> {
        self.first("SELECT merchant FROM merchant WHERE name = ?1", [name], |row| get(row, 0).map(MerchantId))
    }

    /// Registers a module; false where the number is taken.
    pub fn insert_module(&self, sam: SamId, module: &Module, name: &str, now: Time) -> Result<bool, Error> {
        let key = module.record_key.map(|key| Bytes::of(&key));
        let sql = "INSERT OR IGNORE INTO module (sam, role, name, acquirer, merchant, record_key, issued, connection)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let merchant = module.merchant.map(|merchant| merchant.0);
        let (acquirer, connection) = (sam.acquirer.get(), module.connection);
        let row = params![code::sam(sam), module.role, name, acquirer, merchant, key, now.0, connection];
        self.execute(sql, row).map(|rows| rows == 1)
    }

    /// A module.
    pub fn module(&self, sam: SamId) -> Result<Option<Module>, Error> {
        let sql = "SELECT role, merchant, record_key, connection FROM module WHERE sam = ?1";
        self.first(sql, [code::sam(sam)], |row| {
            let has_key = get::<Option<Vec<u8>>>(row, 2)?.is_some();
            Ok(Module {
                role: get(row, 0)?,
                merchant: get::<Option<u32>>(row, 1)?.map(MerchantId),
                record_key: if has_key { Some(code::element(row, 2)?) } else { None },
                connection: get(row, 3)?,
            })
        })
    }

    /// How many PSAMs stand in terminals of this kind, without those that are lost.
    pub fn psams(&self, connection: Connection) -> Result<u64, Error> {
        let sql = "SELECT COUNT(*) FROM module WHERE role = ?1 AND connection = ?2 AND lost IS NULL";
        let count = self.number(sql, params![Role::Psam, connection])?;
        u64::try_from(count).map_err(|_| Error::Damaged("number of PSAMs"))
    }

    /// Notes that a module is lost for ever; false where that is known, or the module is not.
    pub fn set_lost(&self, sam: SamId, reason: &str, now: Time) -> Result<bool, Error> {
        let sql = "UPDATE module SET lost = ?2, lost_reason = ?3 WHERE sam = ?1 AND lost IS NULL";
        self.execute(sql, params![code::sam(sam), now.0, reason]).map(|rows| rows == 1)
    }

    /// Changes how often the terminal of a module speaks to us; false where there is no such module.
    pub fn set_connection(&self, sam: SamId, connection: Connection) -> Result<bool, Error> {
        let sql = "UPDATE module SET connection = ?2 WHERE sam = ?1";
        self.execute(sql, params![code::sam(sam), connection]).map(|rows| rows == 1)
    }

    /// The next number of a load terminal's transactions; nothing when they are used up.
    pub fn next_transfer_number(&self, sam: SamId) -> Result<Option<SamCounter>, Error> {
        let sql = "UPDATE module SET nt = nt + 1 WHERE sam = ?1 AND nt < ?2 RETURNING nt";
        self.first(sql, params![code::sam(sam), u32::MAX], |row| code::sam_counter(row, 0))
    }

    /// The check value of a key version, where one is noted.
    pub fn key_check(&self, (function, group, version): (u8, u8, u8)) -> Result<Option<[u8; 3]>, Error> {
        let sql =
            "SELECT check_value FROM key_version WHERE function = ?1 AND key_group = ?2 AND version = ?3";
        self.first(sql, params![function, group, version], |row| get(row, 0))
    }

    /// Notes the check value of a new key version.
    pub fn note_key(&self, slot: (u8, u8, u8), check: [u8; 3]) -> Result<(), Error> {
        let (function, group, version) = slot;
        let sql = "INSERT INTO key_version VALUES (?1, ?2, ?3, ?4)";
        self.execute(sql, params![function, group, version, check]).map(drop)
    }
}
