//! Paths of the collection machine, driven through real PSAMs, real transfer cards, the
//! terminal's own way of packing and unpacking them, and a real background system.

use apdu_spec::Element;
use apdu_spec::batch::{Acknowledgement, Trailer};
use apdu_spec::download::{CONTENT_MAX, Parcel, TRAILER_INDEX};
use apdu_spec::record::BatchRecord;
use apdu_spec::sam::{GetSamData, PsamAcknowledge};
use apdu_spec::wire::Octets;
use host::card::transfer::TransferCard;
use host::reader::virtual_reader::VirtualReader;
use host::terminal::collection::unpack;
use host::terminal::downloads::{identity, send_back};
use network::Batch;
use system_tests::explore::Machine;
use system_tests::scheme::{NOW, sam_id};

use crate::batches::AMOUNT;
use crate::batches_replay::Line;
use crate::collection::{Collection, Step};
use crate::real::send;

/// PSAM, background system, line, and transfer cards.
struct Replay {
    line: Line,
    couriers: Vec<VirtualReader>,
    issued: u32,
}

/// Drives one path; how many steps were tried, those included that change nothing.
pub(crate) fn replay(machine: &Collection, path: &[Step]) -> usize {
    let mut line = Line::new(1);
    let issued = 800 + u32::from(machine.couriers);
    let couriers = (800..issued).map(|number| line.real.courier(number)).collect();
    let mut replay = Replay { line, couriers, issued };
    let mut state = machine.start();
    for (place, step) in path.iter().enumerate() {
        let (accepted, after) = machine.next(&state, *step).expect("sound");
        assert_eq!(replay.act(*step), accepted, "step {place} of {path:#?}");
        replay.line.compare(&after.batches, &|| format!("step {place} of {path:#?}"));
        state = after;
    }
    let mut tried = path.len();
    for step in machine.steps(&state) {
        let (accepted, after) = machine.next(&state, step).expect("sound");
        // A copy of what is on board is left out by the terminal, not refused by a card.
        if after == state && !matches!(step, Step::Copy { .. }) {
            assert_eq!(replay.act(step), accepted, "{step:?} after {path:#?}");
            tried += 1;
        }
    }
    replay.line.compare(&state.batches, &|| format!("the end of {path:#?}"));
    tried
}

impl Replay {
    /// Whether cards and background system accept the step.
    fn act(&mut self, step: Step) -> bool {
        match step {
            Step::Pay => self.line.real.pay(0, AMOUNT),
            Step::Close => self.line.close(0),
            Step::Copy { courier, batch, whole } => {
                let batch = self.line.real.batch(0, batch).expect("kept");
                copy(&mut self.couriers[usize::from(courier)], &batch, whole);
                true
            }
            Step::Deliver { courier, whole } => self.deliver(courier.into(), whole),
            Step::Visit { courier } => self.visit(courier.into()),
            Step::Lose { courier } => {
                self.couriers[usize::from(courier)] = self.line.real.courier(self.issued);
                self.issued += 1;
                true
            }
            Step::Submit { batch } => self.line.collect((0, batch)) && self.line.submit((0, batch)),
            Step::Acknowledge { batch } => self.line.acknowledge(0, (0, batch)),
            Step::Tear => self.line.tear(0),
        }
    }

    /// As the simulation does it: stored first, released and acknowledged then.
    fn deliver(&mut self, courier: usize, whole: bool) -> bool {
        let background = &mut self.line.real.background;
        let card = &mut self.couriers[courier];
        let delivery = unpack(card).expect("read");
        let mut words = Vec::new();
        for batch in delivery.batches {
            let number = u8::try_from(batch.trailer.batch.get()).expect("small");
            let batch = Batch { trailer: batch.trailer, records: batch.records };
            let word = background.submit(&batch, NOW).expect("stored");
            self.line.words.insert((0, number), word.clone());
            words.push(word);
        }
        if whole && (!words.is_empty() || !delivery.incomplete.is_empty()) {
            let name = identity(card).expect("a card");
            let release = background.release(name, delivery.next_parcel, 1).expect("a release");
            send_back(card, &release, &words).expect("on board");
        }
        true
    }

    fn visit(&mut self, courier: usize) -> bool {
        let sam = &mut self.line.real.sams[0];
        let mut card = TransferCard::select(&mut self.couriers[courier]).expect("selected");
        let mut from = 1;
        while let Some(found) = card.download(sam_id(1), from).expect("read") {
            from = found.number + 1;
            let content = found.download.content.as_slice();
            let word = Acknowledgement::from_bytes(content).expect("an acknowledgement");
            let oldest = send::<GetSamData>(sam, &()).expect("information").oldest;
            if word.batch >= oldest && send::<PsamAcknowledge>(sam, &word).is_none() {
                return false;
            }
        }
        true
    }
}

/// Puts a batch on board, piece by piece; cut short, its trailer is missing.
fn copy(reader: &mut VirtualReader, batch: &Batch, whole: bool) {
    let mut card = TransferCard::select(reader).expect("selected");
    let Trailer { sam, batch: number, .. } = batch.trailer;
    let mut append = |index, content: &[u8]| {
        let content = Octets::new(content).expect("fits");
        card.append_parcel(&Parcel { sam, batch: number, index, content }).expect("room");
    };
    let mut buffer = [0; CONTENT_MAX];
    for record in &batch.records {
        append(record.index, BatchRecord::to_slice(record, &mut buffer).expect("fits"));
    }
    if whole {
        append(TRAILER_INDEX, Trailer::to_slice(&batch.trailer, &mut buffer).expect("fits"));
    }
}
