//! Real PSAMs and a real background system, with the batches and acknowledgements between
//! them: what paths of both machines of [`crate::batches`] are driven through.

use std::collections::BTreeMap;

use apdu_spec::aid::Aid;
use apdu_spec::batch::Acknowledgement;
use apdu_spec::sam::{CloseBatch, GetSamData, PsamAcknowledge};
use system_tests::explore::Machine;
use system_tests::scheme::NOW;

use crate::acknowledgement::{Exchange, Step};
use crate::batches::{AMOUNT, Batch, Batches};
use crate::real::{Real, send, tear};

/// PSAMs, background system, and everything that was ever on the line.
pub(crate) struct Line {
    pub(crate) real: Real,
    pub(crate) words: BTreeMap<Batch, Acknowledgement>,
    read: BTreeMap<Batch, network::Batch>,
}

/// Drives one path of the exchange; how many steps were tried, those included that change nothing.
pub(crate) fn replay(machine: &Exchange, path: &[Step]) -> usize {
    let mut line = Line::new(machine.sams);
    let mut state = machine.start();
    for (place, step) in path.iter().enumerate() {
        let (accepted, after) = machine.next(&state, *step).expect("sound");
        assert_eq!(act(&mut line, *step), accepted, "step {place} of {path:#?}");
        line.compare(&after.batches, &|| format!("step {place} of {path:#?}"));
        state = after;
    }
    let mut tried = path.len();
    for step in machine.steps(&state) {
        let (accepted, after) = machine.next(&state, step).expect("sound");
        if after == state {
            assert_eq!(act(&mut line, step), accepted, "{step:?} after {path:#?}");
            tried += 1;
        }
    }
    line.compare(&state.batches, &|| format!("the end of {path:#?}"));
    tried
}

fn act(line: &mut Line, step: Step) -> bool {
    match step {
        Step::Pay { sam } => line.real.pay(sam.into(), AMOUNT),
        Step::Close { sam } => line.close(sam),
        Step::Collect { batch } => line.collect(batch),
        Step::Submit { batch } => line.submit(batch),
        Step::Acknowledge { sam, word } => line.acknowledge(sam, word),
        Step::Tear { sam } => line.tear(sam),
    }
}

impl Line {
    pub(crate) fn new(sams: u8) -> Self {
        let mut real = Real::new(sams.into());
        real.load(1_000);
        Self { real, words: BTreeMap::new(), read: BTreeMap::new() }
    }

    pub(crate) fn close(&mut self, sam: u8) -> bool {
        send::<CloseBatch>(&mut self.real.sams[usize::from(sam)], &()).is_some()
    }

    pub(crate) fn collect(&mut self, batch: Batch) -> bool {
        let found = self.real.batch(batch.0.into(), batch.1).expect("kept");
        self.read.insert(batch, found.clone()).is_none_or(|before| before == found)
    }

    pub(crate) fn submit(&mut self, batch: Batch) -> bool {
        let word = self.real.background.submit(&self.read[&batch], NOW).expect("stored");
        self.words.insert(batch, word.clone()).is_none_or(|before| before == word)
    }

    pub(crate) fn acknowledge(&mut self, sam: u8, word: Batch) -> bool {
        send::<PsamAcknowledge>(&mut self.real.sams[usize::from(sam)], &self.words[&word]).is_some()
    }

    pub(crate) fn tear(&mut self, sam: u8) -> bool {
        tear(&mut self.real.sams[usize::from(sam)], Aid::PSAM);
        true
    }

    /// PSAMs keep what the machine says, and the books are those of the model.
    pub(crate) fn compare(&mut self, state: &Batches, context: &dyn Fn() -> String) {
        for (at, sam) in self.real.sams.iter_mut().enumerate() {
            let information = send::<GetSamData>(sam, &()).expect("information");
            let found = (information.oldest.get(), information.batch.get(), information.entries);
            assert_eq!(found, state.stands(at), "PSAM {at} at {}", context());
        }
        let real: Vec<_> = self.real.ledger().iter().map(|(nv, minor, _)| (*nv, *minor)).collect();
        let ledger: Vec<_> = state.model.ledger().map(|((_, nv), minor, _)| (nv, minor)).collect();
        assert_eq!(real, ledger, "ledger at {}", context());
        assert_eq!(self.real.shadow(), state.model.purses[0].shadow, "shadow at {}", context());
    }
}
