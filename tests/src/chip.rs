//! A card's memory in RAM.

use card_os::platform::{ChipError, Platform};

/// Memory in RAM that counts the bytes programmed into it, and what the card waits.
#[derive(Debug)]
pub struct Chip {
    bytes: Vec<u8>,
    blocks: usize,
    block_size: usize,
    programmed: usize,
    delayed: u64,
    random: u64,
}

impl Chip {
    /// A chip of `blocks` erase blocks of `block_size` bytes.
    #[must_use]
    pub fn new(blocks: usize, block_size: usize, seed: u64) -> Self {
        let bytes = vec![0xFF; blocks * block_size];
        Self { bytes, blocks, block_size, programmed: 0, delayed: 0, random: seed | 1 }
    }

    /// Bytes programmed so far, padding included.
    #[must_use]
    pub const fn programmed(&self) -> usize {
        self.programmed
    }

    /// Milliseconds that the card has asked to wait so far. Nobody waits here.
    #[must_use]
    pub const fn delayed(&self) -> u64 {
        self.delayed
    }

    const fn next_word(&mut self) -> [u8; 8] {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random.to_be_bytes()
    }

    fn place(&mut self, address: usize, length: usize) -> Result<&mut [u8], ChipError> {
        self.bytes.get_mut(address..).and_then(|tail| tail.get_mut(..length)).ok_or(ChipError)
    }
}

impl Platform for Chip {
    fn block_size(&self) -> usize {
        self.block_size
    }

    fn blocks(&self) -> usize {
        self.blocks
    }

    fn read(&self, address: usize, buffer: &mut [u8]) -> Result<(), ChipError> {
        let source = self.bytes.get(address..).and_then(|tail| tail.get(..buffer.len()));
        buffer.copy_from_slice(source.ok_or(ChipError)?);
        Ok(())
    }

    fn program(&mut self, address: usize, bytes: &[u8]) -> Result<(), ChipError> {
        self.place(address, bytes.len())?.copy_from_slice(bytes);
        self.programmed += bytes.len();
        Ok(())
    }

    fn erase(&mut self, block: usize) -> Result<(), ChipError> {
        let size = self.block_size;
        self.place(block * size, size)?.fill(0xFF);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), ChipError> {
        Ok(())
    }

    /// A generator for tests: fast, and the same in every run.
    fn random(&mut self, buffer: &mut [u8]) {
        let (words, rest) = buffer.as_chunks_mut::<8>();
        words.iter_mut().for_each(|word| *word = self.next_word());
        let last = self.next_word();
        rest.iter_mut().zip(last).for_each(|(place, byte)| *place = byte);
    }

    fn delay(&mut self, milliseconds: u32) {
        self.delayed += u64::from(milliseconds);
    }

    fn checksum(&self, bytes: &[u8]) -> u32 {
        crc32c::crc32c(bytes)
    }
}
