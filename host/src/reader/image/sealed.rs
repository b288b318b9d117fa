//! A card image that is sealed: whoever has the file and not its key learns no key of the card, and
//! changes nothing that the card would believe.
//!
//! The memory is not written in place. The file is a log of what was done to the chip, each step under
//! AES-256-GCM-SIV (RFC 8452), chained to the one before:
//!
//! ```text
//! head (32), as of every image      id (16)  nonce (12)  tag (16)  area 0  area 1
//! area      generation (8)  record  record ...                       2 * memory + 4,096 bytes
//! record    length of the body (4)  nonce (12)  tag (16)  body
//! body      address (4)  bytes programmed there; none: the block there is erased
//! ```
//!
//! The first record of an area is the whole memory; when an area is full, the memory goes to the
//! other one under the next generation, and the log goes on there. A record is authenticated with the
//! tag of the one before, the first with id and generation, and the tag of the head with head and id.
//!
//! # Loss of power, and files that fail
//!
//! A record that is torn is one that never was: the log ends before it, and the chip was not
//! programmed, which is one of the things that a loss of power may do. What a sync has reached
//! stands before it and is whole. An area is begun anew only once the other one is on the disk.
//!
//! # What it does not do
//!
//! Who can write the file can put an older copy in its place, or cut the log: the card is rolled
//! back, as a copied one is, which the background system finds. Where the file ends says how much
//! the card has done.

use std::fmt;
use std::fs::File;

use aes_gcm_siv::aead::inout::InOutBuf;
use aes_gcm_siv::{AeadInOut as _, Aes256GcmSiv, KeyInit as _, Nonce, Tag};
use rand_core::Rng;
use zeroize::Zeroizing;

use super::{HEAD, write_at};

/// Bytes of a tag, and of the name of an image.
const TAG: usize = 16;
/// Bytes of a nonce.
const NONCE: usize = 12;
/// Where the areas begin.
const AREAS: usize = HEAD + TAG + NONCE + TAG;
/// What a record has before its body.
const LEAD: usize = 4 + NONCE + TAG;
/// What an area has besides twice the memory.
const SPARE: usize = 4_096;

/// The key of card images. Erased when dropped, never shown.
#[derive(Clone)]
pub struct ImageKey(Box<Zeroizing<[u8; 32]>>);

impl fmt::Debug for ImageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(image key, not shown)")
    }
}

impl ImageKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        let mut key = Box::new(Zeroizing::new([0; 32]));
        key.copy_from_slice(bytes);
        Self(key)
    }

    /// The key as a file of its own has it: 64 digits. Who asks erases them.
    #[must_use]
    pub fn to_hexadecimal(&self) -> String {
        hex::encode(self.0.as_slice())
    }

    fn cipher(&self) -> Aes256GcmSiv {
        Aes256GcmSiv::new(&(**self.0).into())
    }
}

/// Why an image does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unopened {
    /// The key is another one, or the head was changed.
    Key,
    /// No area has a whole memory.
    Damaged,
}

/// The log of a sealed image: where it goes on.
pub(super) struct Log {
    cipher: Aes256GcmSiv,
    id: [u8; TAG],
    generation: u64,
    /// Place in the file of the next record.
    end: usize,
    /// Tag of the last one.
    last: [u8; TAG],
    /// Bytes of the memory, and of a block of it.
    size: usize,
    block: usize,
}

/// A record where it stands in a file.
struct Record<'a> {
    nonce: [u8; NONCE],
    tag: [u8; TAG],
    body: &'a [u8],
}

const fn area_of(generation: u64, size: usize) -> usize {
    let place = if generation.is_multiple_of(2) { 0 } else { 2 * size + SPARE };
    AREAS + place
}

fn array<const N: usize>(bytes: &[u8], place: usize) -> Option<[u8; N]> {
    bytes.get(place..place + N)?.try_into().ok()
}

