//! A batch of a PSAM: its trailer under S4 and its acknowledgement.

use crate::element::{BatchNumber, Counter, Currency, Kind, Mac, ProviderId, SamId};
use crate::layout;
use crate::signature::{Heading, Name};
use crate::wire::List;

/// Most providers whose purses one PSAM accepts.
pub const PROVIDERS_MAX: usize = 4;

layout! {
    /// What one issuer owes for a batch: 16 bytes.
    #[derive(Copy)]
    pub struct Sum {
        /// The issuer.
        provider: ProviderId,
        /// Currency.
        currency: Currency,
        /// Credited entries.
        count: u16,
        /// Sum of the credited entries, minor units.
        total: i64,
    }
}

layout! {
    /// Closes a batch. S4 covers all of it but itself.
    pub struct Trailer {
        /// The PSAM.
        sam: SamId,
        /// Number of the batch.
        batch: BatchNumber,
        /// S4 of the batch before; zero for the first.
        previous: Mac,
        /// Number of entries of every kind.
        count: u16,
        /// Number of entries that are claims.
        unresolved: u16,
        /// NT_PSAM of the last purchase opened in this batch or before.
        nt: Counter,
        /// Last link of the chain over the S5 of the entries.
        chain: Mac,
        /// S4.
        s4: Mac,
        /// Sums per issuer and currency.
        sums: List<Sum, PROVIDERS_MAX>,
    }
}

layout! {
    /// What S4 is made over.
    pub struct S4 {
        /// Heading.
        heading: Heading,
        /// The trailer with its own S4 zero.
        trailer: Trailer,
    }
}

impl Trailer {
    /// The input of S4 for this trailer.
    #[must_use]
    pub fn input(&self, key: crate::element::KeyReference) -> S4 {
        let mut trailer = self.clone();
        trailer.s4 = Mac::default();
        S4 { heading: Heading::new(Name::S4, Kind::Purchase, key), trailer }
    }
}

layout! {
    /// The background system's word that a batch is stored: 25 bytes. Lets the
    /// PSAM forget it.
    #[derive(Copy)]
    pub struct Acknowledgement {
        /// The PSAM.
        sam: SamId,
        /// The batch.
        batch: BatchNumber,
        /// S4 of the batch that was stored.
        s4: Mac,
        /// MAC under the record key of that PSAM.
        mac: Mac,
    }
}

layout! {
    /// What the MAC of an acknowledgement is made over.
    #[derive(Copy)]
    pub struct AcknowledgementInput {
        /// Heading.
        heading: Heading,
        /// The PSAM.
        sam: SamId,
        /// The batch.
        batch: BatchNumber,
        /// Its S4.
        s4: Mac,
    }
}

impl Acknowledgement {
    /// The input of its MAC.
    #[must_use]
    pub const fn input(&self, key: crate::element::KeyReference) -> AcknowledgementInput {
        AcknowledgementInput {
            heading: Heading::new(Name::Acknowledgement, Kind::Purchase, key),
            sam: self.sam,
            batch: self.batch,
            s4: self.s4,
        }
    }
}
