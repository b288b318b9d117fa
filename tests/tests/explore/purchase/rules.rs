//! What purse and PSAMs do with each message, with the event that it stands for.

use simulation::model::Outcome;
use simulation::model::{Event, Kind};

use super::{Bug, Entry, Last, Opening, Previous, Purchase, State, Statement, Step, amount};

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
            Step::Debit { sam, number } => self.debit(state, sam, number),
            Step::Credit { sam, number } => credit(state, sam, number),
            Step::Previous { sam, by_nt, asked } => self.previous(state, sam, by_nt, asked),
            Step::Complete { number, previous } => complete(state, number, previous),
            Step::Store { previous } => self.store(state, previous),
            Step::Void { sam, number } => self.void(state, sam, number),
            Step::Cancel { sam, number } => cancel(state, sam, number),
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
        let statement = state.statements[usize::from(nt) - 2];
        let challenge = state.sam(sam).challenge;
        if self.bug != Some(Bug::ChallengeNotTaken) {
            state.take_challenge(sam);
        }
        if challenge != Some(statement.challenge) || sam != statement.sam {
            return Ok(false);
        }
        let module = state.sam(sam);
        let taken = module.taken.filter(|taken| *taken <= statement.nv).unwrap_or(0);
        let freed = match self.bug {
            Some(Bug::FreedBeforeStored) => statement.nv,
            _ => taken.max(statement.freed),
        };
        let opened = module.batch;
        module.openings.push(Opening { nt, freed, opened, last: None });
        let (amount, freed) = (amount(sam), freed.into());
        apply(state, Event::PurchaseOpened { sam: sam.into(), session: (0, nt.into()), amount, freed })
    }

    fn debit(&self, state: &mut State, sam: u8, number: u8) -> Result<bool, String> {
        let opening = *state.sam(sam).opening(number);
        let again = state.log.iter().any(|entry| entry.at == Some((sam, number)));
        let repeats = self.bug == Some(Bug::RepeatBlindly) && again;
        if !repeats {
            let session = std::mem::take(&mut state.session);
            let accepted = session && opening.nt == state.nt() && opening.freed >= state.freed;
            if !accepted {
                apply(state, Event::SessionEnded { purse: 0 })?;
                return Ok(false);
            }
        }
        if self.bug != Some(Bug::ReceiptNotStored) {
            state.log.push(Entry { kind: Kind::Purchase, nt: opening.nt, at: Some((sam, number)) });
        }
        state.freed = opening.freed;
        apply(state, Event::Executed { purse: 0 })
    }

    fn previous(&self, state: &mut State, sam: u8, by_nt: bool, asked: u8) -> Result<bool, String> {
        let challenge = state.sam(sam).challenge.expect("as offered");
        let purchase = |entry: &Entry| entry.nt == asked && entry.kind != Kind::Cancellation;
        let found = match by_nt {
            true => state.log.iter().position(purchase).map(|place| place as u8 + 1),
            false => Some(asked),
        };
        let (nt, freed) = (state.nt(), state.freed);
        let previous = Previous { sam, challenge, by_nt, asked, found, nt, freed };
        if let Err(place) = state.previous.binary_search(&previous) {
            state.previous.insert(place, previous);
        }
        if self.bug == Some(Bug::NotDebitedIsNotFinal) {
            return Ok(true);
        }
        state.session = false;
        apply(state, Event::SessionEnded { purse: 0 })
    }

    fn store(&self, state: &mut State, previous: Previous) -> Result<bool, String> {
        let Previous { sam, freed, .. } = previous;
        state.take_challenge(sam);
        let Some(nv) = previous.found else { return Ok(false) };
        let entry = state.log[usize::from(nv) - 1];
        let own = entry.at.filter(|(at, _)| *at == sam && entry.kind == Kind::Purchase);
        let module = state.sam(sam);
        let next = module.taken.unwrap_or(0).max(freed) + 1;
        let oldest = module.oldest;
        let last = own.map(|(_, number)| module.opening(number).last);
        match last {
            Some(None) => module.record(own.expect("own").1, Last::Own(Outcome::Done)),
            Some(Some((Last::Own(Outcome::Claimed), batch))) if batch >= oldest => {
                module.record(own.expect("own").1, Last::Receipt);
            }
            Some(Some((_, batch))) if batch >= oldest => {}
            _ if nv < next => return Ok(true),
            _ if nv > next => return Ok(false),
            Some(_) => module.record(own.expect("own").1, Last::Receipt),
            None => module.records += 1,
        }
        if nv == next {
            module.taken = Some(nv);
        }
        apply(state, Event::ReceiptStored { sam: sam.into(), commit: (0, nv.into()) })
    }

    fn void(&self, state: &mut State, sam: u8, number: u8) -> Result<bool, String> {
        let module = state.sam(sam);
        let batch = module.batch;
        let (first, again) = match module.opening(number).last {
            Some((Last::Own(outcome), at)) if at == batch => {
                (outcome == Outcome::Done, outcome == Outcome::Voided)
            }
            _ => (false, false),
        };
        if !first && !again {
            return Ok(false);
        }
        if !module.secrets.contains(&number) {
            module.secrets.push(number);
        }
        if self.bug == Some(Bug::SecretBeforeVoid) {
            return Ok(true);
        }
        if first {
            module.record(number, Last::Own(Outcome::Voided));
        }
        apply(state, Event::Voided { purchase: (sam.into(), number.into()) })
    }
}

/// The event is true, or this is a counterexample.
fn apply(state: &mut State, event: Event) -> Result<bool, String> {
    state.model.apply(event).map(|()| true).map_err(|refused| format!("{event:?}: {refused:?}"))
}

fn credit(state: &mut State, sam: u8, number: u8) -> Result<bool, String> {
    let module = state.sam(sam);
    let oldest = module.oldest;
    let opening = module.opening(number);
    let last = match opening.last {
        None => Last::Own(Outcome::Done),
        Some((Last::Own(Outcome::Claimed), batch)) if batch >= oldest && opening.opened >= oldest => {
            Last::Receipt
        }
        Some(_) => return Ok(false),
    };
    module.record(number, last);
    apply(state, Event::Credited { purchase: (sam.into(), number.into()) })
}

fn complete(state: &mut State, number: u8, previous: Previous) -> Result<bool, String> {
    let sam = previous.sam;
    state.take_challenge(sam);
    let module = state.sam(sam);
    let opening = *module.opening(number);
    let same = previous.by_nt && previous.asked == opening.nt && previous.nt >= opening.nt;
    if opening.last.is_some() || !same || previous.found.is_some() {
        return Ok(false);
    }
    module.record(number, Last::Own(Outcome::Never));
    apply(state, Event::Completed { purchase: (sam.into(), number.into()) })
}

fn cancel(state: &mut State, sam: u8, number: u8) -> Result<bool, String> {
    state.session = false;
    apply(state, Event::SessionEnded { purse: 0 })?;
    let last = *state.log.last().expect("a load");
    if last.kind != Kind::Purchase || last.at != Some((sam, number)) {
        return Ok(false);
    }
    state.log.push(Entry { kind: Kind::Cancellation, ..last });
    apply(state, Event::Cancelled { purse: 0 })
}

fn close(state: &mut State, sam: u8) -> Result<bool, String> {
    let module = state.sam(sam);
    for number in 1..=module.openings.len() as u8 {
        if module.opening(number).last.is_none() {
            module.record(number, Last::Own(Outcome::Claimed));
        }
    }
    if module.records == 0 {
        return Ok(false);
    }
    (module.batch, module.records) = (module.batch + 1, 0);
    apply(state, Event::BatchClosed { sam: sam.into() })
}
