//! Where a transfer card keeps what.

use apdu_spec::layout;

use crate::kernel::area::{Cell, Log};

/// Parameters (`TransferParameters`).
pub(super) const PARAMETERS: Cell = Cell(0);
/// What may be forgotten ([`Floors`]).
pub(super) const FLOORS: Cell = Cell(1);
/// Parcels on their way to the background system.
pub(super) const PARCELS: Log = Log(0);
/// Downloads on their way to PSAMs.
pub(super) const DOWNLOADS: Log = Log(1);

layout! {
    /// Numbers below which everything has been released.
    #[derive(Copy)]
    pub struct Floors {
        /// Of parcels.
        parcels: u32,
        /// Of downloads.
        downloads: u32,
    }
}
