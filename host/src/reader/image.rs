//! The memory of a card that runs in this process: in RAM, or in a file.
//!
//! A card image file is a head of 32 bytes and the memory as the chip has it:
//!
//! ```text
//! "PURSECARD" (9)  zero (3)  version (4)  block size (4)  blocks (4)  zero (8)  memory
//! ```
//!
//! Numbers are big endian. Every write goes to the file at once; with
//! [`Image::durable`] a commit also waits until the disk has it. A process that is
//! killed leaves a torn image, as power does on a chip, and the card opens it at its
//! last committed state. The file is locked while a card runs on it.
//!
//! # Versions
//!
//! A program opens every version from [`OLDEST`] to [`VERSION`], and leaves the file at the
//! version that it has: what differs is chosen by the file, so that nothing is converted
//! and an older program goes on reading what it wrote. What is newer is refused, since what
//! this program does not know of it might lose.
//!
//! | version | what is different |
//! |---|---|
//! | 1 | checksums without salt; never released, not read |
//! | 2 | checksums are CRC-32/ISO-HDLC |
//! | 3 | checksums are CRC-32/ISCSI |
//!
//! # A file that fails
//!
//! A write or sync that fails (full disk, limit of the file's size) is a chip that fails:
//! the command answers 6581, and no other commit is taken until the next power-up, which
//! goes by what the file has, not by what was to be written.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use card_os::platform::{BLOCKS_MAX, ChipError, Platform};
use crc::{CRC_32_ISO_HDLC, Crc};
use rand_core::Rng;

use crate::Error;

const MAGIC: &[u8; 9] = b"PURSECARD";
/// Version of the images that are made.
pub const VERSION: u32 = 3;
/// The oldest version that is read.
pub const OLDEST: u32 = 2;
/// The first version whose checksums are CRC-32/ISCSI.
const ISCSI_FROM: u32 = 3;
const HEAD: usize = 32;
/// Sizes of an erase block that can be.
const BLOCK_SIZES: std::ops::RangeInclusive<usize> = 1 << 10..=1 << 20;

/// The checksum of version 2.
static ISO_HDLC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A generator of random numbers that can go to another thread.
pub type Randomness = Box<dyn Rng + Send>;

/// Size of a card's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// Bytes of an erase block.
    pub block_size: usize,
    /// Erase blocks.
    pub blocks: usize,
}

impl Geometry {
    /// 16 KiB: a purse.
    pub const PURSE: Self = Self { block_size: 2 << 10, blocks: 8 };
    /// 64 KiB: a PSAM.
    pub const SAM: Self = Self { block_size: 4 << 10, blocks: 16 };
    /// 1 MiB: a transfer card.
    pub const TRANSFER: Self = Self { block_size: 64 << 10, blocks: 16 };
}

/// The memory of a card.
pub struct Image {
    version: u32,
    geometry: Geometry,
    bytes: Vec<u8>,
    file: Option<(File, PathBuf)>,
    durable: bool,
    written: u64,
    delay: Duration,
    random: Randomness,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.file.as_ref().map(|(_, path)| path);
        f.debug_struct("Image").field("geometry", &self.geometry).field("file", &path).finish_non_exhaustive()
    }
}

impl Image {
    /// An erased memory in RAM.
    #[must_use]
    pub fn in_ram(geometry: Geometry, random: Randomness) -> Self {
        let bytes = vec![0xFF; geometry.block_size * geometry.blocks];
        let (written, delay) = (0, Duration::ZERO);
        Self { version: VERSION, geometry, bytes, file: None, durable: false, written, delay, random }
    }

    /// An erased memory in a new file; a file that is there already is an error.
    pub fn create(path: &Path, geometry: Geometry, random: Randomness) -> Result<Self, Error> {
        Self::create_as(VERSION, path, geometry, random)
    }

