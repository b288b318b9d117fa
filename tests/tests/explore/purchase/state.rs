//! What purse and PSAMs keep, and the messages that were made.

use simulation::model::{self, Batch, Kind, Model, Outcome};

/// A value commit as the purse keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Entry {
    pub(super) kind: Kind,
    pub(super) nt: u8,
    /// PSAM and place of the order among its orders.
    pub(super) at: Option<(u8, u8)>,
}

/// S1 of a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Statement {
    pub(super) sam: u8,
    pub(super) challenge: u8,
    pub(super) nv: u8,
    pub(super) freed: u8,
}

/// The answer of GET PREVIOUS, with the challenge it answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Previous {
    /// The PSAM that asked.
    pub(crate) sam: u8,
    pub(super) challenge: u8,
    /// By NT, otherwise by NV.
    pub(crate) by_nt: bool,
    /// The number asked for.
    pub(crate) asked: u8,
    pub(super) found: Option<u8>,
    pub(super) nt: u8,
    pub(super) nv: u8,
    pub(super) freed: u8,
}

/// S2 of a purchase, as it has left its PSAM; an order that another one has replaced as well.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Order {
    /// NT and NV that the purse had stated.
    pub(super) nt: u8,
    pub(super) nv: u8,
    pub(super) freed: u8,
    /// Number of the purchase at the PSAM.
    pub(super) number: u8,
}

/// A number of a PSAM: the purchase that has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Opening {
    /// Place of the order that was given last.
    pub(super) order: u8,
    /// The purse says that it was never debited: the number serves the next purchase.
    pub(super) vacant: bool,
    /// Batch in which it was opened.
    pub(super) opened: u8,
    /// Its outcome and the batch that has it.
    pub(super) outcome: Option<(Outcome, u8)>,
    /// The batch that has its receipt, where it came after a claim.
    pub(super) receipt: Option<u8>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Sam {
    pub(super) challenge: Option<u8>,
    pub(super) taken: Option<u8>,
    pub(super) orders: Vec<Order>,
    pub(super) openings: Vec<Opening>,
    /// Orders whose secret has left.
    pub(super) secrets: Vec<u8>,
    pub(super) batch: u8,
    pub(super) oldest: u8,
}

/// Cards, messages, and the abstract model beside them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct State {
    /// What must be true.
    pub(crate) model: Model,
    pub(super) log: Vec<Entry>,
    pub(super) session: bool,
    pub(super) freed: u8,
    pub(super) statements: Vec<Statement>,
    pub(super) sams: [Sam; 2],
    pub(super) previous: Vec<Previous>,
    pub(super) challenges: u8,
    pub(super) tears: u8,
}

impl State {
    /// The answer that the purse has just given.
    pub(crate) fn answer(&self, sam: u8, by_nt: bool, asked: u8) -> Option<Previous> {
        let challenge = self.sams[usize::from(sam)].challenge?;
        let stands = (self.nt(), self.nv(), self.freed);
        let same = |previous: &&Previous| {
            let Previous { sam: by, challenge: fresh, .. } = **previous;
            (by, fresh, previous.by_nt, previous.asked) == (sam, challenge, by_nt, asked)
                && (previous.nt, previous.nv, previous.freed) == stands
        };
        self.previous.iter().find(same).copied()
    }

    /// Whether the open batch of a PSAM has nothing in it.
    pub(super) fn is_empty(&self, sam: u8) -> bool {
        let model::Sam { openings, open, .. } = &self.model.sams[usize::from(sam)];
        open.first == openings.len() && open.evidence.is_empty()
    }

    /// Closed batches that have nothing in them.
    pub(super) fn empty(&self) -> usize {
        let of = |sam: &model::Sam| {
            let after = sam.closed.iter().skip(1).chain([&sam.open]);
            let empty =
                |(batch, next): &(&Batch, &Batch)| batch.first == next.first && batch.evidence.is_empty();
            sam.closed.iter().zip(after).filter(empty).count()
        };
        self.model.sams.iter().map(of).sum()
    }

    pub(super) fn nt(&self) -> u8 {
        self.statements.len() as u8 + 1
    }

    pub(super) fn nv(&self) -> u8 {
        self.log.len() as u8
    }

    pub(super) fn sam(&mut self, sam: u8) -> &mut Sam {
        &mut self.sams[usize::from(sam)]
    }

    /// The challenge of a PSAM is used up, and with it all answers to it.
    pub(super) fn take_challenge(&mut self, sam: u8) -> Option<u8> {
        self.previous.retain(|previous| previous.sam != sam);
        self.sam(sam).challenge.take()
    }
}

impl Sam {
    pub(super) fn opening(&mut self, number: u8) -> &mut Opening {
        &mut self.openings[usize::from(number) - 1]
    }

    pub(super) fn order(&self, place: u8) -> Order {
        self.orders[usize::from(place)]
    }

    /// An entry of the open batch says what became of a purchase.
    pub(super) fn record(&mut self, number: u8, outcome: Outcome) {
        let batch = self.batch;
        self.opening(number).outcome = Some((outcome, batch));
    }

    /// What became of a purchase, where the PSAM still has it.
    pub(super) fn outcome(&mut self, number: u8) -> Option<(Outcome, u8)> {
        let oldest = self.oldest;
        self.opening(number).outcome.filter(|(_, batch)| *batch >= oldest)
    }

    /// A claim of which the purse may still bring its word.
    pub(super) fn is_claim(&mut self, number: u8) -> bool {
        let oldest = self.oldest;
        let receipt = self.opening(number).receipt.filter(|batch| *batch >= oldest);
        self.outcome(number).is_some_and(|(outcome, _)| outcome == Outcome::Claimed) && receipt.is_none()
    }

    /// The number for a purchase of a purse that states `nt` and `nv`: that of its own that it can
    /// no longer carry out, else a vacant one.
    pub(super) fn place_for(&self, nt: u8, nv: u8) -> Option<u8> {
        let waiting = || (1..).zip(&self.openings).filter(|(_, opening)| opening.outcome.is_none());
        let dead = |opening: &Opening| {
            let order = self.order(opening.order);
            order.nv == nv && order.nt < nt
        };
        let own = waiting().find(|(_, opening)| dead(opening));
        own.or_else(|| waiting().find(|(_, opening)| opening.vacant)).map(|(number, _)| number)
    }
}
