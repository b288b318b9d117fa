//! A reader around a reader that tells an observer what passes.
//!
//! An observer sees everything as it is, secrets too; one that prints or stores takes
//! them out first ([`redact`](super::redact), which [`decode`](super::decode) does). It
//! cannot fail: no payment ends because a trace could not be written.

use std::sync::{Arc, Mutex, PoisonError};

use super::CardLabel;
use crate::Error;
use crate::reader::Reader;
use crate::reader::vpcd::Inserted;

/// Is told what passes between readers and cards.
pub trait Observer: Send {
    /// A command went to a card and this came back.
    fn exchange(&mut self, card: CardLabel, command: &[u8], answer: Result<&[u8], &Error>);

    /// A card was switched off and on.
    fn reset(&mut self, card: CardLabel);
}

/// One observer for all readers of a program.
pub type SharedObserver = Arc<Mutex<dyn Observer>>;

/// A reader with an observer, or without one.
pub struct Watched<R> {
    reader: R,
    card: CardLabel,
    observer: Option<SharedObserver>,
}

impl<R> std::fmt::Debug for Watched<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watched {}", self.card)
    }
}

impl<R> Watched<R> {
    /// `observer` is told what passes through `reader`.
    pub const fn new(reader: R, card: CardLabel, observer: Option<SharedObserver>) -> Self {
        Self { reader, card, observer }
    }

    fn tell(&self, what: impl FnOnce(&mut dyn Observer)) {
        tell(self.observer.as_ref(), what);
    }
}

fn tell(observer: Option<&SharedObserver>, what: impl FnOnce(&mut dyn Observer)) {
    if let Some(observer) = observer {
        what(&mut *observer.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<R: Reader> Reader for Watched<R> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let answer = self.reader.transmit(command);
        self.tell(|observer| observer.exchange(self.card, command, answer.as_deref()));
        answer
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.tell(|observer| observer.reset(self.card));
        self.reader.reset()
    }
}

/// A card that is served to others, watched from its own side.
impl<C: Inserted> Inserted for Watched<C> {
    fn atr(&self) -> &[u8] {
        self.reader.atr()
    }

    fn power_on(&mut self) -> Result<(), Error> {
        self.tell(|observer| observer.reset(self.card));
        self.reader.power_on()
    }

    fn power_off(&mut self) {
        self.reader.power_off();
    }

    fn process(&mut self, command: &[u8]) -> Result<&[u8], Error> {
        let Self { reader, card, observer } = self;
        let answer = reader.process(command);
        let passed = answer.as_ref().map(|bytes| &**bytes);
        tell(observer.as_ref(), |observer| observer.exchange(*card, command, passed));
        answer
    }

    fn housekeep(&mut self) {
        self.reader.housekeep();
    }
}
