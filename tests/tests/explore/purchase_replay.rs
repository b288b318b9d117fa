//! Paths of the purchase machine, driven through a real purse, two real PSAMs and a real
//! background system: each step is accepted or refused as the machine says, and in every
//! state they stand where the abstract model stands.

use std::collections::BTreeMap;

use apdu_spec::aid::Aid;
use apdu_spec::element::{Random, SamCounter};
use apdu_spec::purse::{
    Cancel, CreditCancellation, DebitIep, Execute, Executed, GetBalance, GetPurseData, InitializeIep,
    InitializePurchase, Initialized, PreviousByNt, PreviousByNv, PreviousRequest, PreviousSignature,
};
use apdu_spec::record::Counterpart;
use apdu_spec::sam::{
    CancelPurchase, CloseBatch, CompleteRequest, CreditPsam, CreditRequest, GetChallenge, InitializePsam,
    OpenPurchase, Opened, PsamAcknowledge, PsamCancel, PsamComplete, ReceiptRequest, StoreReceipt,
};
use background::reports::PaymentState;
use simulation::model::oracle::Line;
use system_tests::explore::Machine;
use system_tests::scheme::{GROUP, NOW, VERSION, counter, sam_id};

use crate::purchase::{LOADED, Previous, Purchase, State, Step, amount};
use crate::real::{Real, send, tear};

/// Cards, and every message that they have made.
struct Replay {
    real: Real,
    challenges: [Random; 2],
    statements: Vec<Initialized>,
    opened: BTreeMap<(u8, u8), Opened>,
    executed: BTreeMap<(u8, u8), Executed>,
    secrets: BTreeMap<(u8, u8), Cancel>,
    previous: Vec<(Previous, PreviousSignature)>,
    /// The oldest batch of each PSAM.
    batches: [u8; 2],
}

/// Drives one path; how many steps were tried, those included that change nothing.
pub(crate) fn replay(machine: &Purchase, path: &[Step]) -> usize {
    let mut replay = Replay::new();
    let mut state = machine.start();
    let mut tried = 0;
    for (place, step) in path.iter().enumerate() {
        let context = || format!("step {place} of {path:#?}");
        let (accepted, after) = machine.next(&state, *step).expect("sound");
        assert_eq!(replay.act(*step, &after), accepted, "{}", context());
        replay.compare(&after, &context);
        state = after;
        tried += 1;
    }
    // What the machine refuses here, and changes nothing by: the cards refuse it as well.
    for step in machine.steps(&state) {
        let (accepted, after) = machine.next(&state, step).expect("sound");
        if !accepted && after == state {
            assert!(!replay.act(step, &after), "{step:?} after {path:#?}");
            tried += 1;
        }
    }
    replay.compare(&state, &|| format!("the end of {path:#?}"));
    tried
}

impl Replay {
    fn new() -> Self {
        let mut real = Real::new(2);
        real.load(LOADED);
        Self {
            real,
            challenges: [Random::default(); 2],
            statements: Vec::new(),
            opened: BTreeMap::new(),
            executed: BTreeMap::new(),
            secrets: BTreeMap::new(),
            previous: Vec::new(),
            batches: [1; 2],
        }
    }

    /// Whether the cards accept the step.
    fn act(&mut self, step: Step, after: &State) -> bool {
        let Real { purse, sams, .. } = &mut self.real;
        match step {
            Step::Challenge { sam } => {
                let answer = send::<GetChallenge>(&mut sams[usize::from(sam)], &()).expect("a challenge");
                self.challenges[usize::from(sam)] = answer.challenge;
                true
            }
            Step::Initialize { sam } => {
                let counterpart = self.counterpart(sam);
                let request = InitializePurchase { group: GROUP, version: VERSION, counterpart };
                let answer = send::<InitializeIep>(&mut self.real.purse, &request);
                self.statements.extend(answer);
                answer.is_some()
            }
            Step::Open { sam, nt } => {
                let Initialized { key, statement, s1 } = self.statements[usize::from(nt) - 2];
                let amount = system_tests::scheme::amount(u32::try_from(amount(sam)).expect("small"));
                let request = OpenPurchase { key, statement, s1, amount, time: NOW };
                let answer = send::<InitializePsam>(&mut sams[usize::from(sam)], &request);
                let place = self.opened.keys().filter(|(at, _)| *at == sam).count();
                self.opened.extend(answer.map(|opened| ((sam, place as u8), opened)));
                answer.is_some()
            }
            Step::Debit { sam, order: place } => {
                let Opened { order, s2 } = self.opened[&(sam, place)];
                let answer = send::<DebitIep>(purse, &Execute { order, s2 });
                self.executed.extend(answer.map(|executed| ((sam, place), executed)));
                answer.is_some()
            }
            Step::Credit { sam, order } => {
                let Executed { s3, s6 } = self.executed[&(sam, order)];
                let request = CreditRequest { nt: self.opened[&(sam, order)].order.nt, s3, s6 };
                send::<CreditPsam>(&mut sams[usize::from(sam)], &request).is_some()
            }
            Step::Previous { sam, by_nt, asked } => self.ask(sam, by_nt, asked, after),
            Step::Complete { number, previous } => {
                let request =
                    CompleteRequest { nt: SamCounter(number.into()), previous: self.answer(previous) };
                send::<PsamComplete>(&mut self.real.sams[usize::from(previous.sam)], &request).is_some()
            }
            Step::Store { previous } => {
                let request = ReceiptRequest { previous: self.answer(previous) };
                send::<StoreReceipt>(&mut self.real.sams[usize::from(previous.sam)], &request).is_some()
            }
            Step::Void { number, previous } => self.void(number, previous),
            Step::Cancel { sam, order } => {
                send::<CreditCancellation>(purse, &self.secrets[&(sam, order)]).is_some()
            }
            Step::Close { sam } => send::<CloseBatch>(&mut sams[usize::from(sam)], &()).is_some(),
            Step::Clear { sam } => self.clear(sam),
            Step::TearPurse => {
                tear(purse, Aid::PURSE);
                true
            }
            Step::TearSam { sam } => {
                tear(&mut sams[usize::from(sam)], Aid::PSAM);
                true
            }
        }
    }

