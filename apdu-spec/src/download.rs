//! What travels back on a transfer card: downloads to SAMs, and the release that
//! lets the card forget.
//!
//! The transfer card is an untrusted carrier. What it carries is secured end to
//! end (S4, S5, acknowledgements); only the release is for the card itself.

use crate::element::{BatchNumber, KeyReference, Kind, Mac, SamId};
use crate::layout;
use crate::signature::{Heading, Name};
use crate::wire::Octets;

/// Most content bytes of a parcel or download.
pub const CONTENT_MAX: usize = 180;

/// Index of a parcel that carries the trailer of its batch.
pub const TRAILER_INDEX: u16 = 0xFFFF;

layout! {
    /// A piece of a batch on its way to the background system.
    pub struct Parcel {
        /// The PSAM it comes from.
        sam: SamId,
        /// Its batch.
        batch: BatchNumber,
        /// Index of the record in the batch, FFFF for the trailer.
        index: u16,
        /// The record or trailer, as the PSAM gave it.
        content: Octets<CONTENT_MAX>,
    }
}

layout! {
    /// A message on its way to a PSAM.
    pub struct Download {
        /// The PSAM it goes to.
        sam: SamId,
        /// An [`Acknowledgement`](crate::batch::Acknowledgement).
        content: Octets<CONTENT_MAX>,
    }
}

layout! {
    /// Lets a transfer card forget what has arrived: 16 bytes. Numbers only rise,
    /// so that a repeated release does nothing.
    #[derive(Copy)]
    pub struct Release {
        /// Parcels below this number may be forgotten.
        parcels: u32,
        /// Downloads below this number may be forgotten.
        downloads: u32,
        /// MAC under the record key of the transfer card.
        mac: Mac,
    }
}

layout! {
    /// What the MAC of a release is made over.
    #[derive(Copy)]
    pub struct ReleaseInput {
        /// Heading.
        heading: Heading,
        /// The transfer card.
        card: SamId,
        /// Parcels below this number.
        parcels: u32,
        /// Downloads below this number.
        downloads: u32,
    }
}

impl Release {
    /// The input of its MAC.
    #[must_use]
    pub const fn input(&self, card: SamId, key: KeyReference) -> ReleaseInput {
        ReleaseInput {
            heading: Heading::new(Name::Release, Kind::Purchase, key),
            card,
            parcels: self.parcels,
            downloads: self.downloads,
        }
    }
}
