//! What purse and PSAMs do with each message, with the event that it stands for.

use simulation::model::Outcome;
use simulation::model::{Event, Kind};

use super::{Bug, Entry, Opening, Order, Previous, Purchase, State, Statement, Step, amount};

impl Purchase {
    pub(super) fn act(&self, state: &mut State, step: Step) -> Result<bool, String> {
        match step {
            Step::Challenge { sam } => {
                state.take_challenge(sam);
                state.challenges += 1;
                let challenge = state.challenges;
                state.sam(sam).challenge = Some(challenge);
                Ok(true)
            }
            Step::Initialize { sam } => {
                let challenge = state.sam(sam).challenge.expect("as offered");
                let (nv, freed) = (state.nv(), state.freed);
                state.statements.push(Statement { sam, challenge, nv, freed });
                state.session = true;
                apply(state, Event::SessionOpened { purse: 0 })
            }
            Step::Open { sam, nt } => self.open(state, sam, nt),
            Step::Debit { sam, order } => self.debit(state, sam, order),
            Step::Credit { sam, order } => credit(state, sam, order),
            Step::Previous { sam, by_nt, asked } => self.previous(state, sam, by_nt, asked),
            Step::Complete { number, previous } => complete(state, number, previous),
            Step::Store { previous } => store(state, previous),
            Step::Void { number, previous } => self.void(state, number, previous),
            Step::Cancel { sam, order } => cancel(state, sam, order),
            Step::Close { sam } => close(state, sam),
            Step::Clear { sam } => {
                let batch = usize::from(state.sam(sam).oldest);
                state.sam(sam).oldest += 1;
                apply(state, Event::BatchArrived { sam: sam.into(), batch })?;
                apply(state, Event::Acknowledged { sam: sam.into(), batch })
            }
            Step::TearPurse => {
                (state.tears, state.session) = (state.tears + 1, false);
                apply(state, Event::SessionEnded { purse: 0 })
            }
            Step::TearSam { sam } => {
                state.tears += 1;
                state.take_challenge(sam);
                state.sam(sam).taken = None;
                Ok(true)
            }
        }
    }

    fn open(&self, state: &mut State, sam: u8, nt: u8) -> Result<bool, String> {
        let Statement { sam: asked, challenge, nv, freed } = state.statements[usize::from(nt) - 2];
        let fresh = state.sam(sam).challenge;
        if self.bug != Some(Bug::ChallengeNotTaken) {
            state.take_challenge(sam);
        }
        if fresh != Some(challenge) || sam != asked {
            return Ok(false);
        }
        let module = state.sam(sam);
        let taken = module.taken.filter(|taken| *taken <= nv).unwrap_or(0);
        let freed = if self.bug == Some(Bug::FreedBeforeStored) { nv } else { taken.max(freed) };
        let early = (1..).zip(&module.openings).find(|(_, opening)| opening.outcome.is_none());
        let early = early.filter(|_| self.bug == Some(Bug::NumberGivenEarly));
        let place = module.place_for(nt, nv).or(early.map(|(number, _)| number));
        let number = place.unwrap_or(module.openings.len() as u8 + 1);
        let order = module.orders.len() as u8;
        module.orders.push(Order { nt, nv, freed, number });
        let opening = Opening { order, vacant: false, opened: module.batch, outcome: None, receipt: None };
        match place {
            Some(number) => *module.opening(number) = opening,
            None => module.openings.push(opening),
        }
        let (amount, freed) = (amount(sam), freed.into());
        apply(state, Event::PurchaseOpened { sam: sam.into(), session: (0, nt.into()), amount, freed })?;
        let stands = state.model.sams[usize::from(sam)].openings[usize::from(number) - 1].session;
        if stands != (0, nt.into()) {
            return Err(format!("number {number} of PSAM {sam} serves again, and its purchase may stand"));
        }
        Ok(true)
    }

    fn debit(&self, state: &mut State, sam: u8, place: u8) -> Result<bool, String> {
        let order = state.sam(sam).order(place);
        let again = state.log.iter().any(|entry| entry.at == Some((sam, place)));
        let repeats = self.bug == Some(Bug::RepeatBlindly) && again;
        if !repeats {
            let session = std::mem::take(&mut state.session);
            let accepted = session && order.nt == state.nt() && order.freed >= state.freed;
            if !accepted {
                apply(state, Event::SessionEnded { purse: 0 })?;
                return Ok(false);
            }
        }
        if self.bug != Some(Bug::ReceiptNotStored) {
            state.log.push(Entry { kind: Kind::Purchase, nt: order.nt, at: Some((sam, place)) });
        }
        state.freed = order.freed;
        apply(state, Event::Executed { purse: 0 })
    }

    fn previous(&self, state: &mut State, sam: u8, by_nt: bool, asked: u8) -> Result<bool, String> {
        let challenge = state.sam(sam).challenge.expect("as offered");
        let purchase = |entry: &Entry| entry.nt == asked && entry.kind != Kind::Cancellation;
        let found = match by_nt {
            true => state.log.iter().position(purchase).map(|place| place as u8 + 1),
            false => Some(asked),
        };
        let (nt, nv, freed) = (state.nt(), state.nv(), state.freed);
        let previous = Previous { sam, challenge, by_nt, asked, found, nt, nv, freed };
        if let Err(place) = state.previous.binary_search(&previous) {
            state.previous.insert(place, previous);
        }
        if self.bug == Some(Bug::NotDebitedIsNotFinal) {
            return Ok(true);
        }
        state.session = false;
        apply(state, Event::SessionEnded { purse: 0 })
    }

