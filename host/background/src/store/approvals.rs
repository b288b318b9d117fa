//! Rows of operators and of what they approve.

use apdu_spec::element::{Counter, SamId, Time};
use rusqlite::{Row, params};

use super::Tx;
use super::code::{self, get};
use crate::error::Error;
use crate::management::approvals::Approval;

/// An approval that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// What is to be approved.
    pub approval: Approval,
    /// The session of the purse that has used it.
    pub used: Option<Counter>,
}

/// An operator's word.
#[derive(Clone, Debug)]
pub struct Word {
    /// Name of the operator.
    pub name: String,
    /// The operator's public key (Ed25519).
    pub key: [u8; 32],
    /// The signature.
    pub signature: [u8; 64],
}

const COLUMNS: &str = "approval, sam, purse, currency, amount, asked, nt";

fn read(row: &Row<'_>) -> Result<Asked, Error> {
    let approval = Approval {
        number: get(row, 0)?,
        terminal: code::to_sam(get(row, 1)?)?,
        iep: code::to_iep(get(row, 2)?)?,
        currency: code::to_currency(get(row, 3)?)?,
        amount: code::amount(row, 4)?,
        asked: Time(get(row, 5)?),
    };
    let used = get::<Option<u32>>(row, 6)?.and_then(Counter::new);
    Ok(Asked { approval, used })
}

impl Tx<'_> {
    /// Registers an operator; false where the name or the key is taken.
    pub fn insert_operator(&self, name: &str, key: [u8; 32], now: Time) -> Result<bool, Error> {
        let sql = "INSERT OR IGNORE INTO operator (name, key, since) VALUES (?1, ?2, ?3)";
        self.execute(sql, params![name, key, now.0]).map(|rows| rows == 1)
    }

    /// The key of an operator.
    pub fn operator(&self, name: &str) -> Result<Option<[u8; 32]>, Error> {
        self.first("SELECT key FROM operator WHERE name = ?1", [name], |row| get(row, 0))
    }

    /// Names of all operators.
    pub fn operators(&self) -> Result<Vec<String>, Error> {
        self.all("SELECT name FROM operator ORDER BY name", [], |row| get(row, 0))
    }

    /// Asks for an approval; its number.
    pub fn insert_approval(&self, approval: &Approval) -> Result<u32, Error> {
        let sql = "INSERT INTO approval (sam, purse, currency, amount, asked)
                   VALUES (?1, ?2, ?3, ?4, ?5) RETURNING approval";
        let Approval { terminal, iep, currency, amount, asked, .. } = *approval;
        let row =
            params![code::sam(terminal), code::purse(iep), code::currency(currency), amount.get(), asked.0];
        self.first(sql, row, |row| get(row, 0))?.ok_or(Error::Damaged("approval"))
    }

    /// An approval.
    pub fn approval(&self, number: u32) -> Result<Option<Asked>, Error> {
        self.first(&format!("SELECT {COLUMNS} FROM approval WHERE approval = ?1"), [number], read)
    }

    /// Approvals that were asked for from `since` on, oldest first.
    pub fn approvals(&self, since: Time) -> Result<Vec<Asked>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM approval WHERE asked >= ?1 ORDER BY approval");
        self.all(&sql, [since.0], read)
    }

    /// Approvals that a terminal has asked for from `since` on, oldest first.
    pub fn approvals_of(&self, terminal: SamId, since: Time) -> Result<Vec<Asked>, Error> {
        let all = self.approvals(since)?;
        Ok(all.into_iter().filter(|asked| asked.approval.terminal == terminal).collect())
    }

    /// Notes which session has used an approval.
    pub fn use_approval(&self, number: u32, nt: Counter) -> Result<(), Error> {
        self.execute("UPDATE approval SET nt = ?2 WHERE approval = ?1", params![number, nt.get()]).map(drop)
    }

    /// Keeps an operator's signature; false where that operator has signed before.
    pub fn insert_word(&self, number: u32, word: &Word, now: Time) -> Result<bool, Error> {
        let sql = "INSERT OR IGNORE INTO approval_signature
                   SELECT ?1, operator, ?3, ?4 FROM operator WHERE name = ?2";
        self.execute(sql, params![number, word.name, word.signature, now.0]).map(|rows| rows == 1)
    }

    /// What operators have said of an approval.
    pub fn words(&self, number: u32) -> Result<Vec<Word>, Error> {
        let sql = "SELECT name, key, signature FROM approval_signature NATURAL JOIN operator
                   WHERE approval = ?1 ORDER BY name";
        let read =
            |row: &Row<'_>| Ok(Word { name: get(row, 0)?, key: get(row, 1)?, signature: get(row, 2)? });
        self.all(sql, [number], read)
    }
}
