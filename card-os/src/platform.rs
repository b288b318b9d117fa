//! What a card runs on: non-volatile memory, randomness, and perhaps a unit for checksums.

use crc::{CRC_32_ISCSI, Crc};

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

    /// Lets this time pass before the command goes on: what a card asks for after wrong MACs. A
    /// chip waits; what stands for one may note it.
    fn delay(&mut self, milliseconds: u32);

    /// CRC-32/ISCSI (Castagnoli). A platform that has a unit or an instruction for it uses
    /// that; the result is always the same.
    fn checksum(&self, bytes: &[u8]) -> u32 {
        CRC.checksum(bytes)
    }
}

// On a bare chip the checksum takes the small table; the result is the same.
#[cfg(target_os = "none")]
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
#[cfg(not(target_os = "none"))]
static CRC: Crc<u32, crc::Table<16>> = Crc::<u32, crc::Table<16>>::new(&CRC_32_ISCSI);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_has_the_published_check_value() {
        assert_eq!(CRC.checksum(b"123456789"), 0xE306_9283);
        assert_eq!(Crc::<u32>::new(&CRC_32_ISCSI).checksum(b"123456789"), 0xE306_9283);
    }
}