    fn counterpart(&self, sam: u8) -> Counterpart {
        Counterpart { sam: sam_id(u32::from(sam) + 1), challenge: self.challenges[usize::from(sam)] }
    }

    fn ask(&mut self, sam: u8, by_nt: bool, asked: u8, after: &State) -> bool {
        let (counterpart, number) = (self.counterpart(sam), counter(asked.into()));
        let request = PreviousRequest { group: GROUP, version: VERSION, counterpart, number };
        let purse = &mut self.real.purse;
        let answer = match by_nt {
            true => send::<PreviousByNt>(purse, &request),
            false => send::<PreviousByNv>(purse, &request),
        };
        let name = after.answer(sam, by_nt, asked);
        self.previous.retain(|(known, _)| Some(*known) != name);
        self.previous.extend(name.zip(answer));
        answer.is_some()
    }

    /// The secret is that of the order that the number had last.
    fn void(&mut self, number: u8, previous: Previous) -> bool {
        let (sam, nt) = (previous.sam, SamCounter(number.into()));
        let request = CancelPurchase { nt, previous: self.answer(previous) };
        let answer = send::<PsamCancel>(&mut self.real.sams[usize::from(sam)], &request);
        let of_number = |((at, _), opened): &(&(u8, u8), &Opened)| *at == sam && opened.order.nt == nt;
        let order = *self.opened.iter().rfind(of_number).expect("an order").0;
        let accepted = answer.is_some();
        self.secrets.extend(answer.map(|answer| (order, Cancel { secret: answer.secret })));
        accepted
    }

    fn answer(&self, previous: Previous) -> PreviousSignature {
        let found = self.previous.iter().rev().find(|(name, _)| *name == previous);
        found.expect("it was made").1
    }

    /// The oldest closed batch goes to the background system, and its word to the PSAM.
    fn clear(&mut self, sam: u8) -> bool {
        let at = usize::from(sam);
        let batch = self.real.batch(at, self.batches[at]).expect("kept");
        let Real { sams, background, .. } = &mut self.real;
        let word = background.submit(&batch, NOW).expect("stored");
        assert_eq!(background.submit(&batch, NOW).expect("again"), word);
        self.batches[at] += 1;
        send::<PsamAcknowledge>(&mut sams[at], &word).is_some()
    }

    /// Cards and background system stand where the model stands.
    fn compare(&mut self, state: &State, context: &dyn Fn() -> String) {
        let model = &state.model.purses[0];
        let purse = &mut self.real.purse;
        // GET BALANCE and GET DATA end no session.
        let balance = send::<GetBalance>(purse, &()).expect("a balance").balance.0;
        let information = send::<GetPurseData>(purse, &()).expect("information");
        assert_eq!(i64::from(balance), model.balance, "balance at {}", context());
        let counters = [information.nt.get(), information.nv.get(), information.receipts.into()];
        let nv = model.log.len();
        let expected = [model.nt, nv, nv - model.freed()];
        assert_eq!(counters.map(|count| count as usize), expected, "NT, NV at {}", context());
        let real = self.real.ledger();
        let ledger = state.model.ledger();
        let ledger: Vec<_> = ledger.map(|((_, nv), amount, line)| (nv, amount, stands(line))).collect();
        assert_eq!(real, ledger, "ledger at {}", context());
        assert_eq!(self.real.shadow(), state.model.purses[0].shadow, "shadow at {}", context());
    }
}

const fn stands(line: Line) -> PaymentState {
    match line {
        Line::Voided => PaymentState::Voided,
        Line::Cancelled => PaymentState::Cancelled,
        Line::Booked | Line::Recorded => PaymentState::Booked,
    }
}
