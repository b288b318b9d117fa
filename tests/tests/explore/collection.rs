//! Collection: a PSAM, the background system, couriers with a transfer card each, and a
//! line besides. Batches are copied onto one card or several, whole or cut short, delivered
//! late, twice or never; a card is lost with all that is on board; power fails at the PSAM,
//! and at the background system between storage and release; any acknowledgement may come
//! over the line at any time, again, or never.
//!
//! Bound: payments, and as many batches, empty or not. Accidents have none: so many
//! of them, in any order, lead to a state that was there before.

use system_tests::explore::Machine;

use crate::batches::{Batches, Bug};

/// The machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Collection {
    /// Payments, and batches, at most.
    pub(crate) payments: u8,
    /// Couriers.
    pub(crate) couriers: u8,
    /// What is wrong.
    pub(crate) bug: Option<Bug>,
}

/// A transfer card: batches on their way, whole or not, and acknowledgements.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Courier {
    aboard: Vec<(u8, bool)>,
    words: Vec<u8>,
}

/// PSAM, background system and couriers.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct State {
    pub(crate) batches: Batches,
    couriers: Vec<Courier>,
}

/// Something happens at the terminal, on the way, or at the background system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// A whole payment.
    Pay,
    /// The PSAM closes its batch.
    Close,
    /// A closed batch goes on board; cut short, without its trailer.
    Copy { courier: u8, batch: u8, whole: bool },
    /// The card is at the background system; cut short, after storage and before release.
    Deliver { courier: u8, whole: bool },
    /// The card is at the PSAM, which takes its acknowledgements.
    Visit { courier: u8 },
    /// The card is lost; another one takes its place.
    Lose { courier: u8 },
    /// A batch comes over the line.
    Submit { batch: u8 },
    /// The PSAM gets an acknowledgement over the line.
    Acknowledge { batch: u8 },
    /// The PSAM loses power.
    Tear,
}

impl Machine for Collection {
    type State = State;
    type Step = Step;
    const SOMETIMES: &'static [&'static str] = &[
        "a PSAM forgets a batch",
        "two batches wait at once",
        "a later batch comes in first",
        "an empty batch comes in",
        "a card is lost with all that is on board",
        "a batch is cut short",
        "a batch comes again",
    ];

    fn start(&self) -> State {
        State { batches: Batches::new(1), couriers: vec![Courier::default(); self.couriers.into()] }
    }

    fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = vec![Step::Tear];
        if state.batches.closings() < self.payments {
            steps.push(Step::Close);
        }
        if state.batches.payments < self.payments {
            steps.push(Step::Pay);
        }
        let closed = state.batches.closed(0);
        steps.extend(closed.clone().map(|batch| Step::Submit { batch }));
        steps.extend(state.batches.words.iter().map(|(_, batch)| Step::Acknowledge { batch: *batch }));
        for courier in 0..self.couriers {
            let copy = |batch| [true, false].map(|whole| Step::Copy { courier, batch, whole });
            steps.extend(closed.clone().flat_map(copy));
            steps.extend([true, false].map(|whole| Step::Deliver { courier, whole }));
            steps.extend([Step::Visit { courier }, Step::Lose { courier }]);
        }
        steps
    }

    fn holds(&self, state: &State) -> Result<(), String> {
        state.batches.holds()
    }

    fn next(&self, state: &State, step: Step) -> Result<(bool, State), String> {
        let mut next = state.clone();
        let accepted = self.act(&mut next, step)?;
        Ok((accepted, next))
    }

    fn seen(&self, state: &State, steps: &[Step]) -> u32 {
        let aboard = |courier: &u8| &state.couriers[usize::from(*courier)].aboard;
        let lost = |step: &Step| matches!(step, Step::Lose { courier } if !aboard(courier).is_empty());
        let [forgotten, two, later, empty] = state.batches.seen();
        let bits = [
            forgotten,
            two,
            later,
            empty,
            steps.iter().any(lost),
            state.couriers.iter().any(|courier| courier.aboard.iter().any(|(_, whole)| !whole)),
            (0..self.couriers)
                .any(|of| aboard(&of).iter().any(|(batch, _)| state.batches.is_stored((0, *batch)))),
        ];
        bits.iter().enumerate().map(|(bit, set)| u32::from(*set) << bit).sum()
    }
}

impl Collection {
    fn act(&self, state: &mut State, step: Step) -> Result<bool, String> {
        let State { batches, couriers } = state;
        match step {
            Step::Pay => batches.pay(0),
            Step::Close => batches.close(0),
            Step::Copy { courier, batch, whole } => {
                let aboard = &mut couriers[usize::from(courier)].aboard;
                // What is on board already is not put there twice.
                if aboard.contains(&(batch, true)) || (!whole && aboard.contains(&(batch, false))) {
                    return Ok(false);
                }
                // Nothing is left of an empty batch without its trailer.
                if !whole && batches.is_empty((0, batch)) {
                    return Ok(true);
                }
                // Both parts make one whole batch.
                aboard.retain(|(other, _)| *other != batch);
                aboard.push((batch, whole));
                Ok(true)
            }
            Step::Deliver { courier, whole } => self.deliver(state, courier.into(), whole),
            Step::Visit { courier } => {
                for batch in couriers[usize::from(courier)].words.clone() {
                    // The terminal leaves out what its PSAM has forgotten already.
                    if batch >= batches.oldest(0) && !batches.acknowledge(0, (0, batch), self.bug)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Step::Lose { courier } => {
                couriers[usize::from(courier)] = Courier::default();
                Ok(true)
            }
            Step::Submit { batch } => batches.store((0, batch), true, self.bug),
            Step::Acknowledge { batch } => batches.acknowledge(0, (0, batch), self.bug),
            Step::Tear => Ok(true),
        }
    }

    fn deliver(&self, state: &mut State, courier: usize, whole: bool) -> Result<bool, String> {
        let card = &mut state.couriers[courier];
        let mut words = Vec::new();
        for (batch, complete) in &card.aboard {
            if *complete || self.bug == Some(Bug::IncompleteTaken) {
                state.batches.store((0, *batch), *complete, self.bug)?;
                words.push(*batch);
            }
        }
        if whole {
            card.aboard.clear();
            words.retain(|word| !card.words.contains(word));
            card.words.extend(words);
        }
        Ok(true)
    }
}
