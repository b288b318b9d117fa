//! The background system behind links that lose, cut, delay, repeat, reorder and corrupt
//! what crosses them; and that is killed in the middle of its transactions.
//!
//! Messages cross as bytes. What the background system says is told to the truth where it
//! leaves, so that it counts also where the answer is lost.

use apdu_spec::element::Time;
use apdu_spec::record::{Decision, ValueRecord};
use background::Background;
use network::{Error, Link, Request, Response, Service};

use super::audit::line_is_true;
use super::fate::{Fate, Shared};
use super::rates::Fault;
use super::slot::index_of;

/// Statements within which the background system is killed, once it is going to be.
const REACH: u32 = 60;

/// The background system, and the messages that are still on their way to it.
#[derive(Debug)]
pub struct Office {
    /// The background system.
    pub background: Background,
    delayed: Vec<Vec<u8>>,
}

impl Office {
    /// Behind this background system.
    #[must_use]
    pub const fn new(background: Background) -> Self {
        Self { background, delayed: Vec::new() }
    }

    /// Serves a message; nothing where power failed before the answer left.
    fn serve(&mut self, request: &[u8], now: Time, fate: &mut Fate) -> Option<Vec<u8>> {
        fate.tally.messages += 1;
        let killed = fate.happens(Fault::Kill);
        if killed {
            self.background.cut_after(fate.chance.below(REACH));
        }
        let answer = self.background.at(now).serve(request);
        if killed && self.background.power_up() {
            return None;
        }
        let request = Request::decode(request).ok();
        listen(request.as_ref(), &answer, fate);
        self.check(request.as_ref(), fate);
        Some(answer)
    }

    /// Whatever the background system has booked for a message has to be true.
    fn check(&mut self, request: Option<&Request>, fate: &mut Fate) {
        let name = |value: &ValueRecord| Some((value.identity.iep, value.entry.nv()?));
        let named: Vec<_> = match request {
            Some(Request::SubmitBatch(batch)) => {
                batch.records.iter().filter_map(|r| name(&r.value)).collect()
            }
            Some(Request::CompleteTransfer(value)) => name(value).into_iter().collect(),
            _ => return,
        };
        let truth = &mut fate.truth;
        let shown = self.background.commits_of(&named, |iep, line| line_is_true(iep, &line, truth));
        fate.truth.must(shown.is_ok(), || format!("the books cannot be read: {shown:?}"));
    }

    /// Delivers messages that were delayed, in any order: one of two, or all.
    pub fn deliver_late(&mut self, now: Time, fate: &mut Fate, all: bool) {
        let count = self.delayed.len();
        for _ in 0..count {
            if all || fate.chance.coin() {
                let message = self.delayed.swap_remove(fate.chance.place(self.delayed.len()));
                let _ = self.serve(&message, now, fate);
            }
        }
    }

    /// Messages that are still on their way.
    #[must_use]
    pub fn late(&self) -> usize {
        self.delayed.len()
    }
}

/// What the truth hears of an answer.
fn listen(request: Option<&Request>, answer: &[u8], fate: &mut Fate) {
    match (request, Response::decode(answer)) {
        (Some(Request::AuthoriseTransfer(request)), Ok(Response::Decision(execute))) => {
            let statement = request.initialized.statement;
            if let Ok(Decision::Approved(_)) = execute.order.terms.to_decision() {
                let purse = index_of(statement.identity.iep.number.get());
                let (nt, amount) = (statement.position.nt.get(), execute.order.amount.get());
                fate.truth.authorised(purse, nt, request.kind, amount);
            }
        }
        (_, Ok(Response::Acknowledged(acknowledgement))) => {
            let (sam, batch) = (acknowledgement.sam.number.get(), acknowledgement.batch.get());
            fate.tally.batches += u64::from(fate.truth.is_stored(sam, batch));
        }
        _ => {}
    }
}

/// A line to the background system.
#[derive(Debug)]
pub struct Wire<'o> {
    office: &'o mut Office,
    shared: &'o Shared,
    now: Time,
    /// An answer was changed and could still be read.
    pub garbled: bool,
}

impl<'o> Wire<'o> {
    /// A line that is used now.
    pub const fn new(office: &'o mut Office, shared: &'o Shared, now: Time) -> Self {
        Self { office, shared, now, garbled: false }
    }
}

fn unreachable(why: &str) -> Error {
    Error::Unreachable(why.into())
}

fn corrupt(bytes: &mut [u8], fate: &mut Fate) {
    let place = fate.chance.place(bytes.len());
    if let Some(byte) = bytes.get_mut(place) {
        *byte ^= 1 << fate.chance.below(8);
    }
}

impl Link for Wire<'_> {
    fn call(&mut self, request: &Request) -> Result<Response, Error> {
        let Self { office, shared, now, garbled } = self;
        let mut fate = shared.lock();
        if fate.crashes() {
            return Err(unreachable("the terminal is dead"));
        }
        let mut bytes = request.encode();
        if fate.happens(Fault::Loss) {
            return Err(unreachable("the request was lost"));
        }
        if fate.happens(Fault::Corrupt) {
            corrupt(&mut bytes, &mut fate);
        }
        if fate.happens(Fault::Delay) {
            office.delayed.push(bytes);
            return Err(unreachable("the request takes its time"));
        }
        if fate.happens(Fault::Duplicate) {
            let _ = office.serve(&bytes, *now, &mut fate);
        }
        let mut answer =
            office.serve(&bytes, *now, &mut fate).ok_or_else(|| unreachable("the other end was killed"))?;
        if fate.happens(Fault::Cut) {
            return Err(unreachable("cut in the middle of the answer"));
        }
        if fate.happens(Fault::Corrupt) {
            *garbled = true;
            corrupt(&mut answer, &mut fate);
        }
        Response::decode(&answer)
    }
}
