//! Collection: two PSAMs, the background system, two couriers with a transfer card each,
//! and a line on which any acknowledgement may come to any PSAM at any time, again, or
//! never. Batches are copied onto one card or both, whole or cut short, delivered late,
//! twice or never; a card is lost with all that is on board; power fails at a PSAM, and at
//! the background system between storage and release. PSAM 1 has a line alone.
//!
//! Bound: payments, closed batches, and accidents (cut copies, cut deliveries, lost cards,
//! losses of power) in all. Acknowledgements and batches are never forgotten by the line.

use simulation::model::{Event, Kind, Model};
use system_tests::explore::Machine;

use crate::check;

/// Protections that can be taken away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bug {
    /// A batch that comes again is booked again.
    DeduplicationRemoved,
    /// A PSAM takes any acknowledgement as one of its oldest batch.
    AcknowledgementNotChecked,
    /// The acknowledgement leaves before the batch is stored.
    ReleaseBeforeStorage,
    /// A batch that was cut short is taken for whole.
    IncompleteTaken,
}

/// The machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collection {
    /// Payments at all PSAMs.
    pub(crate) payments: u8,
    /// Accidents in all.
    pub(crate) accidents: u8,
    /// Transfer cards; without any, what is explored is PSAM and acknowledgement.
    pub(crate) couriers: u8,
    /// What is wrong.
    pub(crate) bug: Option<Bug>,
}

/// A batch by PSAM and number.
pub(crate) type Batch = (u8, u8);

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Sam {
    /// Payments of every batch; the last one is open.
    batches: Vec<Vec<u8>>,
    oldest: u8,
}

/// A transfer card: batches of PSAM 0 on their way, whole or not, and acknowledgements.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Courier {
    aboard: Vec<(u8, bool)>,
    words: Vec<u8>,
}

/// PSAMs, couriers, background system, and the abstract model beside them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct State {
    pub(crate) model: Model,
    sams: [Sam; 2],
    couriers: [Courier; 2],
    stored: Vec<Batch>,
    /// Acknowledgements that were ever made.
    words: Vec<Batch>,
    /// What is booked, by number of the payment.
    booked: Vec<u8>,
    payments: u8,
    accidents: u8,
    lost: bool,
    again: bool,
}

/// Something happens at a terminal, on the way, or at the background system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// A whole payment.
    Pay { sam: u8 },
    /// The PSAM closes its batch.
    Close { sam: u8 },
    /// A closed batch of PSAM 0 goes on board; cut short, without its trailer.
    Copy { courier: u8, batch: u8, whole: bool },
    /// The card is at the background system; cut short, after storage and before release.
    Deliver { courier: u8, whole: bool },
    /// The card is at PSAM 0, which takes its acknowledgements.
    Visit { courier: u8 },
    /// The card is lost; another one takes its place.
    Lose { courier: u8 },
    /// A batch comes over the line.
    Submit { sam: u8, batch: u8 },
    /// A PSAM gets an acknowledgement over the line.
    Acknowledge { sam: u8, word: Batch },
    /// A PSAM loses power.
    Tear { sam: u8 },
}

/// Closed batches that a PSAM keeps.
const CLOSED_MAX: u8 = 4;

/// Minor units of every payment.
pub(crate) const AMOUNT: u32 = 10;

impl State {
    /// Oldest batch, open batch, and records of the open one.
    pub(crate) fn stands(&self, sam: usize) -> (u32, u32, u16) {
        let Sam { batches, oldest } = &self.sams[sam];
        let open = batches.last().map_or(0, Vec::len);
        ((*oldest).into(), batches.len() as u32, open as u16)
    }
}

