//! A card without std, without alloc and without a global allocator.
//!
//! A crate that linked `alloc` anywhere below would want a global allocator here, one that
//! linked `std` would bring a second panic handler: neither builds.

#![no_std]

use card_os::applets::AppletKind;
use card_os::kernel::Response;
use card_os::platform::ChipError;
use card_os::{Card, Platform};

/// Size and number of erase blocks.
const SIZE: usize = 1_024;
const BLOCKS: usize = 4;

/// Memory in RAM. A chip has a driver in its place.
#[derive(Debug)]
pub struct Ram {
    bytes: [u8; SIZE * BLOCKS],
    random: u8,
}

impl Ram {
    /// Erased memory.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0xFF; SIZE * BLOCKS], random: 0 }
    }

    fn place(&mut self, address: usize, length: usize) -> Result<&mut [u8], ChipError> {
        self.bytes.get_mut(address..).and_then(|tail| tail.get_mut(..length)).ok_or(ChipError)
    }
}

impl Default for Ram {
    fn default() -> Self {
        Self::new()
    }
}

impl Platform for Ram {
    fn block_size(&self) -> usize {
        SIZE
    }

    fn blocks(&self) -> usize {
        BLOCKS
    }

    fn read(&self, address: usize, buffer: &mut [u8]) -> Result<(), ChipError> {
        let source = self.bytes.get(address..).and_then(|tail| tail.get(..buffer.len())).ok_or(ChipError)?;
        buffer.copy_from_slice(source);
        Ok(())
    }

    fn program(&mut self, address: usize, bytes: &[u8]) -> Result<(), ChipError> {
        self.place(address, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    fn erase(&mut self, block: usize) -> Result<(), ChipError> {
        self.place(block * SIZE, SIZE)?.fill(0xFF);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), ChipError> {
        Ok(())
    }

    fn delay(&mut self, _: u32) {}

    /// Not random: this card is never used.
    fn random(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            self.random = self.random.wrapping_add(1);
            *byte = self.random;
        }
    }
}

/// Creates, opens and uses a card with every applet, so that all of the code must link; the
/// low byte of the status word.
pub extern "C" fn run(kind: u8, byte: u8) -> u8 {
    let Some(kind) = AppletKind::from_byte(kind) else { return 0 };
    let card = Card::create(Ram::new(), &[kind]).and_then(|card| Card::open(card.power_off()));
    let Ok(mut card) = card else { return 0 };
    let mut response = Response::new();
    card.process(&[byte; 64], &mut response);
    card.housekeep();
    response.last().copied().unwrap_or(0)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
