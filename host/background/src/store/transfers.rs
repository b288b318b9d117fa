//! Rows of loads and unloads: the durable entry that is made before S2 leaves.

use apdu_spec::element::{Amount, Counter, IepId, Kind};
use apdu_spec::purse::Execute;
use network::{Funding, TransferRequest};
use rusqlite::{Row, params};

use super::code::{self, Bytes, get};
use super::{Tx, column_code};
use crate::error::Error;

column_code! {
    /// What has become of a load or unload.
    TransferState {
        /// S2 has left and approves; nothing came back.
        Pending = 1,
        /// A later statement of the purse shows it; its S6 has not come in.
        Confirmed = 2,
        /// The purse's S6 has come in.
        Complete = 3,
        /// The purse's word is that it moved no value.
        Reversed = 4,
        /// S2 refuses.
        Refused = 5,
    }
}

/// A load or unload.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    /// What was asked.
    pub request: TransferRequest,
    /// What was answered.
    pub answer: Execute,
    /// State.
    pub state: TransferState,
}

impl Transfer {
    /// The purse.
    #[must_use]
    pub const fn iep(&self) -> IepId {
        self.request.initialized.statement.identity.iep
    }

    /// The purse's session.
    #[must_use]
    pub const fn nt(&self) -> Counter {
        self.request.initialized.statement.position.nt
    }

    /// NV of the purse before it.
    #[must_use]
    pub const fn nv_before(&self) -> Counter {
        self.request.initialized.statement.position.nv
    }

    /// Load or unload.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.request.kind
    }

    /// Where the money comes from or goes to.
    #[must_use]
    pub const fn funding(&self) -> Funding {
        self.request.funding
    }

    /// Amount.
    #[must_use]
    pub const fn amount(&self) -> Amount {
        self.answer.order.amount
    }

    /// What it brings into the purse, minor units: below zero for an unload.
    #[must_use]
    pub fn signed(&self) -> i64 {
        let amount = i64::from(self.amount().get());
        if self.kind() == Kind::Load { amount } else { -amount }
    }
}

fn read(row: &Row<'_>) -> Result<Transfer, Error> {
    Ok(Transfer { state: get(row, 0)?, request: code::element(row, 1)?, answer: code::element(row, 2)? })
}

impl Tx<'_> {
    /// Stores a load or unload.
    pub fn insert_transfer(&self, transfer: &Transfer) -> Result<(), Error> {
        let sql = "INSERT INTO transfer VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let row = params![
            code::purse(transfer.iep()),
            transfer.nt().get(),
            transfer.kind() as u8,
            transfer.state,
            transfer.funding() as u8,
            code::sam(transfer.request.counterpart.sam),
            code::currency(transfer.request.initialized.statement.identity.currency),
            transfer.nv_before().get(),
            transfer.amount().get(),
            Bytes::of(&transfer.request),
            Bytes::of(&transfer.answer)
        ];
        self.execute(sql, row).map(drop)
    }

    /// The load or unload of a session.
    pub fn transfer(&self, iep: IepId, nt: Counter) -> Result<Option<Transfer>, Error> {
        let sql = "SELECT state, request, answer FROM transfer WHERE purse = ?1 AND nt = ?2";
        self.first(sql, params![code::purse(iep), nt.get()], read)
    }

    /// The last session of a purse in which it asked for a load or unload.
    pub fn last_transfer_session(&self, iep: IepId) -> Result<Option<Counter>, Error> {
        let sql = "SELECT nt FROM transfer WHERE purse = ?1 ORDER BY nt DESC LIMIT 1";
        self.first(sql, [code::purse(iep)], |row| code::counter(row, 0))
    }

    /// Loads and unloads of a purse that are pending.
    pub fn pending_transfers(&self, iep: IepId) -> Result<Vec<Transfer>, Error> {
        let sql = "SELECT state, request, answer FROM transfer WHERE purse = ?1 AND state = 1 ORDER BY nt";
        self.all(sql, [code::purse(iep)], read)
    }

    /// Loads and unloads of all purses that are pending.
    pub fn all_pending_transfers(&self) -> Result<Vec<Transfer>, Error> {
        let sql = "SELECT state, request, answer FROM transfer WHERE state = 1 ORDER BY purse, nt";
        self.all(sql, [], read)
    }

    /// Loads and unloads of a purse whose NV would be above `from` and not above `to`.
    pub fn transfers_between(&self, iep: IepId, from: Counter, to: Counter) -> Result<Vec<Transfer>, Error> {
        let sql = "SELECT state, request, answer FROM transfer
                   WHERE purse = ?1 AND nv >= ?2 AND nv < ?3 ORDER BY nt";
        self.all(sql, params![code::purse(iep), from.get(), to.get()], read)
    }

    /// Changes the state of a load or unload.
    pub fn set_transfer_state(&self, transfer: &Transfer, state: TransferState) -> Result<(), Error> {
        let sql = "UPDATE transfer SET state = ?3 WHERE purse = ?1 AND nt = ?2";
        self.execute(sql, params![code::purse(transfer.iep()), transfer.nt().get(), state]).map(drop)
    }
}
