//! Where a purse keeps what: cells, log, and the state that follows from the
//! newest log entry.

use apdu_spec::element::{Amount, Balance, Counter, Kind, Random};
use apdu_spec::record::{LogEntry, Position};

use crate::kernel::area::{Cell, Log};

/// Parameters (`PurseParameters`).
pub(super) const PARAMETERS: Cell = Cell(0);
/// Sessions so far (NT_IEP). Written before S1 leaves.
pub(super) const SESSIONS: Cell = Cell(1);
/// Value commits (`LogEntry`), numbered by NV.
pub(super) const LOG: Log = Log(0);

/// Entries that the log keeps; also the most receipts that a purse holds, because an
/// entry that nobody has taken over is never overwritten.
pub const LOG_MAX: u32 = 16;

/// What the newest log entry says about the purse. The log is the purse: there is
/// no balance beside it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) balance: Balance,
    pub(super) nv: Counter,
    nv_load: Counter,
    nv_cancellation: Counter,
    offline_load: Amount,
    /// Highest NV whose receipt has been taken over.
    pub(super) freed: Counter,
}

impl State {
    /// The state after `entry`; nothing where the entry is impossible.
    pub(super) fn after(entry: &LogEntry) -> Option<Self> {
        let nv = entry.nv()?;
        let when = |kind, before| if entry.kind == kind { nv } else { before };
        Some(Self {
            balance: entry.balance_after()?,
            nv,
            nv_load: when(Kind::Load, entry.position.nv_load),
            nv_cancellation: when(Kind::Cancellation, entry.position.nv_cancellation),
            offline_load: entry.position.offline_load,
            freed: entry.order.taken_over,
        })
    }

    /// What S1 says: this state in the session `nt`.
    pub(super) fn position(&self, nt: Counter, random: Random) -> Position {
        Position {
            balance: self.balance,
            nt,
            nv: self.nv,
            nv_load: self.nv_load,
            nv_cancellation: self.nv_cancellation,
            offline_load: self.offline_load,
            random,
            // At most LOG_MAX.
            receipts: u8::try_from(self.nv.since(self.freed).unwrap_or(0)).unwrap_or(u8::MAX),
        }
    }
}
