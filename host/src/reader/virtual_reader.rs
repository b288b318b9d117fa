//! A reader whose card runs in this process: the same card code as on a chip.

use std::path::Path;

use card_os::Card;
use card_os::applets::AppletKind;
use card_os::kernel::Response;
use card_os::kernel::memory::MemoryError;

use super::Reader;
use super::image::{Geometry, Image, Randomness};
use crate::Error;

/// A reader with a card in it.
#[derive(Debug)]
pub struct VirtualReader {
    card: Option<Card<Image>>,
    response: Response,
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

    /// A new card in a file, not yet personalised.
    pub fn create(path: &Path, kind: AppletKind, random: Randomness) -> Result<Self, Error> {
        let image = Image::create(path, geometry(kind), random)?;
        Card::create(image, &[kind]).map(Self::with).map_err(|error| refuse(path, error))
    }

    /// The card in a file.
    pub fn open(path: &Path, random: Randomness, durable: bool) -> Result<Self, Error> {
        let image = Image::open(path, random)?.durable(durable);
        Card::open(image).map(Self::with).map_err(|error| refuse(path, error))
    }

    /// A reader around a card.
    #[must_use]
    pub fn with(card: Card<Image>) -> Self {
        Self { card: Some(card), response: Response::new() }
    }

    /// The memory of the card, for counting what is written.
    pub fn image(&mut self) -> Option<&Image> {
        self.card.as_mut().map(|card| &*card.platform())
    }
}

fn refuse(path: &Path, error: MemoryError) -> Error {
    Error::Image { path: path.into(), reason: error.to_string() }
}

impl Reader for VirtualReader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let card = self.card.as_mut().ok_or_else(|| Error::NoAnswer("no card".into()))?;
        card.process(command, &mut self.response);
        let answer = self.response.to_vec();
        card.housekeep();
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), Error> {
        if let Some(card) = self.card.take() {
            self.card = Some(Card::open(card.power_off())?);
        }
        Ok(())
    }
}
