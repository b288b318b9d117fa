//! What purse and PSAMs keep, and the messages that were made.

use simulation::model::{Kind, Model, Outcome};

/// A value commit as the purse keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Entry {
    pub(super) kind: Kind,
    pub(super) nt: u8,
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
    pub(super) freed: u8,
}

/// A purchase in its PSAM.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Opening {
    pub(super) nt: u8,
    pub(super) freed: u8,
    /// Batch in which it was opened.
    pub(super) opened: u8,
    /// Its last record and the batch of that.
    pub(super) last: Option<(Last, u8)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Last {
    Own(Outcome),
    Receipt,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Sam {
    pub(super) challenge: Option<u8>,
    pub(super) taken: Option<u8>,
    pub(super) openings: Vec<Opening>,
    pub(super) secrets: Vec<u8>,
    pub(super) batch: u8,
    pub(super) oldest: u8,
    pub(super) records: u8,
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
        let (nt, freed) = (self.nt(), self.freed);
        let same = |previous: &&Previous| {
            let Previous { sam: by, challenge: fresh, .. } = **previous;
            (by, fresh, previous.by_nt, previous.asked) == (sam, challenge, by_nt, asked)
                && (previous.nt, previous.freed) == (nt, freed)
        };
        self.previous.iter().find(same).copied()
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

    pub(super) fn record(&mut self, number: u8, last: Last) {
        let batch = self.batch;
        self.opening(number).last = Some((last, batch));
        self.records += 1;
    }
}
