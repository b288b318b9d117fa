//! What a card runs on: non-volatile memory and randomness.

/// The smallest piece of memory that is programmed at once. No unit is programmed
/// twice between two erasures of its block.
pub const UNIT: usize = 8;

/// Most erase blocks of a part.
pub const BLOCKS_MAX: usize = 16;

/// The chip did not do what it was asked; what it did instead is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChipError;

/// A chip, or what stands for one.
///
/// Memory is 4 to [`BLOCKS_MAX`] blocks of equal size, a multiple of [`UNIT`] and at
/// least 1,024 bytes. Erased bytes read FF. EEPROM and FRAM implement
/// [`erase`](Platform::erase) by writing FF.
pub trait Platform {
    /// Bytes of an erase block.
    fn block_size(&self) -> usize;

    /// Number of erase blocks.
    fn blocks(&self) -> usize;

    /// Reads from `address` on.
    fn read(&self, address: usize, buffer: &mut [u8]) -> Result<(), ChipError>;

    /// Programs erased units from `address` on, in rising order. Address and length
    /// are multiples of [`UNIT`].
    fn program(&mut self, address: usize, bytes: &[u8]) -> Result<(), ChipError>;

    /// Erases a block.
    fn erase(&mut self, block: usize) -> Result<(), ChipError>;

    /// Returns once everything programmed so far survives a loss of power.
    fn sync(&mut self) -> Result<(), ChipError>;

    /// Fills `buffer` with random bytes.
    fn random(&mut self, buffer: &mut [u8]);
}