/// What the first record of an area is chained to.
fn beginning(id: [u8; TAG], generation: u64) -> [u8; TAG + 8] {
    let mut bytes = [0; TAG + 8];
    bytes[..TAG].copy_from_slice(&id);
    bytes[TAG..].copy_from_slice(&generation.to_be_bytes());
    bytes
}

/// The longest that the file of a memory of this size can be.
pub(super) const fn longest(size: usize) -> usize {
    AREAS + 2 * (2 * size + SPARE)
}

impl Log {
    /// Begins the log of a new image, whose head is `head`.
    pub(super) fn create(
        file: &File,
        key: &ImageKey,
        head: &[u8; HEAD],
        (memory, block): (&[u8], usize),
        random: &mut dyn Rng,
    ) -> std::io::Result<Self> {
        let (mut id, mut nonce) = ([0; TAG], [0; NONCE]);
        random.fill_bytes(&mut id);
        random.fill_bytes(&mut nonce);
        let cipher = key.cipher();
        let mut start = [&head[..], &id, &nonce].concat();
        let tag = seal(&cipher, &nonce, &start[..HEAD + TAG], &mut [])?;
        start.extend(tag);
        write_at(file, 0, &start)?;
        let size = memory.len();
        let mut log = Self { cipher, id, generation: 0, end: AREAS, last: [0; TAG], size, block };
        log.begin(file, 0, memory, random)?;
        Ok(log)
    }

    /// Lives the log of a file again, into `memory`, which has the size that the head says.
    pub(super) fn open(
        bytes: &[u8],
        key: &ImageKey,
        (memory, block): (&mut [u8], usize),
    ) -> Result<Self, Unopened> {
        let cipher = key.cipher();
        let head = (|| {
            let tag: [u8; TAG] = array(bytes, HEAD + TAG + NONCE)?;
            let nonce = array(bytes, HEAD + TAG)?;
            unseal(&cipher, &nonce, bytes.get(..HEAD + TAG)?, &mut [], &tag)?;
            array(bytes, HEAD)
        })();
        let id = head.ok_or(Unopened::Key)?;
        let size = memory.len();
        let mut log = Self { cipher, id, generation: 0, end: 0, last: [0; TAG], size, block };
        let areas = [0, 1].map(|area| area_of(area, size));
        let generations = areas.map(|area| array(bytes, area).map(u64::from_be_bytes));
        let mut generations: Vec<_> = generations.into_iter().flatten().collect();
        generations.sort_unstable_by(|a, b| b.cmp(a));
        let whole = generations.into_iter().any(|generation| log.live(bytes, generation, memory).is_some());
        whole.then_some(log).ok_or(Unopened::Damaged)
    }

    /// Lives an area, up to the first record that is not whole.
    fn live(&mut self, bytes: &[u8], generation: u64, memory: &mut [u8]) -> Option<()> {
        let area = area_of(generation, self.size);
        let mut place = area + 8;
        let first = self.opened(bytes, place, &beginning(self.id, generation))?;
        memory.copy_from_slice(first.0.get(4..)?);
        (self.generation, self.last) = (generation, first.1);
        place += LEAD + first.0.len();
        while let Some((body, tag)) = self.opened(bytes, place, &self.last) {
            self.apply(&body, memory)?;
            self.last = tag;
            place += LEAD + body.len();
        }
        self.end = place;
        Some(())
    }

    /// The body of a record that is whole, and its tag.
    fn opened(&self, bytes: &[u8], place: usize, chained: &[u8]) -> Option<(Zeroizing<Vec<u8>>, [u8; TAG])> {
        let Record { nonce, tag, body } = Record::at(bytes, place)?;
        let mut body = Zeroizing::new(body.to_vec());
        unseal(&self.cipher, &nonce, chained, &mut body, &tag)?;
        Some((body, tag))
    }

    /// Does to a memory what a body says.
    fn apply(&self, body: &[u8], memory: &mut [u8]) -> Option<()> {
        let (address, bytes) = body.split_at_checked(4)?;
        let address = u32::from_be_bytes(address.try_into().ok()?) as usize;
        let place = memory.get_mut(address..)?;
        match bytes {
            [] => place.get_mut(..self.block)?.fill(0xFF),
            _ => place.get_mut(..bytes.len())?.copy_from_slice(bytes),
        }
        Some(())
    }

