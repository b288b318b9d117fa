//! The purchase: one purse, two PSAMs, and everybody else.
//!
//! The terminals are not modelled. What they remember, forget at a crash, send late, twice
//! or never is an order in which messages are delivered: whoever holds the wires may give
//! any message that was ever made to any card, and may cut power. Messages under a
//! challenge that its PSAM has used up are refused for ever, so that answers of GET
//! PREVIOUS are dropped then.
//!
//! Bound: a number of sessions, challenges and losses of power. Two batches of each PSAM
//! may be closed and stored, one of all of them empty. The amount at PSAM 0 is 10, at PSAM 1 it is 11.

mod rules;
mod state;

use simulation::model::{Event, Kind, Minor, Model, Outcome};
use system_tests::explore::Machine;

use state::{Entry, Opening, Order, Sam, Statement};
pub(crate) use state::{Previous, State};

use crate::check;

bugs! {
    /// DEBIT IEP leaves no receipt.
    ReceiptNotStored,
    /// GET PREVIOUS leaves the session open.
    NotDebitedIsNotFinal,
    /// The challenge of a PSAM is good more than once.
    ChallengeNotTaken,
    /// The secret leaves before the void is committed.
    SecretBeforeVoid,
    /// S2 names receipts that nobody has taken over.
    FreedBeforeStored,
    /// DEBIT IEP repeats what it has done.
    RepeatBlindly,
    /// PSAM CANCEL PURCHASE takes any word of a purse.
    AnyWordVoids,
    /// PSAM CANCEL PURCHASE takes the purse's word on a purchase that was not its last.
    LastNotProven,
    /// The number of a purchase is given to another while its purse may carry it out.
    NumberGivenEarly,
}

/// The machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purchase {
    /// Sessions of the purse, the first load not counted.
    pub(crate) sessions: u8,
    /// Challenges of both PSAMs together.
    pub(crate) challenges: u8,
    /// Losses of power.
    pub(crate) tears: u8,
    /// What is wrong.
    pub(crate) bug: Option<Bug>,
}

/// A message is delivered, or power fails. Numbers are those of the cards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// GET CHALLENGE.
    Challenge { sam: u8 },
    /// INITIALIZE IEP with the challenge of this PSAM.
    Initialize { sam: u8 },
    /// INITIALIZE PSAM with S1 of this session.
    Open { sam: u8, nt: u8 },
    /// DEBIT IEP with S2 of this order.
    Debit { sam: u8, order: u8 },
    /// CREDIT PSAM with S3 of this order.
    Credit { sam: u8, order: u8 },
    /// GET PREVIOUS with the challenge of this PSAM.
    Previous { sam: u8, by_nt: bool, asked: u8 },
    /// PSAM COMPLETE.
    Complete { number: u8, previous: Previous },
    /// PSAM STORE RECEIPT.
    Store { previous: Previous },
    /// PSAM CANCEL PURCHASE.
    Void { number: u8, previous: Previous },
    /// CREDIT IEP for Cancellation with the secret of this order.
    Cancel { sam: u8, order: u8 },
    /// INITIALIZE PSAM for Collection.
    Close { sam: u8 },
    /// The oldest closed batch is stored and acknowledged.
    Clear { sam: u8 },
    /// The purse loses power.
    TearPurse,
    /// A PSAM loses power.
    TearSam { sam: u8 },
}

/// Minor units of a purchase at a PSAM.
#[must_use]
pub(crate) const fn amount(sam: u8) -> Minor {
    10 + sam as Minor
}

/// Empty batches that may be closed.
const EMPTY: usize = 1;

/// What the purse was loaded with.
pub(crate) const LOADED: Minor = 1_000;

