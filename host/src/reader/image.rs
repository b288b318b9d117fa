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
//! A program opens every version from [`OLDEST`] to [`SEALED`]. What is older is refused: its
//! records have another layout, in which neither side of a payment would understand the other.
//! What is newer is refused, since what this program does not know of it might be lost.
//!
//! | version | what is different |
//! |---|---|
//! | 1 | checksums without salt; never released, not read |
//! | 2, 3 | the first layout of what cards state and record; not read |
//! | 4 | the second layout (high nibble of the algorithm: 2) |
//! | 5 | sealed under an [`ImageKey`]: not the memory follows the head, but a log, see `sealed` |
//!
//! A plain image has the card's keys in clear; version 4 is for cards whose keys are no secret.
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
use rand_core::Rng;
use zeroize::Zeroizing;

use crate::Error;

mod sealed;

pub use sealed::ImageKey;
use sealed::{Log, Unopened};

const MAGIC: &[u8; 9] = b"PURSECARD";
/// Version of the plain images that are made.
pub const VERSION: u32 = 4;
/// Version of the sealed ones, and the newest that is read.
pub const SEALED: u32 = 5;
/// The oldest version that is read.
pub const OLDEST: u32 = 4;
const HEAD: usize = 32;
/// Sizes of an erase block that can be.
const BLOCK_SIZES: std::ops::RangeInclusive<usize> = 1 << 10..=1 << 20;

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
    bytes: Zeroizing<Vec<u8>>,
    file: Option<(File, PathBuf)>,
    /// Where the file is sealed: what writes it.
    log: Option<Box<Log>>,
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
        let bytes = Zeroizing::new(vec![0xFF; geometry.block_size * geometry.blocks]);
        let (written, delay) = (0, Duration::ZERO);
        let (file, log) = (None, None);
        Self { version: VERSION, geometry, bytes, file, log, durable: false, written, delay, random }
    }

    /// An erased memory in a new file, sealed where there is a key; a file that is there already is
    /// an error.
    pub fn create(
        path: &Path,
        geometry: Geometry,
        key: Option<&ImageKey>,
        random: Randomness,
    ) -> Result<Self, Error> {
        let version = if key.is_some() { SEALED } else { VERSION };
        let mut image = Self { version, ..Self::in_ram(geometry, random) };
        image.write_new(path, key)?;
        Ok(image)
    }

    /// Writes the image to a new file, and works on that from now on.
    fn write_new(&mut self, path: &Path, key: Option<&ImageKey>) -> Result<(), Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        // A card keeps its keys to itself; a plain image has them in clear.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(Error::file(path))?;
        lock(&file, path)?;
        let (head, block) = (head(self.version, self.geometry), self.geometry.block_size);
        if let Some(key) = key {
            let log = Log::create(&file, key, &head, (&self.bytes, block), &mut self.random);
            self.log = Some(log.map_err(Error::file(path))?.into());
        } else {
            write_at(&file, 0, &head).map_err(Error::file(path))?;
            write_at(&file, HEAD, &self.bytes).map_err(Error::file(path))?;
        }
        self.file = Some((file, path.into()));
        Ok(())
    }

    /// The memory in a file. A sealed one needs its key; a plain one is an error where there is a
    /// key, since somebody counts on it to be sealed.
    pub fn open(path: &Path, key: Option<&ImageKey>, random: Randomness) -> Result<Self, Error> {
        let refuse = |reason: &str| Error::Image { path: path.into(), reason: reason.into() };
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(Error::file(path))?;
        lock(&file, path)?;
        let all = read_all(&file).map_err(Error::file(path))?;
        let (version, geometry) = parse(&all).map_err(|reason| refuse(&reason))?;
        let mut image = Self { version, ..Self::in_ram(geometry, random) };
        match (version, key) {
            (SEALED, Some(key)) => {
                let log = Log::open(&all, key, (&mut image.bytes, geometry.block_size));
                image.log = Some(log.map_err(|why| refuse(unopened(why)))?.into());
            }
            (SEALED, None) => return Err(refuse("the image is sealed; give its key with --image-key FILE")),
            (_, Some(_)) => {
                return Err(refuse(
                    "the image is in clear, and a key was given for it; make it with --image-key",
                ));
            }
            (_, None) => match all.get(HEAD..).filter(|memory| memory.len() == image.bytes.len()) {
                Some(memory) => image.bytes.copy_from_slice(memory),
                None => return Err(refuse(CUT)),
            },
        }
        image.file = Some((file, path.into()));
        Ok(image)
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

    /// Puts other bytes in RAM and file; `noted` is what a log notes of it. Where the file fails, the
    /// chip has failed, and RAM has what the file has: a card that is powered up again finds what a
    /// new process would.
    fn put(&mut self, address: usize, bytes: &[u8], noted: &[u8]) -> Result<(), ChipError> {
        let Self { file, log, random, durable, bytes: memory, .. } = self;
        let range = address..address.checked_add(bytes.len()).ok_or(ChipError)?;
        memory.get(range.clone()).ok_or(ChipError)?;
        match (file, log) {
            (Some((file, _)), Some(log)) => {
                log.note(file, (address, noted), (memory, *durable), random).map_err(|_| ChipError)?;
            }
            (Some((file, _)), None) if write_at(file, HEAD + address, bytes).is_err() => {
                read_at(file, HEAD + address, &mut memory[range]).map_err(|_| ChipError)?;
                return Err(ChipError);
            }
            _ => {}
        }
        memory[range].copy_from_slice(bytes);
        Ok(())
    }
}

