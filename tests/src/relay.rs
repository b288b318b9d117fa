//! A relay between a terminal and a card: whoever holds the line to the card reads, swallows and
//! answers what he likes, and has no key. Works as a reader in this process, and as a card that is
//! served to other programs ([`host::reader::serve`]).
//!
//! What it does is a closure of a command and of the way to the card:
//!
//! ```
//! # use system_tests::relay::{Relay, is};
//! # fn behind<R: host::reader::Reader>(card: R) -> Relay<R> {
//! Relay::new(card, |command, card| {
//!     if is::<apdu_spec::purse::DebitUnload>(command) { Ok(vec![0x90, 0x00]) } else { card(command) }
//! })
//! # }
//! ```

use std::fmt;

use apdu_spec::{Apdu, Command};
use host::Error;
use host::reader::Reader;
use host::reader::vpcd::Inserted;

/// The answer to a command.
pub type Answer = Result<Vec<u8>, Error>;

/// The way from the relay to the card.
pub type Card<'c> = &'c mut dyn FnMut(&[u8]) -> Answer;

/// What a relay makes of a command.
type Trick = dyn FnMut(&[u8], Card<'_>) -> Answer + Send;

/// A card behind a relay.
pub struct Relay<C> {
    card: C,
    trick: Box<Trick>,
    answer: Vec<u8>,
}

impl<C> fmt::Debug for Relay<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Relay")
    }
}

impl<C> Relay<C> {
    /// In front of this card.
    pub fn new(card: C, trick: impl FnMut(&[u8], Card<'_>) -> Answer + Send + 'static) -> Self {
        Self { card, trick: Box::new(trick), answer: Vec::new() }
    }
}

/// Whether a command is one of `C`.
#[must_use]
pub fn is<C: Command>(command: &[u8]) -> bool {
    Apdu::parse(command).is_ok_and(|apdu| C::ROW.matches(&apdu))
}

impl<R: Reader> Reader for Relay<R> {
    fn transmit(&mut self, command: &[u8]) -> Answer {
        let Self { card, trick, .. } = self;
        trick(command, &mut |command| card.transmit(command))
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.card.reset()
    }
}

impl<C: Inserted> Inserted for Relay<C> {
    fn power_on(&mut self) -> Result<(), Error> {
        self.card.power_on()
    }

    fn power_off(&mut self) {
        self.card.power_off();
    }

    fn process(&mut self, command: &[u8]) -> Result<&[u8], Error> {
        let Self { card, trick, answer } = self;
        *answer = trick(command, &mut |command| card.process(command).map(<[u8]>::to_vec))?;
        Ok(answer)
    }

    fn housekeep(&mut self) {
        self.card.housekeep();
    }
}
