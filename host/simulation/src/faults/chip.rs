//! A chip in RAM that loses power where it is told, and stays cheap.
//!
//! Assumptions are those of `card_os::kernel::memory`: units of a write are programmed in
//! rising order; the one that power fails in may read as old, new, mixed, anything, or
//! differently each time (*weak*); an erasure that is interrupted leaves its block in any
//! state. Programming what is not erased is impossible and reported. One assumption is made
//! beyond those: a weak unit that read erased and is programmed anew is good. Without it an
//! entry torn in its first unit, with no trace at the next power-up, spoils the entry that is
//! written there next.
//!
//! A card that cannot be powered up takes its chip with it. So a chip leaves its bytes in
//! its [`Socket`] when it is dropped.

use core::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use card_os::platform::{ChipError, Platform, UNIT};
use host::reader::image::Geometry;
use rand_core::Rng;

use super::chance::Chance;

/// What stays when a card has no power.
#[derive(Clone, Debug)]
pub struct Flash {
    geometry: Geometry,
    bytes: Vec<u8>,
    /// Units that read differently each time: where, and what was being programmed.
    weak: Vec<(usize, [u8; UNIT])>,
    whim: RefCell<Chance>,
    /// What the card draws from.
    random: Chance,
    /// A defect of the card: it programmed what was not erased.
    pub impossible: bool,
}

impl Flash {
    /// An erased part, and the generator of its card.
    #[must_use]
    pub fn erased(geometry: Geometry, random: Chance) -> Self {
        let bytes = vec![0xFF; geometry.block_size * geometry.blocks];
        let whim = RefCell::new(random.clone());
        Self { geometry, bytes, weak: Vec::new(), whim, random, impossible: false }
    }
}

/// Where the bytes of a chip are while nobody powers it.
#[derive(Clone, Debug, Default)]
pub struct Socket(Arc<Mutex<Option<Flash>>>);

impl Socket {
    fn with<T>(&self, action: impl FnOnce(&mut Option<Flash>) -> T) -> T {
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes out what the last chip has left.
    #[must_use]
    pub fn take(&self) -> Option<Flash> {
        self.with(Option::take)
    }
}

/// A chip under power.
#[derive(Debug)]
pub struct Chip {
    /// Taken out when the chip is dropped, and there until then.
    flash: Option<Flash>,
    socket: Socket,
    /// Bytes that may still be written before power fails.
    power: Option<usize>,
    /// Whether what is written is really kept, or lost with power (see `weaken`).
    durable: bool,
    /// What the last write replaced, where it is not kept.
    undo: Option<(usize, Vec<u8>)>,
    failed: bool,
}

impl Chip {
    /// Power on.
    #[must_use]
    pub const fn new(flash: Flash, socket: Socket, durable: bool) -> Self {
        Self { flash: Some(flash), socket, power: None, durable, undo: None, failed: false }
    }

    /// Power fails after so many bytes.
    pub const fn cut_after(&mut self, bytes: usize) {
        self.power = Some(bytes);
    }

    /// Power fails now.
    pub const fn cut(&mut self) {
        self.failed = true;
    }

    /// Nothing is going to fail any more.
    pub const fn spare(&mut self) {
        self.power = None;
    }

    /// Whether power has failed.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether the card did what a chip cannot do.
    #[must_use]
    pub fn impossible(&self) -> bool {
        self.flash.as_ref().is_some_and(|flash| flash.impossible)
    }

    /// A copy of the memory.
    #[must_use]
    pub fn copy(&self) -> Option<Flash> {
        self.flash.clone()
    }

    /// How many of `wanted` bytes get through before power fails.
    fn spend(&mut self, wanted: usize) -> usize {
        if self.failed {
            return 0;
        }
        let Some(left) = self.power else { return wanted };
        let granted = left.min(wanted);
        self.power = Some(left - granted);
        self.failed = granted < wanted;
        granted
    }
}

impl Drop for Chip {
    fn drop(&mut self) {
        let Some(mut flash) = self.flash.take() else { return };
        if self.failed
            && let Some((address, bytes)) = self.undo.take()
        {
            flash.bytes[address..address + bytes.len()].copy_from_slice(&bytes);
        }
        self.socket.with(|place| *place = Some(flash));
    }
}

impl Flash {
    /// What becomes of the unit that power failed in.
    fn tear(&mut self, address: usize, wanted: &[u8]) {
        let drawn = self.random_unit();
        let unit = &mut self.bytes[address..address + UNIT];
        match drawn[0] % 5 {
            0 => {}
            1 => unit.copy_from_slice(wanted),
            2 => unit
                .iter_mut()
                .zip(wanted)
                .zip(drawn)
                .for_each(|((byte, wanted), mask)| *byte &= wanted | mask),
            3 => unit.copy_from_slice(&drawn),
            _ => {
                let mut begun = [0xFF; UNIT];
                begun.copy_from_slice(wanted);
                self.weak.push((address, begun));
            }
        }
    }

