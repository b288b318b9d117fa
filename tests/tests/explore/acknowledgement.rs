//! Acknowledgement over a line: PSAMs, the background system, and everybody in between, who
//! may read a closed batch and hand it in at any time, again and long after its PSAM has
//! forgotten it, and may give any acknowledgement to any PSAM at any time, again, or never.
//!
//! Bound: payments at all PSAMs together, and as many batches, empty or not. The
//! line forgets nothing; what is lost is not delivered. Losses of power have no bound.

use system_tests::explore::Machine;

use crate::batches::{Batch, Batches, Bug};

/// The machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    /// PSAMs.
    pub(crate) sams: u8,
    /// Payments, and batches, at most.
    pub(crate) payments: u8,
    /// What is wrong.
    pub(crate) bug: Option<Bug>,
}

/// PSAMs, background system, and what is on the line.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct State {
    pub(crate) batches: Batches,
    /// Batches that were ever read.
    read: Vec<Batch>,
}

/// A message is delivered, or power fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// A whole payment.
    Pay { sam: u8 },
    /// The PSAM closes its batch.
    Close { sam: u8 },
    /// A terminal reads a closed batch.
    Collect { batch: Batch },
    /// The background system gets a batch.
    Submit { batch: Batch },
    /// A PSAM gets an acknowledgement.
    Acknowledge { sam: u8, word: Batch },
    /// The PSAM loses power.
    Tear { sam: u8 },
}

impl Machine for Exchange {
    type State = State;
    type Step = Step;
    const SOMETIMES: &'static [&'static str] = &[
        "a PSAM forgets a batch",
        "two batches wait at once",
        "a later batch comes in first",
        "an empty batch comes in",
        "a batch comes again when its PSAM has forgotten it",
        "the word for one PSAM comes to another",
    ];

    fn start(&self) -> State {
        State { batches: Batches::new(self.sams), read: Vec::new() }
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps: Vec<_> = state.read.iter().map(|batch| Step::Submit { batch: *batch }).collect();
        for sam in 0..self.sams {
            if state.batches.payments < self.payments {
                steps.push(Step::Pay { sam });
            }
            if state.batches.closings() < self.payments {
                steps.push(Step::Close { sam });
            }
            steps.push(Step::Tear { sam });
            steps.extend(state.batches.closed(sam).map(|batch| Step::Collect { batch: (sam, batch) }));
            steps.extend(state.batches.words.iter().map(|word| Step::Acknowledge { sam, word: *word }));
        }
        steps
    }

    fn holds(&self, state: &State) -> Result<(), String> {
        state.batches.holds()
    }

    fn next(&self, state: &State, step: Step) -> Result<(bool, State), String> {
        let mut next = state.clone();
        let accepted = match step {
            Step::Pay { sam } => next.batches.pay(sam)?,
            Step::Close { sam } => next.batches.close(sam)?,
            Step::Collect { batch } => {
                if let Err(place) = next.read.binary_search(&batch) {
                    next.read.insert(place, batch);
                }
                true
            }
            Step::Submit { batch } => next.batches.store(batch, true, self.bug)?,
            Step::Acknowledge { sam, word } => next.batches.acknowledge(sam, word, self.bug)?,
            Step::Tear { .. } => true,
        };
        Ok((accepted, next))
    }

    fn seen(&self, state: &State, steps: &[Step]) -> u32 {
        let [forgotten, two, later, empty] = state.batches.seen();
        let gone =
            |step: &Step| matches!(step, Step::Submit { batch } if batch.1 < state.batches.oldest(batch.0));
        let other = |step: &Step| matches!(step, Step::Acknowledge { sam, word } if word.0 != *sam);
        let bits = [forgotten, two, later, empty, steps.iter().any(gone), steps.iter().any(other)];
        bits.iter().enumerate().map(|(bit, set)| u32::from(*set) << bit).sum()
    }
}
