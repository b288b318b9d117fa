//! Where a purse keeps what: cells, log, and the state that follows from the
//! newest log entry.

use apdu_spec::element::{Amount, Balance, Counter, KeyReference, Kind, Mac, Random, Service};
use apdu_spec::layout;
use apdu_spec::record::{Counterpart, LogEntry, Order, Position};

use crate::applets::compact::CompactPosition;
use crate::kernel::area::{Area, COUNTER, Cell, Log};

/// Parameters (`PurseParameters`).
pub(super) const PARAMETERS: Cell = Cell(0);
/// Sessions so far (NT_IEP). Written before S1 leaves.
pub(super) const SESSIONS: Cell = COUNTER;
/// As what it can be read besides (`LegacyView`).
pub(super) const VIEW: Cell = Cell(2);
/// The holder's PIN and what it is for (`PinPolicy`).
pub(super) const PIN: Cell = Cell(3);
/// Tries of the PIN that are left. Written before the PIN is compared.
pub(super) const PIN_TRIES: Cell = Cell(4);
/// Value commits ([`Stored`]), numbered by NV.
pub(super) const LOG: Log = Log(0);

/// Entries that the log keeps; also the most receipts that a purse holds, because an
/// entry that nobody has taken over is never overwritten. A purchase is made with 14 at most, so
/// that its cancellation always finds room.
pub const LOG_MAX: u32 = 16;

layout! {
    /// A log entry in memory: 76 bytes in most lives. Its number is its NV.
    #[derive(Copy)]
    pub struct Stored {
        /// Type of transaction.
        kind: Kind,
        /// Key of S1, S2 and S3.
        key: KeyReference,
        /// Where the purse stood before.
        position: CompactPosition,
        /// Who ordered.
        counterpart: Counterpart,
        /// What was ordered.
        order: Order,
        /// The purse's answer to the counterpart.
        s3: Mac,
        /// The purse's word to its issuer.
        s6: Mac,
    }
}

impl From<&LogEntry> for Stored {
    fn from(entry: &LogEntry) -> Self {
        let LogEntry { kind, key, position, counterpart, order, s3, s6 } = *entry;
        Self { kind, key, position: CompactPosition::new(position), counterpart, order, s3, s6 }
    }
}

/// The log entry of this NV.
pub(super) fn log_entry(area: &Area<'_>, nv: u32) -> Option<LogEntry> {
    let Stored { kind, key, position, counterpart, order, s3, s6 } = area.record(LOG, nv)?;
    let before = nv.checked_sub(1).and_then(Counter::new)?;
    Some(LogEntry { kind, key, position: position.with_nv(before), counterpart, order, s3, s6 })
}

/// What the newest log entry says about the purse. The log is the purse: there is
/// no balance beside it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) balance: Balance,
    pub(super) nv: Counter,
    pub(super) nv_load: Counter,
    nv_cancellation: Counter,
    offline_total: Amount,
    offline_base: Amount,
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
            offline_total: entry.position.offline_total,
            offline_base: entry.position.offline_base,
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
            offline_total: self.offline_total,
            offline_base: self.offline_base,
            random,
            // At most LOG_MAX.
            receipts: u8::try_from(self.nv.since(self.freed).unwrap_or(0)).unwrap_or(u8::MAX),
            // A value commit is the word of a purse that is in service; see `inquiry`.
            service: Service::Open,
        }
    }
}
