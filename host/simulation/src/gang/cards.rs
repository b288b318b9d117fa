//! Purses, and copies of them, that somebody may take into his hand.

use super::hand::{Hand, Watch};
use crate::faults::purse::Purse;
use crate::weaken::Device;

/// Copies that are carried about; the oldest is thrown away for another.
const COPIES: usize = 8;

/// All of them, by number: purses first, then copies.
#[derive(Debug)]
pub struct Cards {
    purses: Vec<Purse>,
    /// With the number of the purse.
    copies: Vec<(usize, Box<dyn Device>)>,
    watch: Watch,
}

impl Cards {
    /// These purses, and no copy.
    pub const fn new(purses: Vec<Purse>, watch: Watch) -> Self {
        Self { purses, copies: Vec::new(), watch }
    }

    /// How many purses there are.
    pub const fn purses(&self) -> usize {
        self.purses.len()
    }

    /// How many cards there are.
    pub const fn count(&self) -> usize {
        self.purses.len() + self.copies.len()
    }

    /// The purse that this card is, or is a copy of.
    pub fn purse_of(&self, card: usize) -> usize {
        let copy = card.checked_sub(self.purses.len()).and_then(|copy| self.copies.get(copy));
        copy.map_or(card, |(purse, _)| *purse)
    }

    fn device(&mut self, card: usize) -> &mut dyn Device {
        match card.checked_sub(self.purses.len()) {
            None => self.purses[card].device(),
            Some(copy) => &mut *self.copies[copy].1,
        }
    }

    /// A card in the hand.
    pub fn hand(&mut self, card: usize) -> Hand<'_> {
        let watch = self.watch.clone();
        Hand::new(self.device(card), watch)
    }

    /// Two different cards in two hands.
    pub fn hands(&mut self, one: usize, other: usize) -> Option<(Hand<'_>, Hand<'_>)> {
        let Self { purses, copies, watch } = self;
        let purses = purses.iter_mut().map(Purse::device);
        let copies = copies.iter_mut().map(|(_, device)| -> &mut dyn Device { &mut **device });
        let mut devices: Vec<_> = purses.chain(copies).map(Some).collect();
        let first = devices.get_mut(one)?.take()?;
        let second = devices.get_mut(other)?.take()?;
        Some((Hand::new(first, watch.clone()), Hand::new(second, watch.clone())))
    }

    /// Copies a card as it is now.
    pub fn copy(&mut self, card: usize) {
        let (purse, device) = (self.purse_of(card), self.device(card).duplicate());
        if self.copies.len() == COPIES {
            self.copies.remove(0);
        }
        self.copies.extend(device.map(|device| (purse, device)));
    }
}
