//! Batches on their way: PSAMs that pay, close, and forget a batch on the word that it is
//! stored; a background system that stores a batch and gives its word. What collection by
//! transfer card and acknowledgement over a line have in common.
//!
//! A loss of power changes nothing that a PSAM keeps: it is a step that leads nowhere, and
//! the real PSAM must stand where it stood.

use simulation::model::{Event, Kind, Model};

use crate::check;

bugs! {
    /// A batch that comes again is booked again.
    DeduplicationRemoved,
    /// A PSAM takes any acknowledgement as one of its oldest batch.
    AcknowledgementNotChecked,
    /// The acknowledgement leaves before the batch is stored.
    ReleaseBeforeStorage,
    /// A batch that was cut short is taken for whole.
    IncompleteTaken,
}

/// A batch by PSAM and number.
pub(crate) type Batch = (u8, u8);

/// Closed batches that a PSAM keeps.
const CLOSED_MAX: u8 = 4;

/// Minor units of every payment.
pub(crate) const AMOUNT: u32 = 10;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Sam {
    /// Payments of every batch; the last one is open.
    batches: Vec<Vec<u8>>,
    oldest: u8,
}

/// PSAMs and background system, and the abstract model beside them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Batches {
    pub(crate) model: Model,
    sams: Vec<Sam>,
    stored: Vec<Batch>,
    /// Acknowledgements that were ever made.
    pub(crate) words: Vec<Batch>,
    /// What is booked, by number of the payment.
    booked: Vec<u8>,
    pub(crate) payments: u8,
}

impl Batches {
    /// A loaded purse and PSAMs.
    pub(crate) fn new(sams: u8) -> Self {
        let mut model = Model::default();
        let (session, kind) = ((0, 1), Kind::Load);
        for event in [
            Event::PurseIssued { range: (0, 1_000_000) },
            Event::SessionOpened { purse: 0 },
            Event::Authorised { session, kind, amount: 1_000, approved: true, freed: 0 },
            Event::Executed { purse: 0 },
            Event::Reported { commit: (0, 1) },
        ] {
            model.apply(event).expect("a load");
        }
        (0..sams).for_each(|_| model.apply(Event::SamInstalled).expect("installed"));
        let sam = Sam { batches: vec![Vec::new()], oldest: 1 };
        let (stored, words, booked) = (Vec::new(), Vec::new(), Vec::new());
        Self { model, sams: vec![sam; sams.into()], stored, words, booked, payments: 0 }
    }

    /// Oldest batch, open batch, and records of the open one.
    pub(crate) fn stands(&self, sam: usize) -> (u32, u32, u16) {
        let Sam { batches, oldest } = &self.sams[sam];
        let open = batches.last().map_or(0, Vec::len);
        ((*oldest).into(), batches.len() as u32, open as u16)
    }

    /// Closed batches that a PSAM still has.
    pub(crate) fn closed(&self, sam: u8) -> std::ops::Range<u8> {
        let Sam { batches, oldest } = &self.sams[usize::from(sam)];
        *oldest..batches.len() as u8
    }

    pub(crate) fn oldest(&self, sam: u8) -> u8 {
        self.sams[usize::from(sam)].oldest
    }

    /// Whether a batch has come in.
    pub(crate) fn is_stored(&self, batch: Batch) -> bool {
        self.stored.contains(&batch)
    }

    /// What must hold in every state.
    pub(crate) fn holds(&self) -> Result<(), String> {
        let mut booked = self.booked.clone();
        booked.sort_unstable();
        let ledger: Vec<_> = self.model.ledger().map(|((_, nv), ..)| nv as u8 - 1).collect();
        if booked != ledger {
            return Err(format!("payments {booked:?} are booked, and {ledger:?} have come in"));
        }
        check(&self.model)
    }

    /// What both machines must reach: "a PSAM forgets a batch", "two batches wait at once",
    /// "a later batch comes in first", "an empty batch comes in".
    pub(crate) fn seen(&self) -> [bool; 4] {
        let first = |(sam, batch): &Batch| *batch > 1 && !self.is_stored((*sam, batch - 1));
        [
            self.sams.iter().any(|sam| sam.oldest > 1),
            self.sams.iter().any(|sam| sam.batches.len() as u8 - sam.oldest >= 2),
            self.stored.iter().any(first),
            self.stored.iter().any(|batch| self.is_empty(*batch)),
        ]
    }

    /// A whole payment.
    pub(crate) fn pay(&mut self, sam: u8) -> Result<bool, String> {
        self.payments += 1;
        self.sams[usize::from(sam)].batches.last_mut().expect("one is open").push(self.payments);
        let session = (0, usize::from(self.payments) + 1);
        let at = usize::from(sam);
        self.apply(Event::SessionOpened { purse: 0 })?;
        self.apply(Event::PurchaseOpened { sam: at, session, amount: AMOUNT.into(), freed: 0 })?;
        self.apply(Event::Executed { purse: 0 })?;
        let nt = self.model.sams[at].openings.len();
        self.apply(Event::Credited { purchase: (at, nt) })
    }

    /// Batches that were ever closed, at all PSAMs.
    pub(crate) fn closings(&self) -> u8 {
        self.sams.iter().map(|sam| sam.batches.len() as u8 - 1).sum()
    }

    /// Whether a batch has no payment.
    pub(crate) fn is_empty(&self, (sam, batch): Batch) -> bool {
        self.sams[usize::from(sam)].batches[usize::from(batch) - 1].is_empty()
    }

    /// Empty or not.
    pub(crate) fn close(&mut self, sam: u8) -> Result<bool, String> {
        if self.closed(sam).len() as u8 == CLOSED_MAX {
            return Ok(false);
        }
        let module = &mut self.sams[usize::from(sam)];
        module.batches.push(Vec::new());
        self.apply(Event::BatchClosed { sam: sam.into() })
    }

    /// Storage comes first, the word after it.
    pub(crate) fn store(&mut self, batch: Batch, complete: bool, bug: Option<Bug>) -> Result<bool, String> {
        let (sam, number) = batch;
        if let Err(place) = self.words.binary_search(&batch) {
            self.words.insert(place, batch);
        }
        let first = self.stored.binary_search(&batch).err();
        if bug == Some(Bug::ReleaseBeforeStorage) && first.is_some() {
            return Ok(true);
        }
        if let Some(place) = first {
            self.stored.insert(place, batch);
        }
        if first.is_some() || bug == Some(Bug::DeduplicationRemoved) {
            let payments = &self.sams[usize::from(sam)].batches[usize::from(number) - 1];
            let taken = payments.len() - usize::from(!complete);
            self.booked.extend(payments.iter().take(taken));
        }
        self.apply(Event::BatchArrived { sam: sam.into(), batch: number.into() })
    }

    pub(crate) fn acknowledge(&mut self, sam: u8, word: Batch, bug: Option<Bug>) -> Result<bool, String> {
        let any = bug == Some(Bug::AcknowledgementNotChecked) && !self.closed(sam).is_empty();
        let oldest = self.oldest(sam);
        match word {
            _ if any => {}
            (of, number) if of != sam || number > oldest => return Ok(false),
            (_, number) if number < oldest => return Ok(true), // it came again
            _ => {}
        }
        self.sams[usize::from(sam)].oldest += 1;
        self.apply(Event::Acknowledged { sam: sam.into(), batch: oldest.into() })
    }

    /// The event is true, or this is a counterexample.
    fn apply(&mut self, event: Event) -> Result<bool, String> {
        self.model.apply(event).map(|()| true).map_err(|refused| format!("{event:?}: {refused:?}"))
    }
}
