//! A batch of a PSAM: its trailer under S4 and its acknowledgement.

use crate::element::{BatchNumber, Currency, Kind, Mac, ProviderId, SamCounter, SamId, Time, Total};
use crate::layout;
use crate::record::{BatchRecord, Outcome, ValueRecord};
use crate::signature::{Heading, Name};
use crate::wire::{List, Malformed};

/// Most providers whose purses one PSAM accepts.
pub const PROVIDERS_MAX: usize = 4;

layout! {
    /// What a PSAM has handed in for one issuer since it was issued: 28 bytes. The difference to
    /// the trailer before is this batch; a batch that is missing has an exact amount.
    #[derive(Copy)]
    pub struct Sum {
        /// The issuer.
        provider: ProviderId,
        /// Currency.
        currency: Currency,
        /// Number of credited entries.
        count: u32,
        /// Sum of the credited entries, minor units; voided ones are still in it.
        credited: Total,
        /// Sum of the entries that were credited and voided afterwards.
        voided: Total,
        /// Sum of the claims.
        claimed: Total,
    }
}

/// What modules have handed in, per issuer and currency.
pub type Sums = List<Sum, PROVIDERS_MAX>;

impl BatchRecord {
    /// Adds what this record says to the sums of its PSAM; an error where they are at their end,
    /// or where there are more issuers than a PSAM serves.
    pub fn add_to(&self, sums: &mut Sums) -> Result<(), Malformed> {
        let ValueRecord { identity, entry } = &self.value;
        let (provider, currency) = (identity.iep.provider, identity.currency);
        let moved = entry.s6 != Mac::default();
        match self.outcome {
            Outcome::Credited | Outcome::Unresolved => {}
            Outcome::Voided if moved => {}
            Outcome::Voided | Outcome::NotDebited | Outcome::Receipt => return Ok(()),
        }
        let is_it = |sum: &&mut Sum| sum.provider == provider && sum.currency == currency;
        if !sums.as_slice().iter().any(|sum| sum.provider == provider && sum.currency == currency) {
            let (count, nothing) = (0, Total::default());
            let sum = Sum { provider, currency, count, credited: nothing, voided: nothing, claimed: nothing };
            sums.push(sum).map_err(|_| Malformed)?;
        }
        let sum = sums.iter_mut().find(is_it).ok_or(Malformed)?;
        let total = match self.outcome {
            Outcome::Credited => &mut sum.credited,
            Outcome::Voided => &mut sum.voided,
            _ => &mut sum.claimed,
        };
        *total = total.plus(entry.order.amount).ok_or(Malformed)?;
        if self.outcome == Outcome::Credited {
            sum.count = sum.count.checked_add(1).ok_or(Malformed)?;
        }
        Ok(())
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
        nt: SamCounter,
        /// The last time that the background system has told this PSAM under a MAC.
        time: Time,
        /// The list of blocked purses that the PSAM has.
        list: u32,
        /// Oldest batch that was not acknowledged when this one was closed.
        oldest: BatchNumber,
        /// Last link of the chain over the S5 of the entries.
        chain: Mac,
        /// S4.
        s4: Mac,
        /// Sums per issuer and currency, since issue.
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
    /// What became of an entry that was in doubt: 5 bytes.
    #[derive(Copy)]
    pub struct Resolution {
        /// NT_PSAM.
        nt: SamCounter,
        /// 01 where it is a payment, 00 where the purse was never debited.
        paid: u8,
    }
}

/// Most entries that one acknowledgement resolves.
pub const RESOLVED_MAX: usize = 16;

layout! {
    /// The background system's word that a batch is stored: 34 to 114 bytes. Lets the
    /// PSAM forget it, and sets its clock.
    pub struct Acknowledgement {
        /// The PSAM.
        sam: SamId,
        /// The batch.
        batch: BatchNumber,
        /// S4 of the batch that was stored.
        s4: Mac,
        /// Now: the PSAM takes it as it is, earlier or later than what it had.
        time: Time,
        /// Oldest list of blocked purses under which the PSAM may still open purchases.
        list_min: u32,
        /// Entries of this PSAM that were in doubt and are no longer.
        resolved: List<Resolution, RESOLVED_MAX>,
        /// MAC under the record key of that PSAM.
        mac: Mac,
    }
}

layout! {
    /// What the MAC of an acknowledgement is made over.
    pub struct AcknowledgementInput {
        /// Heading.
        heading: Heading,
        /// The PSAM.
        sam: SamId,
        /// The batch.
        batch: BatchNumber,
        /// Its S4.
        s4: Mac,
        /// Now.
        time: Time,
        /// Oldest list.
        list_min: u32,
        /// Entries resolved.
        resolved: List<Resolution, RESOLVED_MAX>,
    }
}

impl Acknowledgement {
    /// The input of its MAC.
    #[must_use]
    pub fn input(&self, key: crate::element::KeyReference) -> AcknowledgementInput {
        AcknowledgementInput {
            heading: Heading::new(Name::Acknowledgement, Kind::Purchase, key),
            sam: self.sam,
            batch: self.batch,
            s4: self.s4,
            time: self.time,
            list_min: self.list_min,
            resolved: self.resolved.clone(),
        }
    }
}