    /// The purse stands at the purchase that it takes back, says so itself, and the PSAM has
    /// credited it in the open batch: then it is voided, and the secret leaves.
    fn void(&self, state: &mut State, number: u8, previous: Previous) -> Result<bool, String> {
        let sam = previous.sam;
        state.take_challenge(sam);
        let module = state.sam(sam);
        let (place, batch) = (module.opening(number).order, module.batch);
        let Some((outcome, at)) = module.outcome(number) else { return Ok(false) };
        let first = outcome == Outcome::Done && at == batch;
        let nv = module.order(place).nv + 1;
        if !self.is_last(state, (sam, place), nv, previous) || !first && outcome != Outcome::Voided {
            return Ok(false);
        }
        let stood = state.log[usize::from(previous.nv) - 1];
        if (stood.kind, stood.at) != (Kind::Purchase, Some((sam, place))) {
            return Err(format!("the purse stood at {stood:?}, and the secret of purchase {number} leaves"));
        }
        let module = state.sam(sam);
        if !module.secrets.contains(&place) {
            module.secrets.push(place);
        }
        if self.bug == Some(Bug::SecretBeforeVoid) || !first {
            return Ok(true);
        }
        module.record(number, Outcome::Voided);
        apply(state, Event::Voided { purchase: (sam.into(), number.into()) })
    }

    /// Whether a word of the purse says that this order, its value commit `nv`, was its last.
    fn is_last(&self, state: &State, at: (u8, u8), nv: u8, previous: Previous) -> bool {
        let found = previous.found.map(|nv| state.log[usize::from(nv) - 1]);
        let names = found.is_some_and(|entry| (entry.kind, entry.at) == (Kind::Purchase, Some(at)));
        let about = !previous.by_nt && previous.asked == nv && names;
        match self.bug {
            Some(Bug::AnyWordVoids) => true,
            Some(Bug::LastNotProven) => about,
            _ => about && previous.nv == nv,
        }
    }
}

/// The event is true, or this is a counterexample.
fn apply(state: &mut State, event: Event) -> Result<bool, String> {
    state.model.apply(event).map(|()| true).map_err(|refused| format!("{event:?}: {refused:?}"))
}

/// The answer to the order that a number has now.
fn credit(state: &mut State, sam: u8, place: u8) -> Result<bool, String> {
    let module = state.sam(sam);
    let number = module.order(place).number;
    let (opening, oldest) = (*module.opening(number), module.oldest);
    if opening.order != place {
        return Ok(false);
    }
    match opening.outcome {
        None if !opening.vacant => module.record(number, Outcome::Done),
        Some(_) if opening.opened >= oldest && module.is_claim(number) => {
            module.opening(number).receipt = Some(module.batch);
        }
        _ => return Ok(false),
    }
    apply(state, Event::Credited { purchase: (sam.into(), number.into()) })
}

fn store(state: &mut State, previous: Previous) -> Result<bool, String> {
    let Previous { sam, freed, .. } = previous;
    state.take_challenge(sam);
    let Some(nv) = previous.found else { return Ok(false) };
    let entry = state.log[usize::from(nv) - 1];
    let own = entry.at.filter(|(at, _)| *at == sam && entry.kind == Kind::Purchase);
    let module = state.sam(sam);
    let next = module.taken.unwrap_or(0).max(freed) + 1;
    let number = own.map(|(_, place)| module.order(place).number);
    match number {
        Some(number) if module.opening(number).outcome.is_none() => module.record(number, Outcome::Done),
        Some(number) if module.is_claim(number) => module.opening(number).receipt = Some(module.batch),
        Some(number) if module.outcome(number).is_some() => {}
        _ if nv < next => return Ok(true),
        _ if nv > next => return Ok(false),
        Some(number) => module.opening(number).receipt = Some(module.batch),
        None => {}
    }
    if nv == next {
        module.taken = Some(nv);
    }
    apply(state, Event::ReceiptStored { sam: sam.into(), commit: (0, nv.into()) })
}

/// "Never debited" is final once the NT of the purchase has passed; about a session whose place
/// another one has taken it says nothing new.
fn complete(state: &mut State, number: u8, previous: Previous) -> Result<bool, String> {
    let sam = previous.sam;
    state.take_challenge(sam);
    let module = state.sam(sam);
    let opening = *module.opening(number);
    let nt = module.order(opening.order).nt;
    let denies = previous.by_nt && previous.found.is_none() && previous.asked <= nt;
    if opening.outcome.is_some() || opening.vacant || !denies {
        return Ok(false);
    }
    if previous.asked < nt {
        return Ok(true);
    }
    module.opening(number).vacant = true;
    apply(state, Event::Completed { purchase: (sam.into(), number.into()) })
}

fn cancel(state: &mut State, sam: u8, place: u8) -> Result<bool, String> {
    state.session = false;
    apply(state, Event::SessionEnded { purse: 0 })?;
    let last = *state.log.last().expect("a load");
    if last.kind != Kind::Purchase || last.at != Some((sam, place)) {
        return Ok(false);
    }
    state.log.push(Entry { kind: Kind::Cancellation, ..last });
    apply(state, Event::Cancelled { purse: 0 })
}

fn close(state: &mut State, sam: u8) -> Result<bool, String> {
    let module = state.sam(sam);
    for number in 1..=module.openings.len() as u8 {
        let Opening { vacant, outcome, .. } = *module.opening(number);
        if outcome.is_none() {
            module.record(number, if vacant { Outcome::Never } else { Outcome::Claimed });
        }
    }
    module.batch += 1;
    apply(state, Event::BatchClosed { sam: sam.into() })
}