impl Machine for Purchase {
    type State = State;
    type Step = Step;
    const SOMETIMES: &'static [&'static str] = &[
        "a payment is booked",
        "a purchase comes as a receipt",
        "a purchase is never debited, and its PSAM says so",
        "a number serves again",
        "a claim becomes a payment",
        "a purchase is taken back",
        "the purse frees receipts",
    ];

    fn start(&self) -> State {
        let mut model = Model::default();
        let session = (0, 1);
        let load = Event::Authorised { session, kind: Kind::Load, amount: LOADED, approved: true, freed: 0 };
        for event in [
            Event::PurseIssued { range: (0, 1_000_000) },
            Event::SamInstalled,
            Event::SamInstalled,
            Event::SessionOpened { purse: 0 },
            load,
            Event::Executed { purse: 0 },
            Event::Reported { commit: (0, 1) },
        ] {
            model.apply(event).expect("a load");
        }
        let sam = Sam {
            challenge: None,
            taken: None,
            orders: Vec::new(),
            openings: Vec::new(),
            secrets: Vec::new(),
            batch: 1,
            oldest: 1,
        };
        State {
            model,
            log: vec![Entry { kind: Kind::Load, nt: 1, at: None }],
            session: false,
            freed: 0,
            statements: Vec::new(),
            sams: [sam.clone(), sam],
            previous: Vec::new(),
            challenges: 0,
            tears: 0,
        }
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        for sam in 0..2_u8 {
            let module = &state.sams[usize::from(sam)];
            if state.challenges < self.challenges {
                steps.push(Step::Challenge { sam });
            }
            if module.challenge.is_some() {
                if state.statements.len() < usize::from(self.sessions) {
                    steps.push(Step::Initialize { sam });
                }
                steps.extend((2..=state.nt()).map(|asked| Step::Previous { sam, by_nt: true, asked }));
                let held = state.freed + 1..=state.nv();
                steps.extend(held.map(|asked| Step::Previous { sam, by_nt: false, asked }));
            }
            steps.extend((2..=state.nt()).map(|nt| Step::Open { sam, nt }));
            for order in 0..module.orders.len() as u8 {
                steps.push(Step::Debit { sam, order });
                if state.log.iter().any(|entry| entry.at == Some((sam, order))) {
                    steps.push(Step::Credit { sam, order });
                }
            }
            for number in 1..=module.openings.len() as u8 {
                let asked = state.previous.iter().filter(|previous| previous.sam == sam);
                let words = |previous: &Previous| {
                    let previous = *previous;
                    [Step::Complete { number, previous }, Step::Void { number, previous }]
                };
                steps.extend(asked.flat_map(words));
            }
            steps.extend(module.secrets.iter().map(|order| Step::Cancel { sam, order: *order }));
            if module.batch <= 2 && (!state.is_empty(sam) || state.empty() < EMPTY) {
                steps.push(Step::Close { sam });
            }
            if module.oldest < module.batch {
                steps.push(Step::Clear { sam });
            }
            if state.tears < self.tears {
                steps.push(Step::TearSam { sam });
            }
        }
        steps.extend(state.previous.iter().map(|previous| Step::Store { previous: *previous }));
        if state.tears < self.tears && state.session {
            steps.push(Step::TearPurse);
        }
        steps
    }

    fn holds(&self, state: &State) -> Result<(), String> {
        let purse = &state.model.purses[0];
        let same = (purse.log.len(), purse.freed()) == (state.nv().into(), state.freed.into());
        if !same && self.bug != Some(Bug::ReceiptNotStored) {
            return Err("the purse is not where it must be".into());
        }
        check(&state.model)
    }

    fn next(&self, state: &State, step: Step) -> Result<(bool, State), String> {
        let mut next = state.clone();
        let accepted = self.act(&mut next, step)?;
        Ok((accepted, next))
    }

    fn seen(&self, state: &State, _: &[Step]) -> u32 {
        let modules = || state.model.sams.iter().enumerate();
        let as_receipt = |sam, nv: usize| {
            let own = state.model.purses[0].log[nv - 1].order.purchase.filter(|own| own.0 == sam);
            let outcome = own.and_then(|own| state.model.opening(own).ok()).map(|of| of.outcome);
            state.log[nv - 1].kind == Kind::Purchase && matches!(outcome, None | Some(Outcome::Claimed))
        };
        let own = |outcome| modules().any(|(_, sam)| sam.openings.iter().any(|of| of.outcome == outcome));
        let receipt = modules().any(|(sam, module)| {
            let mut batches = module.closed.iter().chain([&module.open]);
            batches.any(|batch| batch.evidence.iter().any(|(_, nv)| as_receipt(sam, *nv)))
        });
        let claimed = modules().any(|(sam, module)| {
            let claims = (1..).zip(&module.openings).filter(|(_, of)| of.outcome == Outcome::Claimed);
            let paid = |nt| state.model.debited((sam, nt)).and_then(|commit| state.model.line(commit));
            claims.filter_map(|(nt, _)| paid(nt)).next().is_some()
        });
        let bits = [
            state.model.ledger().next().is_some(),
            receipt,
            own(Outcome::Never),
            // It takes two sessions.
            self.sessions < 2 || state.sams.iter().any(|sam| sam.orders.len() > sam.openings.len()),
            claimed,
            state.log.iter().any(|entry| entry.kind == Kind::Cancellation),
            state.freed > 0,
        ];
        bits.iter().enumerate().map(|(bit, set)| u32::from(*set) << bit).sum()
    }
}