    /// Notes that `bytes` are at an address now, or, where there are none, that its block is erased;
    /// `memory` is what the chip has before. With `durable`, what is written over is on the disk
    /// elsewhere.
    pub(super) fn note(
        &mut self,
        file: &File,
        (address, bytes): (usize, &[u8]),
        (memory, durable): (&[u8], bool),
        random: &mut dyn Rng,
    ) -> std::io::Result<()> {
        let limit = area_of(self.generation, self.size) + 2 * self.size + SPARE;
        if self.end + LEAD + 4 + bytes.len() > limit {
            if durable {
                file.sync_data()?;
            }
            self.begin(file, self.generation + 1, memory, random)?;
        }
        let (end, last) = self.append(file, self.end, &self.last, (address, bytes), random)?;
        (self.end, self.last) = (end, last);
        Ok(())
    }

    /// Begins an area with the whole memory.
    fn begin(
        &mut self,
        file: &File,
        generation: u64,
        memory: &[u8],
        random: &mut dyn Rng,
    ) -> std::io::Result<()> {
        let area = area_of(generation, self.size);
        write_at(file, area, &generation.to_be_bytes())?;
        let chained = beginning(self.id, generation);
        let (end, last) = self.append(file, area + 8, &chained, (0, memory), random)?;
        (self.generation, self.end, self.last) = (generation, end, last);
        Ok(())
    }

    /// Writes a record; where it ends, and its tag.
    fn append(
        &self,
        file: &File,
        place: usize,
        chained: &[u8],
        (address, bytes): (usize, &[u8]),
        random: &mut dyn Rng,
    ) -> std::io::Result<(usize, [u8; TAG])> {
        let mut nonce = [0; NONCE];
        random.fill_bytes(&mut nonce);
        let word = |number: usize| u32::try_from(number).map_err(std::io::Error::other);
        let mut record = Zeroizing::new(Vec::with_capacity(LEAD + 4 + bytes.len()));
        record.extend(word(4 + bytes.len())?.to_be_bytes());
        record.extend(nonce);
        record.extend([0; TAG]);
        record.extend(word(address)?.to_be_bytes());
        record.extend(bytes);
        let tag = seal(&self.cipher, &nonce, chained, &mut record[LEAD..])?;
        record[4 + NONCE..LEAD].copy_from_slice(&tag);
        write_at(file, place, &record)?;
        Ok((place + record.len(), tag))
    }
}

impl<'a> Record<'a> {
    fn at(bytes: &'a [u8], place: usize) -> Option<Self> {
        let length = u32::from_be_bytes(array(bytes, place)?) as usize;
        let body = bytes.get(place + LEAD..)?.get(..length)?;
        Some(Self { nonce: array(bytes, place + 4)?, tag: array(bytes, place + 4 + NONCE)?, body })
    }
}

/// Encrypts in place; the tag.
fn seal(
    cipher: &Aes256GcmSiv,
    nonce: &[u8; NONCE],
    chained: &[u8],
    text: &mut [u8],
) -> std::io::Result<[u8; TAG]> {
    let sealed = cipher.encrypt_inout_detached(&Nonce::from(*nonce), chained, InOutBuf::from(text));
    sealed.map(Into::into).map_err(|_| std::io::Error::other("this cannot be encrypted"))
}

/// Decrypts in place; nothing where a bit of it is another one.
fn unseal(
    cipher: &Aes256GcmSiv,
    nonce: &[u8; NONCE],
    chained: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG],
) -> Option<()> {
    let (nonce, tag) = (Nonce::from(*nonce), Tag::from(*tag));
    cipher.decrypt_inout_detached(&nonce, chained, InOutBuf::from(text), &tag).ok()
}

#[cfg(test)]
#[path = "sealed_tests.rs"]
mod tests;