/// What is said of a plain image of another length.
const CUT: &str = "the image is cut short or has grown; restore it from a copy";

const fn unopened(why: Unopened) -> &'static str {
    match why {
        Unopened::Key => "this is not the key of the image, or the image is damaged",
        Unopened::Damaged => "the image is damaged; restore it from a copy",
    }
}

/// The head of a file.
fn head(version: u32, geometry: Geometry) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..9].copy_from_slice(MAGIC);
    let numbers = [version, word(geometry.block_size), word(geometry.blocks)];
    for (place, number) in head[12..24].chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    head
}

/// Version and geometry, as the head of a file says; why not.
fn parse(all: &[u8]) -> Result<(u32, Geometry), String> {
    let head = all.get(..HEAD).filter(|head| head.starts_with(MAGIC)).ok_or("this is not a card image")?;
    let number =
        |place: usize| head[place..place + 4].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let version = word(number(12));
    check_version(version)?;
    let geometry = Geometry { block_size: number(16), blocks: number(20) };
    let fits = geometry.blocks <= BLOCKS_MAX && BLOCK_SIZES.contains(&geometry.block_size);
    if fits { Ok((version, geometry)) } else { Err(CUT.into()) }
}

/// All of a file that can be an image, in a buffer that does not move.
fn read_all(file: &File) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let most = sealed::longest(BLOCKS_MAX * BLOCK_SIZES.end()) as u64;
    let length = usize::try_from(file.metadata()?.len().min(most)).map_err(std::io::Error::other)?;
    let mut all = Zeroizing::new(Vec::with_capacity(length + 64));
    file.take(most + 1).read_to_end(&mut all)?;
    Ok(all)
}

/// Whether images of this version are read, and what to do where not.
fn check_version(version: u32) -> Result<(), String> {
    match version {
        OLDEST..=SEALED => Ok(()),
        0 => Err("this is not a card image".into()),
        older if older < OLDEST => Err(format!(
            "the image has version {older}, whose records this program does not understand; unload it with \
             the program that made it, and issue the card anew"
        )),
        newer => Err(format!(
            "the image was written by a newer program, version {newer}; update this program, which reads \
             versions {OLDEST} to {SEALED}"
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
        self.put(address, bytes, bytes)
    }

    fn erase(&mut self, block: usize) -> Result<(), ChipError> {
        let size = self.geometry.block_size;
        self.put(block * size, &vec![0xFF; size], &[])
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
        crc32c::crc32c(bytes)
    }
}

#[cfg(test)]
mod tests;