impl Machine for Collection {
    type State = State;
    type Step = Step;
    const SOMETIMES: &'static [&'static str] = &[
        "a card is lost",
        "a batch is cut short",
        "a batch comes again and is not booked again",
        "a PSAM forgets a batch",
        "two batches wait at once",
        "a later batch comes in first",
    ];

    fn start(&self) -> State {
        let mut model = Model::default();
        let (session, kind) = ((0, 1), Kind::Load);
        for event in [
            Event::PurseIssued { maximum: 1_000_000, overdraft: 0 },
            Event::SamInstalled,
            Event::SamInstalled,
            Event::SessionOpened { purse: 0 },
            Event::Authorised { session, kind, amount: 1_000, approved: true, freed: 0 },
            Event::Transferred { purse: 0 },
            Event::Reported { commit: (0, 1) },
        ] {
            model.apply(event).expect("a load");
        }
        let sam = Sam { batches: vec![Vec::new()], oldest: 1 };
        State {
            model,
            sams: [sam.clone(), sam],
            couriers: [Courier::default(), Courier::default()],
            stored: Vec::new(),
            words: Vec::new(),
            booked: Vec::new(),
            payments: 0,
            accidents: 0,
            lost: false,
            again: false,
        }
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        let accident = state.accidents < self.accidents;
        for (sam, module) in (0..).zip(&state.sams) {
            if state.payments < self.payments {
                steps.push(Step::Pay { sam });
            }
            steps.push(Step::Close { sam });
            let closed = module.oldest..module.batches.len() as u8;
            steps.extend(closed.clone().map(|batch| Step::Submit { sam, batch }));
            steps.extend(state.words.iter().map(|word| Step::Acknowledge { sam, word: *word }));
            if accident {
                steps.push(Step::Tear { sam });
            }
            for courier in (0..self.couriers).filter(|_| sam == 0) {
                let copy = |batch| [true, false].map(|whole| Step::Copy { courier, batch, whole });
                steps.extend(
                    closed
                        .clone()
                        .flat_map(copy)
                        .filter(|step| accident || matches!(step, Step::Copy { whole: true, .. })),
                );
            }
        }
        for courier in 0..self.couriers {
            steps.extend([Step::Deliver { courier, whole: true }, Step::Visit { courier }]);
            if accident {
                steps.extend([Step::Deliver { courier, whole: false }, Step::Lose { courier }]);
            }
        }
        steps
    }

    fn holds(&self, state: &State) -> Result<(), String> {
        let mut booked = state.booked.clone();
        booked.sort_unstable();
        let ledger: Vec<_> = state.model.ledger().map(|((_, nv), ..)| nv as u8 - 1).collect();
        if booked != ledger {
            return Err(format!("payments {booked:?} are booked, and {ledger:?} have come in"));
        }
        check(&state.model)
    }

    fn next(&self, state: &State, step: Step) -> Result<(bool, State), String> {
        let mut next = state.clone();
        let accepted = self.act(&mut next, step)?;
        Ok((accepted, next))
    }

    fn seen(&self, state: &State, _: &[Step]) -> u32 {
        let cut = state.couriers.iter().any(|courier| courier.aboard.iter().any(|(_, whole)| !whole));
        let first = |(sam, batch): &Batch| *batch > 1 && !state.stored.contains(&(*sam, batch - 1));
        let bits = [
            state.lost || self.couriers == 0,
            cut || self.couriers == 0,
            state.again,
            state.sams.iter().any(|sam| sam.oldest > 1),
            state.sams.iter().any(|sam| sam.batches.len() as u8 - sam.oldest >= 2),
            state.stored.iter().any(first),
        ];
        bits.iter().enumerate().map(|(bit, set)| u32::from(*set) << bit).sum()
    }
}

