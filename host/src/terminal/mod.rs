//! Terminals: load terminals and payment terminals.
//!
//! A transaction is a chain of typed states, each consumed by the next step; "in
//! doubt" is a state, not an error. [`purchase`] is the payment, [`recovery`] finds out
//! what became of one, [`receipt`] takes over what a purse holds, [`cancellation`]
//! gives the last purchase back. [`load`] and [`unload`] go through an authority; what is in
//! doubt about them stands in [`transfer_journal`].
//! [`collection`] empties a PSAM, onto a transfer card where there is no line;
//! [`downloads`] is the way back. [`personalise`] makes a blank card usable.

pub mod cancellation;
pub mod collection;
pub mod downloads;
pub mod journal;
pub mod load;
pub mod personalise;
pub mod purchase;
pub mod receipt;
pub mod recovery;
pub mod transfer_journal;
pub mod unload;

use apdu_spec::element::{Counter, Random};
use apdu_spec::purse::PreviousRequest;
use apdu_spec::record::Counterpart;
use apdu_spec::sam::SamInformation;

use crate::Error;
use crate::card::sam::SamCard;
use crate::reader::Reader;
use journal::Journal;

/// A payment terminal: a PSAM, and a journal that survives a crash.
pub struct PaymentTerminal {
    sam: SamCard,
    information: SamInformation,
    journal: Box<dyn Journal + Send>,
}

impl std::fmt::Debug for PaymentTerminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PaymentTerminal {}", self.information.sam)
    }
}

impl PaymentTerminal {
    /// Starts a terminal around the PSAM in `reader`.
    pub fn start(reader: Box<dyn Reader + Send>, journal: Box<dyn Journal + Send>) -> Result<Self, Error> {
        let mut sam = SamCard::select(reader)?;
        let information = sam.information()?;
        Ok(Self { sam, information, journal })
    }

    /// How the PSAM stood when the terminal started; identity, currency and group do not change.
    #[must_use]
    pub const fn information(&self) -> &SamInformation {
        &self.information
    }

    /// The PSAM.
    pub const fn sam(&mut self) -> &mut SamCard {
        &mut self.sam
    }

    /// Payments of this terminal whose outcome is not known.
    #[must_use]
    pub fn in_doubt(&self) -> Vec<journal::Intent> {
        self.journal.open()
    }

    /// This terminal as a purse's counterpart, with a fresh challenge of the PSAM.
    fn counterpart(&mut self) -> Result<Counterpart, Error> {
        let challenge: Random = self.sam.challenge()?;
        Ok(Counterpart { sam: self.information.sam, challenge })
    }

    /// Asks for a previous signature under this PSAM's keys.
    fn previous_request(&mut self, number: Counter) -> Result<PreviousRequest, Error> {
        let SamInformation { group, version, .. } = self.information;
        Ok(PreviousRequest { group, version, counterpart: self.counterpart()?, number })
    }
}
