//! Paths of the crooked merchant, driven through real purses, his real PSAM, a second one through which
//! receipts come in, and a real background system that settles.

use std::collections::BTreeMap;

use apdu_spec::element::{BatchNumber, Random, SamCounter};
use apdu_spec::purse::{
    Cancel, CreditCancellation, GetPurseData, PreviousByNv, PreviousRequest, PreviousSignature,
};
use apdu_spec::record::Counterpart;
use apdu_spec::sam::{
    CancelPurchase, CloseBatch, CollectRequest, GetChallenge, GetSamData, PsamAcknowledge, PsamCancel,
    PsamCollect, PsamRenounce, ReceiptRequest, RenounceRequest, StoreReceipt,
};
use background::reports::PaymentState;
use host::reader::virtual_reader::VirtualReader;
use system_tests::explore::Machine;
use system_tests::scheme::{GROUP, NOW, VERSION, counter, sam_id};

use crate::crooked::{Crooked, State, Step, Word};
use crate::real::{Real, send};

/// His PSAM, and the other door.
const OWN: usize = 0;
const OTHER: usize = 1;

/// Cards, books, and what he has in hand.
struct Replay {
    real: Real,
    /// The second customer; the first is the purse of [`Real`].
    second: VirtualReader,
    challenge: Option<Random>,
    words: BTreeMap<Word, PreviousSignature>,
    secrets: BTreeMap<u8, Cancel>,
}

/// Drives one path; how many steps were tried, those included that change nothing.
pub(crate) fn replay(machine: &Crooked, path: &[Step]) -> usize {
    let mut replay = Replay::new();
    let mut state = machine.start();
    let mut tried = 0;
    for (place, step) in path.iter().enumerate() {
        let (accepted, after) = machine.next(&state, *step).expect("sound");
        assert_eq!(replay.act(*step, &state), accepted, "step {place} of {path:#?}");
        replay.compare(&after, &|| format!("step {place} of {path:#?}"));
        state = after;
        tried += 1;
    }
    // What changes nothing in the machine changes nothing in truth: a settlement that pays nobody too.
    for step in machine.steps(&state) {
        let (accepted, after) = machine.next(&state, step).expect("sound");
        if after == state {
            assert_eq!(replay.act(step, &state), accepted, "{step:?} after {path:#?}");
            tried += 1;
        }
    }
    replay.compare(&state, &|| format!("the end of {path:#?}"));
    tried
}

impl Replay {
    fn new() -> Self {
        let mut real = Real::new(2);
        let second = real.customer(2);
        let mut replay =
            Self { real, second, challenge: None, words: BTreeMap::new(), secrets: BTreeMap::new() };
        for purse in [0, 1] {
            replay.with(purse, |real| real.load(1_000));
        }
        replay
    }

    /// With this customer at the terminal.
    fn with<T>(&mut self, purse: u8, action: impl FnOnce(&mut Real) -> T) -> T {
        let Self { real, second, .. } = self;
        if purse == 0 {
            return action(real);
        }
        std::mem::swap(&mut real.purse, second);
        let result = action(real);
        std::mem::swap(&mut real.purse, second);
        result
    }

    /// Whether cards and background system accept the step.
    fn act(&mut self, step: Step, before: &State) -> bool {
        match step {
            Step::Pay { purse } => {
                self.challenge = None;
                self.with(purse, |real| real.pay(OWN, 10))
            }
            Step::Ask { purse, asked } => self.ask(purse, asked, before),
            Step::Void { payment, word } => self.void(payment, word),
            Step::Renounce { payment } => {
                let request = RenounceRequest { nt: number(payment) };
                send::<PsamRenounce>(&mut self.real.sams[OWN], &request).is_some()
            }
            Step::Cancel { purse, secret } => {
                let secret = self.secrets[&secret].clone();
                self.with(purse, |real| send::<CreditCancellation>(&mut real.purse, &secret).is_some())
            }
            Step::HandIn { payment } => self.hand_in(payment, before),
            Step::Close => send::<CloseBatch>(&mut self.real.sams[OWN], &()).is_some(),
            Step::Submit { batch } => {
                let batch = self.real.batch(OWN, batch + 1).expect("kept");
                self.real.background.submit(&batch, NOW).is_ok()
            }
            Step::Settle => self.real.background.settle(NOW).is_ok(),
        }
    }