    fn create_as(version: u32, path: &Path, geometry: Geometry, random: Randomness) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        // A card keeps its keys to itself; its image has them in clear.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(Error::file(path))?;
        lock(&file, path)?;
        let mut image = Self { version, ..Self::in_ram(geometry, random) };
        let mut head = [0; HEAD];
        head[..9].copy_from_slice(MAGIC);
        for (place, number) in
            head[12..24].chunks_exact_mut(4).zip([version, word(geometry.block_size), word(geometry.blocks)])
        {
            place.copy_from_slice(&number.to_be_bytes());
        }
        write_at(&file, 0, &head).map_err(Error::file(path))?;
        write_at(&file, HEAD, &image.bytes).map_err(Error::file(path))?;
        image.file = Some((file, path.into()));
        Ok(image)
    }

    /// The memory in a file.
    pub fn open(path: &Path, random: Randomness) -> Result<Self, Error> {
        let refuse = |reason: &str| Error::Image { path: path.into(), reason: reason.into() };
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(Error::file(path))?;
        lock(&file, path)?;
        let mut all = Vec::new();
        let most = HEAD + BLOCKS_MAX * BLOCK_SIZES.end() + 1;
        (&file).take(most as u64).read_to_end(&mut all).map_err(Error::file(path))?;
        let (head, bytes) = all
            .split_at_checked(HEAD)
            .filter(|(head, _)| head.starts_with(MAGIC))
            .ok_or_else(|| refuse("this is not a card image"))?;
        let number =
            |place: usize| head[place..place + 4].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let version = word(number(12));
        check_version(version).map_err(|reason| refuse(&reason))?;
        let geometry = Geometry { block_size: number(16), blocks: number(20) };
        let fits = geometry.blocks <= BLOCKS_MAX && BLOCK_SIZES.contains(&geometry.block_size);
        if !fits || bytes.len() != geometry.block_size * geometry.blocks {
            return Err(refuse("the image is cut short or has grown; restore it from a copy"));
        }
        let file = Some((file, path.into()));
        Ok(Self { version, bytes: bytes.to_vec(), file, ..Self::in_ram(geometry, random) })
    }

    /// How long the card has asked to wait since the last time it was looked at.
    pub const fn take_delay(&mut self) -> Duration {
        core::mem::replace(&mut self.delay, Duration::ZERO)
    }

    /// Whether each commit waits for the disk.
    #[must_use]
    pub const fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Bytes programmed so far, padding included.
    #[must_use]
    pub const fn bytes_written(&self) -> u64 {
        self.written
    }

    /// Puts other bytes in RAM and file. Where the file fails, the chip has failed, and RAM
    /// has what the file has: a card that is powered up again finds what a new process would.
    fn put(&mut self, address: usize, bytes: &[u8]) -> Result<(), ChipError> {
        let place = self.bytes.get_mut(address..).and_then(|tail| tail.get_mut(..bytes.len()));
        let place = place.ok_or(ChipError)?;
        match &self.file {
            Some((file, _)) if write_at(file, HEAD + address, bytes).is_err() => {
                read_at(file, HEAD + address, place).map_err(|_| ChipError)?;
                Err(ChipError)
            }
            _ => {
                place.copy_from_slice(bytes);
                Ok(())
            }
        }
    }
}

/// Whether images of this version are read, and what to do where not.
fn check_version(version: u32) -> Result<(), String> {
    match version {
        OLDEST..=VERSION => Ok(()),
        0 => Err("this is not a card image".into()),
        older if older < OLDEST => {
            Err(format!("the image has version {older}, which was never released; make the card again"))
        }
        newer => Err(format!(
            "the image was written by a newer program, version {newer}; update this program, which reads \
             versions {OLDEST} to {VERSION}"
        )),
    }
}

/// Writes at a place of a file; nobody else has it open.
fn write_at(mut file: &File, place: usize, bytes: &[u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(place as u64))?;
    file.write_all(bytes)
}

/// Reads what is at a place of a file.
fn read_at(mut file: &File, place: usize, bytes: &mut [u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(place as u64))?;
    file.read_exact(bytes)
}

/// Numbers of the head are small.
fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn lock(file: &File, path: &Path) -> Result<(), Error> {
    file.try_lock().map_err(|_| Error::Image {
        path: path.into(),
        reason: "another process runs this card; end it first".into(),
    })
}

impl Platform for Image {
    fn block_size(&self) -> usize {
        self.geometry.block_size
    }

    fn blocks(&self) -> usize {
        self.geometry.blocks
    }

    fn read(&self, address: usize, buffer: &mut [u8]) -> Result<(), ChipError> {
        let source = self.bytes.get(address..).and_then(|tail| tail.get(..buffer.len()));
        buffer.copy_from_slice(source.ok_or(ChipError)?);
        Ok(())
    }

    fn program(&mut self, address: usize, bytes: &[u8]) -> Result<(), ChipError> {
        self.written += bytes.len() as u64;
        self.put(address, bytes)
    }

    fn erase(&mut self, block: usize) -> Result<(), ChipError> {
        let size = self.geometry.block_size;
        self.put(block * size, &vec![0xFF; size])
    }

    fn sync(&mut self) -> Result<(), ChipError> {
        match &self.file {
            Some((file, _)) if self.durable => file.sync_data().map_err(|_| ChipError),
            _ => Ok(()),
        }
    }

    fn random(&mut self, buffer: &mut [u8]) {
        self.random.fill_bytes(buffer);
    }

    fn delay(&mut self, milliseconds: u32) {
        self.delay += Duration::from_millis(milliseconds.into());
    }

    fn checksum(&self, bytes: &[u8]) -> u32 {
        if self.version < ISCSI_FROM { ISO_HDLC.checksum(bytes) } else { crc32c::crc32c(bytes) }
    }
}

#[cfg(test)]
mod tests;
