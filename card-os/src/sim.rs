//! A chip for tests: flash that refuses the impossible and can lose power in the
//! middle of any write.
//!
//! It panics on programming a unit that is not erased, outside its bounds or out
//! of line, because that is a defect of the caller, not of the chip.

use crate::platform::{ChipError, Platform, UNIT};

/// `BLOCKS` erase blocks of `SIZE` bytes.
#[derive(Clone, Debug)]
pub struct SimulatedChip<const BLOCKS: usize, const SIZE: usize> {
    bytes: [[u8; SIZE]; BLOCKS],
    /// Bytes that may still be written before power fails; `None` is for ever.
    power: Option<usize>,
    written: usize,
    erased: usize,
    random: u64,
}

impl<const BLOCKS: usize, const SIZE: usize> Default for SimulatedChip<BLOCKS, SIZE> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const BLOCKS: usize, const SIZE: usize> SimulatedChip<BLOCKS, SIZE> {
    /// An erased chip.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [[0xFF; SIZE]; BLOCKS], power: None, written: 0, erased: 0, random: 1 }
    }

    /// Power fails after `bytes` more bytes: an interrupted write leaves its front part,
    /// an interrupted erasure leaves the rest of the block.
    pub const fn cut_after(&mut self, bytes: usize) {
        self.power = Some(bytes);
    }

    /// Power is back.
    pub const fn power_up(&mut self) {
        self.power = None;
    }

    /// Bytes programmed so far, padding included.
    #[must_use]
    pub const fn bytes_written(&self) -> usize {
        self.written
    }

    /// Blocks erased so far.
    #[must_use]
    pub const fn blocks_erased(&self) -> usize {
        self.erased
    }

    /// The memory, for inspection and damage.
    pub const fn image(&mut self) -> &mut [u8] {
        self.bytes.as_flattened_mut()
    }

    /// How many of `wanted` bytes get through before power fails.
    fn spend(&mut self, wanted: usize) -> usize {
        let granted = self.power.map_or(wanted, |left| left.min(wanted));
        self.power = self.power.map(|left| left - granted);
        granted
    }
}

impl<const BLOCKS: usize, const SIZE: usize> Platform for SimulatedChip<BLOCKS, SIZE> {
    fn block_size(&self) -> usize {
        SIZE
    }

    fn blocks(&self) -> usize {
        BLOCKS
    }

    fn read(&self, address: usize, buffer: &mut [u8]) -> Result<(), ChipError> {
        let image = self.bytes.as_flattened();
        let source = image.get(address..).and_then(|tail| tail.get(..buffer.len())).ok_or(ChipError)?;
        buffer.copy_from_slice(source);
        Ok(())
    }

    #[allow(clippy::panic)] // see the module doc
    fn program(&mut self, address: usize, bytes: &[u8]) -> Result<(), ChipError> {
        assert!(address.is_multiple_of(UNIT) && bytes.len().is_multiple_of(UNIT), "out of line");
        let granted = self.spend(bytes.len());
        let place = self.bytes.as_flattened_mut().get_mut(address..).and_then(|t| t.get_mut(..bytes.len()));
        let Some(place) = place else { panic!("programming outside the chip") };
        assert!(place.iter().all(|byte| *byte == 0xFF), "programming what is not erased, at {address}");
        place.iter_mut().zip(bytes).take(granted).for_each(|(place, byte)| *place = *byte);
        self.written += granted;
        if granted == bytes.len() { Ok(()) } else { Err(ChipError) }
    }

    fn erase(&mut self, block: usize) -> Result<(), ChipError> {
        let granted = self.spend(SIZE);
        let place = self.bytes.get_mut(block).ok_or(ChipError)?;
        place.iter_mut().take(granted).for_each(|byte| *byte = 0xFF);
        self.erased += 1;
        if granted == SIZE { Ok(()) } else { Err(ChipError) }
    }

    fn sync(&mut self) -> Result<(), ChipError> {
        Ok(())
    }

    /// A counting generator: protocols must hold even with this.
    fn random(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = self.random.to_be_bytes()[0];
        }
    }
}
