//! A reader whose card runs in this process: the same card code as on a chip.

use std::path::Path;
use std::time::Duration;

use card_os::Card;
use card_os::applets::AppletKind;
use card_os::kernel::Response;
use card_os::kernel::memory::MemoryError;

use super::Reader;
use super::image::{Geometry, Image, ImageKey, Randomness};
use crate::Error;

/// A reader with a card in it.
#[derive(Debug)]
pub struct VirtualReader {
    state: State,
    response: Response,
}

/// Whether the card has power.
#[derive(Debug)]
enum State {
    On(Box<Card<Image>>),
    Off(Image),
    /// Its memory did not let it start, and is gone.
    Dead,
}

/// The size of a card of this kind.
#[must_use]
pub const fn geometry(kind: AppletKind) -> Geometry {
    match kind {
        AppletKind::Purse => Geometry::PURSE,
        AppletKind::Sam => Geometry::SAM,
        AppletKind::Transfer => Geometry::TRANSFER,
    }
}

impl VirtualReader {
    /// A new card in RAM, not yet personalised.
    pub fn blank(kind: AppletKind, random: Randomness) -> Result<Self, Error> {
        Ok(Self::with(Card::create(Image::in_ram(geometry(kind), random), &[kind])?))
    }

    /// A new card in a plain file, not yet personalised.
    pub fn create(path: &Path, kind: AppletKind, random: Randomness) -> Result<Self, Error> {
        Self::create_with(path, kind, None, random)
    }

    /// A new card in a file, which is sealed where there is a key.
    pub fn create_with(
        path: &Path,
        kind: AppletKind,
        key: Option<&ImageKey>,
        random: Randomness,
    ) -> Result<Self, Error> {
        let image = Image::create(path, geometry(kind), key, random)?;
        Card::create(image, &[kind]).map(Self::with).map_err(|error| refuse(path, error))
    }

    /// The card in a plain file.
    pub fn open(path: &Path, random: Randomness, durable: bool) -> Result<Self, Error> {
        Self::open_with(path, None, random, durable)
    }

    /// The card in a file, which is sealed where there is a key.
    pub fn open_with(
        path: &Path,
        key: Option<&ImageKey>,
        random: Randomness,
        durable: bool,
    ) -> Result<Self, Error> {
        let image = Image::open(path, key, random)?.durable(durable);
        Card::open(image).map(Self::with).map_err(|error| refuse(path, error))
    }

    /// A reader around a card.
    #[must_use]
    pub fn with(card: Card<Image>) -> Self {
        Self { state: State::On(Box::new(card)), response: Response::new() }
    }

    /// The memory of the card, for counting what is written.
    pub fn image(&mut self) -> Option<&Image> {
        match &mut self.state {
            State::On(card) => Some(&*card.platform()),
            State::Off(image) => Some(image),
            State::Dead => None,
        }
    }

    /// Takes the power away: sessions end, what was committed stays.
    pub fn power_off(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Dead) {
            State::On(card) => State::Off(card.power_off()),
            other => other,
        };
    }

    /// Gives power, where there is none. An error: the card is mute, now and until its
    /// memory is mended.
    pub fn power_on(&mut self) -> Result<(), Error> {
        self.state = match std::mem::replace(&mut self.state, State::Dead) {
            State::Off(image) => State::On(Box::new(Card::open(image)?)),
            on @ State::On(_) => on,
            State::Dead => return Err(Error::NoAnswer("the card is mute".into())),
        };
        Ok(())
    }

    /// Carries a command out; the response APDU. [`VirtualReader::housekeep`] is due once it
    /// has been sent. An error: the card has no power.
    pub fn process(&mut self, command: &[u8]) -> Result<&[u8], Error> {
        let State::On(card) = &mut self.state else {
            return Err(Error::NoAnswer("the card has no power".into()));
        };
        card.process(command, &mut self.response);
        Ok(&self.response)
    }

    /// How long the card has asked to wait since the last time it was looked at. In process
    /// nobody waits.
    pub fn take_delay(&mut self) -> Duration {
        match &mut self.state {
            State::On(card) => card.platform().take_delay(),
            State::Off(_) | State::Dead => Duration::ZERO,
        }
    }

    /// The last response.
    #[must_use]
    pub fn response(&self) -> &[u8] {
        &self.response
    }

    /// What a card has left to do after an answer.
    pub fn housekeep(&mut self) {
        if let State::On(card) = &mut self.state {
            card.housekeep();
        }
    }
}

fn refuse(path: &Path, error: MemoryError) -> Error {
    Error::Image { path: path.into(), reason: error.to_string() }
}

impl Reader for VirtualReader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let answer = self.process(command)?.to_vec();
        self.housekeep();
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.power_off();
        self.power_on()
    }
}