    /// The load was the first value commit.
    fn ask(&mut self, purse: u8, asked: u8, before: &State) -> bool {
        let fresh = self.challenge.unwrap_or_else(|| challenge(&mut self.real.sams[OWN]));
        self.challenge = Some(fresh);
        let request = previous(OWN, fresh, u32::from(asked) + 1);
        let answer = self.with(purse, |real| send::<PreviousByNv>(&mut real.purse, &request));
        self.words.extend(answer.map(|answer| (before.word(purse, asked), answer)));
        answer.is_some()
    }

    fn void(&mut self, payment: u8, word: Word) -> bool {
        self.challenge = None;
        let request = CancelPurchase { nt: number(payment), previous: self.words[&word] };
        let answer = send::<PsamCancel>(&mut self.real.sams[OWN], &request);
        let accepted = answer.is_some();
        self.secrets.extend(answer.map(|answer| (payment, Cancel { secret: answer.secret })));
        accepted
    }

    /// As a transfer that is completed, which is refused; and as a receipt, with all that the purse
    /// holds before it, through another PSAM.
    fn hand_in(&mut self, payment: u8, before: &State) -> bool {
        let (batch, index) = before.place(payment);
        let batch = BatchNumber::new(u32::from(batch) + 1).expect("small");
        let request = CollectRequest { batch, index };
        let record = send::<PsamCollect>(&mut self.real.sams[OWN], &request).expect("a record");
        assert!(self.real.background.complete(record.value, NOW).is_err(), "no purchase is a transfer");
        self.with(before.purse(payment), |real| {
            let information = send::<GetPurseData>(&mut real.purse, &()).expect("information");
            let nv = information.nv.get();
            for number in nv - u32::from(information.receipts) + 1..=nv {
                let request = previous(OTHER, challenge(&mut real.sams[OTHER]), number);
                let previous = send::<PreviousByNv>(&mut real.purse, &request).expect("a receipt");
                send::<StoreReceipt>(&mut real.sams[OTHER], &ReceiptRequest { previous }).expect("stored");
            }
            let trailer = send::<CloseBatch>(&mut real.sams[OTHER], &()).expect("closed");
            let batch = u8::try_from(trailer.batch.get()).expect("small");
            let batch = real.batch(OTHER, batch).expect("kept");
            let word = real.background.submit(&batch, NOW).expect("stored");
            send::<PsamAcknowledge>(&mut real.sams[OTHER], &word).is_some()
        })
    }

    /// What is paid out is what the machine says, and balances are those of the commits.
    fn compare(&mut self, state: &State, context: &dyn Fn() -> String) {
        let lines = self.real.background.payments_of(self.real.merchant).expect("payments");
        let paid = lines
            .iter()
            .filter(|line| matches!(line.state, PaymentState::Settled | PaymentState::CancelledLate));
        let mut paid: Vec<_> = paid.map(|line| line.nt as u8 - 1).collect();
        paid.sort_unstable();
        assert_eq!(paid, state.paid(), "paid out at {}", context());
        for purse in [0, 1] {
            let information = self.with(purse, |real| send::<GetPurseData>(&mut real.purse, &()));
            let nv = information.expect("information").nv.get();
            assert_eq!(nv, u32::from(state.nv(purse)) + 1, "NV of {purse} at {}", context());
        }
        let entries = send::<GetSamData>(&mut self.real.sams[OWN], &()).expect("information").entries;
        assert_eq!(usize::from(entries), state.entries(), "entries at {}", context());
    }
}

/// Numbers of the PSAM count from 1.
const fn number(payment: u8) -> SamCounter {
    SamCounter(payment as u32 + 1)
}

fn challenge(sam: &mut VirtualReader) -> Random {
    send::<GetChallenge>(sam, &()).expect("a challenge").challenge
}

fn previous(sam: usize, challenge: Random, nv: u32) -> PreviousRequest {
    let sam = sam_id(u32::try_from(sam).expect("few") + 1);
    let counterpart = Counterpart { sam, challenge };
    PreviousRequest { group: GROUP, version: VERSION, counterpart, number: counter(nv) }
}