impl Collection {
    fn act(&self, state: &mut State, step: Step) -> Result<bool, String> {
        match step {
            Step::Pay { sam } => pay(state, sam),
            Step::Close { sam } => {
                let module = &mut state.sams[usize::from(sam)];
                let waiting = module.batches.len() as u8 - module.oldest;
                if waiting == CLOSED_MAX || module.batches.last().is_some_and(Vec::is_empty) {
                    return Ok(false);
                }
                module.batches.push(Vec::new());
                apply(state, Event::BatchClosed { sam: sam.into() })
            }
            Step::Copy { courier, batch, whole } => {
                let aboard = &mut state.couriers[usize::from(courier)].aboard;
                // What is on board already is not put there twice.
                if aboard.contains(&(batch, true)) || (!whole && aboard.contains(&(batch, false))) {
                    return Ok(false);
                }
                state.accidents += u8::from(!whole);
                // Both parts make one whole batch.
                aboard.retain(|(other, _)| *other != batch);
                aboard.push((batch, whole));
                Ok(true)
            }
            Step::Deliver { courier, whole } => self.deliver(state, courier, whole),
            Step::Visit { courier } => {
                let words = state.couriers[usize::from(courier)].words.clone();
                for batch in words {
                    // The terminal leaves out what its PSAM has forgotten already.
                    if batch >= state.sams[0].oldest && !self.acknowledge(state, 0, (0, batch))? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Step::Lose { courier } => {
                state.couriers[usize::from(courier)] = Courier::default();
                (state.accidents, state.lost) = (state.accidents + 1, true);
                Ok(true)
            }
            Step::Submit { sam, batch } => {
                self.store(state, (sam, batch), true)?;
                Ok(true)
            }
            Step::Acknowledge { sam, word } => self.acknowledge(state, sam, word),
            Step::Tear { .. } => {
                state.accidents += 1;
                Ok(true)
            }
        }
    }

    fn deliver(&self, state: &mut State, courier: u8, whole: bool) -> Result<bool, String> {
        state.accidents += u8::from(!whole);
        let at = usize::from(courier);
        let mut words = Vec::new();
        for (batch, complete) in state.couriers[at].aboard.clone() {
            if complete || self.bug == Some(Bug::IncompleteTaken) {
                // The word goes back on the card alone.
                self.store(state, (0, batch), complete)?;
                words.push(batch);
            }
        }
        if whole {
            let card = &mut state.couriers[at];
            card.aboard.clear();
            card.words.extend(words.iter().filter(|word| !card.words.contains(word)).collect::<Vec<_>>());
        }
        Ok(true)
    }

    /// Storage comes first, the word after it.
    fn store(&self, state: &mut State, batch: Batch, complete: bool) -> Result<(), String> {
        let (sam, number) = batch;
        if !state.words.contains(&batch) {
            state.words.push(batch);
            state.words.sort_unstable();
        }
        if self.bug == Some(Bug::ReleaseBeforeStorage) && !state.stored.contains(&batch) {
            return Ok(());
        }
        let first = !state.stored.contains(&batch);
        if first {
            state.stored.push(batch);
            state.stored.sort_unstable();
        }
        state.again |= !first;
        if first || self.bug == Some(Bug::DeduplicationRemoved) {
            let mut payments = state.sams[usize::from(sam)].batches[usize::from(number) - 1].clone();
            payments.truncate(if complete { usize::MAX } else { payments.len() - 1 });
            state.booked.extend(payments);
        }
        apply(state, Event::BatchArrived { sam: sam.into(), batch: number.into() }).map(|_| ())
    }

    fn acknowledge(&self, state: &mut State, sam: u8, word: Batch) -> Result<bool, String> {
        let module = &mut state.sams[usize::from(sam)];
        let oldest = module.oldest;
        if self.bug == Some(Bug::AcknowledgementNotChecked) && oldest < module.batches.len() as u8 {
            module.oldest += 1;
            return apply(state, Event::Acknowledged { sam: sam.into(), batch: oldest.into() });
        }
        if word.0 != sam || word.1 > oldest {
            return Ok(false);
        }
        if word.1 < oldest {
            return Ok(true); // it came again
        }
        module.oldest += 1;
        apply(state, Event::Acknowledged { sam: sam.into(), batch: oldest.into() })
    }
}

fn pay(state: &mut State, sam: u8) -> Result<bool, String> {
    state.payments += 1;
    state.sams[usize::from(sam)].batches.last_mut().expect("one is open").push(state.payments);
    let session = (0, u32::from(state.payments) + 1);
    let at = usize::from(sam);
    apply(state, Event::SessionOpened { purse: 0 })?;
    apply(state, Event::PurchaseOpened { sam: at, session, amount: AMOUNT.into(), freed: 0 })?;
    apply(state, Event::Debited { purse: 0 })?;
    let nt = state.model.sams[at].openings.len() as u32;
    apply(state, Event::Credited { purchase: (at, nt) })
}

/// The event is true, or this is a counterexample.
fn apply(state: &mut State, event: Event) -> Result<bool, String> {
    state.model.apply(event).map(|()| true).map_err(|refused| format!("{event:?}: {refused:?}"))
}