    /// What becomes of a block whose erasure power failed in.
    fn tear_block(&mut self, block: usize, granted: usize) {
        let size = self.geometry.block_size;
        let drawn = self.random_unit();
        let start = block * size;
        self.bytes[start..start + granted].fill(0xFF);
        let rest = &mut self.bytes[start + granted..start + size];
        match drawn[0] % 3 {
            0 => {}
            1 => rest.iter_mut().for_each(|byte| *byte |= drawn[1]),
            _ => rest.iter_mut().zip(drawn.iter().cycle()).for_each(|(byte, drawn)| *byte = *drawn),
        }
    }

    fn random_unit(&self) -> [u8; UNIT] {
        self.whim.borrow_mut().next_u64().to_be_bytes()
    }

    fn forget_weak(&mut self, from: usize, to: usize) {
        self.weak.retain(|(address, _)| !(from..to).contains(address));
    }

    /// Reads over weak units: erased, as it was begun, or some bits of it.
    fn waver(&self, address: usize, buffer: &mut [u8]) {
        for (unit, begun) in &self.weak {
            let drawn = self.random_unit();
            for (place, (byte, drawn_mask)) in begun.iter().zip(drawn).enumerate() {
                let mask = match drawn[0] % 4 {
                    0 => 0xFF,
                    1 => 0x00,
                    _ => drawn_mask,
                };
                if let Some(read) = (unit + place).checked_sub(address).and_then(|at| buffer.get_mut(at)) {
                    *read = byte | mask;
                }
            }
        }
    }

    /// Whole units are programmed: a weak one among them, which has read erased, is good now.
    fn strengthen(&mut self, address: usize, length: usize) {
        self.forget_weak(address, address + length);
    }
}

impl Platform for Chip {
    fn block_size(&self) -> usize {
        self.flash.as_ref().map_or(0, |flash| flash.geometry.block_size)
    }

    fn blocks(&self) -> usize {
        self.flash.as_ref().map_or(0, |flash| flash.geometry.blocks)
    }

    fn read(&self, address: usize, buffer: &mut [u8]) -> Result<(), ChipError> {
        let flash = self.flash.as_ref().ok_or(ChipError)?;
        let source = flash.bytes.get(address..).and_then(|tail| tail.get(..buffer.len()));
        buffer.copy_from_slice(source.ok_or(ChipError)?);
        if !flash.weak.is_empty() {
            flash.waver(address, buffer);
        }
        Ok(())
    }

    fn program(&mut self, address: usize, bytes: &[u8]) -> Result<(), ChipError> {
        let granted = self.spend(bytes.len());
        let durable = self.durable;
        let failed = self.failed;
        let flash = self.flash.as_mut().ok_or(ChipError)?;
        if !flash.weak.is_empty() {
            flash.strengthen(address, granted - granted % UNIT);
        }
        let place = flash.bytes.get_mut(address..).and_then(|tail| tail.get_mut(..bytes.len()));
        let place = place.ok_or(ChipError)?;
        if !durable && !failed {
            self.undo = Some((address, place.to_vec()));
        }
        flash.impossible |= !failed && place.iter().any(|byte| *byte != 0xFF);
        let whole = granted - granted % UNIT;
        place[..whole].copy_from_slice(&bytes[..whole]);
        if !failed {
            return Ok(());
        }
        if granted > 0 || whole > 0 {
            flash.tear(address + whole, &bytes[whole..whole + UNIT]);
        }
        Err(ChipError)
    }

    fn erase(&mut self, block: usize) -> Result<(), ChipError> {
        let size = self.block_size();
        let granted = self.spend(size);
        let failed = self.failed;
        let flash = self.flash.as_mut().ok_or(ChipError)?;
        flash.forget_weak(block * size, (block + 1) * size);
        if !failed {
            flash.bytes[block * size..(block + 1) * size].fill(0xFF);
            return Ok(());
        }
        if granted > 0 {
            flash.tear_block(block, granted);
        }
        Err(ChipError)
    }

    fn sync(&mut self) -> Result<(), ChipError> {
        if self.failed { Err(ChipError) } else { Ok(()) }
    }

    fn random(&mut self, buffer: &mut [u8]) {
        if let Some(flash) = &mut self.flash {
            flash.random.fill_bytes(buffer);
        }
    }

    /// Time is the simulation's own, and has steps.
    fn delay(&mut self, _: u32) {}

    fn checksum(&self, bytes: &[u8]) -> u32 {
        crc32c::crc32c(bytes)
    }
}
