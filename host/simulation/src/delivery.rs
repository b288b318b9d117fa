//! A transfer card at the background system: what it brings is handed in over a link, and what
//! is stored is acknowledged on board.
//!
//! The card may forget what was stored or refused: a refused batch left on board would take the
//! room of others, and the PSAM still has what is its own. Where anything got no answer, nothing
//! is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use apdu_spec::batch::Acknowledgement;
use apdu_spec::element::{BatchNumber, SamId};
use background::Background;
use host::reader::Reader;
use host::terminal::collection::{CollectedBatch, unpack};
use host::terminal::downloads::{identity, next_download, send_back};
use network::{Batch, Link, Rejection, RejectionCode, Request, Response};

use crate::Error;
use crate::failure::Failure;

/// What became of what a transfer card brought.
#[derive(Debug, Default)]
pub struct HandedIn {
    /// The acknowledgements of what is stored, one for each batch.
    pub stored: BTreeMap<(SamId, BatchNumber), Acknowledgement>,
    /// Batches that were refused, or of which pieces are missing.
    pub refused: BTreeSet<Failure>,
    /// Batches that got no answer.
    pub unanswered: Vec<Failure>,
    /// Number of the parcel after the last one that was handed in.
    next_parcel: u32,
}

impl HandedIn {
    /// Hands in everything that is on board.
    pub fn from(card: &mut dyn Reader, link: &mut dyn Link) -> Result<Self, Error> {
        let delivery = unpack(card)?;
        let mut handed_in = Self { next_parcel: delivery.next_parcel, ..Self::default() };
        for batch in delivery.batches {
            handed_in.submit(batch, link);
        }
        for (sam, batch) in delivery.incomplete {
            if !handed_in.stored.contains_key(&(sam, batch)) {
                let failure = Failure::new(name(sam, batch), "incomplete; the PSAM still has it");
                handed_in.refused.insert(failure);
            }
        }
        Ok(handed_in)
    }

    /// Hands one batch in. Only an acknowledgement of this very batch counts.
    fn submit(&mut self, batch: CollectedBatch, link: &mut dyn Link) {
        let CollectedBatch { trailer, records } = batch;
        let (sam, number, s4) = (trailer.sam, trailer.batch, trailer.s4);
        let failed = |error: &dyn std::fmt::Display| Failure::new(name(sam, number), error);
        match link.call(&Request::SubmitBatch(Batch { trailer, records })) {
            Ok(Response::Acknowledged(word)) if (word.sam, word.batch, word.s4) == (sam, number, s4) => {
                self.stored.insert((sam, number), word);
            }
            Ok(Response::Rejected(rejection)) if is_final(&rejection) => {
                self.refused.insert(failed(&rejection.text));
            }
            Ok(Response::Rejected(rejection)) => self.unanswered.push(failed(&rejection.text)),
            Ok(other) => self.unanswered.push(failed(&network::Error::Unexpected(other.name()))),
            Err(error) => self.unanswered.push(failed(&error)),
        }
    }

    /// Lets the card forget what got an answer, and all downloads but the last `kept`; what is
    /// stored is acknowledged on board.
    pub fn answer(&self, card: &mut dyn Reader, background: &mut Background, kept: u32) -> Result<(), Error> {
        let parcels = if self.unanswered.is_empty() { self.next_parcel } else { 1 };
        let downloads = next_download(card)?.saturating_sub(kept).max(1);
        let release = background.release(identity(card)?, parcels, downloads)?;
        let words: Vec<_> = self.stored.values().cloned().collect();
        Ok(send_back(card, &release, &words)?)
    }
}

/// Whether the answer will be the same however often the batch comes.
const fn is_final(rejection: &Rejection) -> bool {
    !matches!(rejection.code, RejectionCode::Malformed | RejectionCode::Unavailable)
}

fn name(sam: SamId, batch: BatchNumber) -> String {
    format!("batch {batch} of PSAM {sam}")
}
