//! The background system behind links that lose, cut, delay, repeat, reorder and corrupt
//! what crosses them; and that is killed in the middle of its transactions.
//!
//! Messages cross as bytes. What the background system has kept is told to the truth where its
//! answer leaves, so that it counts also where that is lost.

use apdu_spec::element::Time;
use background::Background;
use network::{Error, Link, Request, Response, Service};

use super::books::listen;
use super::fate::{Fate, Shared};
use super::rates::Fault;

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
        let cut = killed && self.background.power_up();
        if let Ok(request) = Request::decode(request) {
            let answer = Response::decode(&answer).ok().filter(|_| !cut);
            if fate.notebook.open {
                fate.notebook.hear_line(&request, answer.as_ref());
            }
            let kept = listen(&mut self.background, &request, answer, fate);
            fate.truth.must(kept.is_ok(), || format!("the books cannot be read: {kept:?}"));
        }
        (!cut).then_some(answer)
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

/// A line to the background system.
#[derive(Debug)]
pub struct Wire<'o> {
    office: &'o mut Office,
    shared: &'o Shared,
    now: Time,
}

impl<'o> Wire<'o> {
    /// A line that is used now.
    pub const fn new(office: &'o mut Office, shared: &'o Shared, now: Time) -> Self {
        Self { office, shared, now }
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
        let Self { office, shared, now } = self;
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
            corrupt(&mut answer, &mut fate);
        }
        Response::decode(&answer)
    }
}
