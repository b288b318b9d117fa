//! A card on a chip that remembers its writes, and what one command did to it.

use std::ops::Range;

use apdu_spec::StatusWord;
use apdu_spec::declare::Command;
use card_os::applets::AppletKind;
use card_os::kernel::Response;
use card_os::kernel::memory::MemoryError;
use card_os::kernel::memory::entry::{HEADER, RECORD, TICK};
use card_os::platform::{ChipError, Platform};
use card_os::sim::{Interrupted, SimulatedChip};

use crate::support::office::Line;
use crate::support::{Device, response_of};

/// Small, so that every case is quick and the ring goes round soon.
pub type Chip = SimulatedChip<8, 2048>;

/// One program or erasure.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Write {
    Program { address: usize, bytes: Vec<u8> },
    Erase { block: usize },
}

impl Write {
    /// Does it to a chip.
    pub fn apply(&self, chip: &mut Chip) -> Result<(), ChipError> {
        match self {
            Self::Program { address, bytes } => chip.program(*address, bytes),
            Self::Erase { block } => chip.erase(*block),
        }
    }

    pub fn interrupted(&self, chip: &Chip) -> Interrupted {
        match self {
            Self::Program { bytes, .. } => Interrupted::Program(bytes.len()),
            Self::Erase { .. } => Interrupted::Erasure(chip.block_size()),
        }
    }

    /// The addresses that it touches.
    pub fn place(&self, chip: &Chip) -> Range<usize> {
        match self {
            Self::Program { address, bytes } => *address..address + bytes.len(),
            Self::Erase { block } => block * chip.block_size()..(block + 1) * chip.block_size(),
        }
    }

    /// Tag and number of the records that it holds.
    pub fn records(&self) -> Vec<(u8, u32)> {
        let (mut found, Self::Program { bytes, .. }) = (Vec::new(), self) else { return Vec::new() };
        let mut items = &bytes[HEADER..];
        while let [tag, length, rest @ ..] = items {
            let is_record = (RECORD..TICK).contains(tag);
            if is_record && let [a, b, c, ..] = rest {
                found.push((*tag, u32::from_be_bytes([0, *a, *b, *c])));
            }
            let size = usize::from(*length) + if is_record { 3 } else { 0 };
            items = rest.get(size..).unwrap_or_default();
        }
        found
    }

    /// What memory writes there: the tag of its first item, logs and cells taken together.
    pub fn sort(&self) -> u8 {
        match self {
            Self::Erase { .. } => b'E',
            Self::Program { bytes, .. } => match bytes[6] {
                0xFE => b'O',
                0xFD => b'C',
                0xFC => b'X',
                0xFB => b's',
                0xA0.. => b't',
                0x80.. => b'r',
                _ => b'c',
            },
        }
    }
}

/// A chip that remembers its writes.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// In its place, so that a card that is moved does not move it.
    pub chip: Box<Chip>,
    pub writes: Vec<Write>,
    recording: bool,
}

impl Recorder {
    pub const fn new(chip: Box<Chip>, recording: bool) -> Self {
        Self { chip, writes: Vec::new(), recording }
    }
}

impl Platform for Recorder {
    fn block_size(&self) -> usize {
        self.chip.block_size()
    }
    fn blocks(&self) -> usize {
        self.chip.blocks()
    }
    #[inline]
    fn read(&self, address: usize, buffer: &mut [u8]) -> Result<(), ChipError> {
        self.chip.read(address, buffer)
    }
    fn program(&mut self, address: usize, bytes: &[u8]) -> Result<(), ChipError> {
        if self.recording {
            self.writes.push(Write::Program { address, bytes: bytes.to_vec() });
        }
        self.chip.program(address, bytes)
    }
    fn erase(&mut self, block: usize) -> Result<(), ChipError> {
        if self.recording {
            self.writes.push(Write::Erase { block });
        }
        self.chip.erase(block)
    }
    fn sync(&mut self) -> Result<(), ChipError> {
        self.chip.sync()
    }
    fn random(&mut self, buffer: &mut [u8]) {
        self.chip.random(buffer);
    }
    fn delay(&mut self, milliseconds: u32) {
        self.chip.delay(milliseconds);
    }
    fn checksum(&self, bytes: &[u8]) -> u32 {
        crc32c::crc32c(bytes)
    }
}

/// A card at work.
pub struct Station {
    device: Device<Recorder>,
    /// Writes before the last command.
    pub began: usize,
    /// Writes before its answer.
    pub answered: usize,
}

impl Station {
    /// Powers a card up and selects its application, which writes nothing.
    pub fn open(kind: AppletKind, chip: Box<Chip>, recording: bool) -> Result<Self, MemoryError> {
        Ok(Self::of(Device::power_on(kind, Recorder::new(chip, recording))?))
    }

    /// A new card, not yet personalised.
    pub fn create(kind: AppletKind, chip: Box<Chip>) -> Self {
        Self::of(Device::blank_on(kind, Recorder::new(chip, false)))
    }

    fn of(mut device: Device<Recorder>) -> Self {
        let began = device.chip().chip.writes();
        Self { device, began, answered: began }
    }

    pub fn power_off(self) -> Recorder {
        self.device.power_off()
    }

    pub fn chip(&mut self) -> &mut Chip {
        &mut self.device.chip().chip
    }

    fn transmit<C: Command>(&mut self, request: &C::Request) -> Response {
        self.carry(C::encode(request, &mut [0; 262]).unwrap())
    }

    /// One exchange and the housekeeping behind it.
    fn carry(&mut self, command: &[u8]) -> Response {
        let mut response = Response::new();
        self.began = self.chip().writes();
        self.device.answer(command, &mut response);
        self.answered = self.chip().writes();
        self.device.housekeep();
        response
    }

    /// One typed exchange.
    pub fn execute<C: Command>(&mut self, request: &C::Request) -> Result<C::Response, StatusWord> {
        response_of::<C>(&self.transmit::<C>(request))
    }

    /// One typed exchange, its answer appended to a transcript.
    pub fn note<C: Command>(
        &mut self,
        request: &C::Request,
        transcript: &mut Vec<u8>,
    ) -> Option<C::Response> {
        let response = self.transmit::<C>(request);
        transcript.extend_from_slice(&response);
        response_of::<C>(&response).ok()
    }
}

impl Line for Station {
    fn exchange(&mut self, command: &[u8]) -> Vec<u8> {
        self.carry(command).to_vec()
    }
}
