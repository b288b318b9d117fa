//! The bytes of an entry.
//!
//! ```text
//! entry  := units (1)  number (1)  checksum (4)  body  padding FF to whole units
//! body   := item*
//! item   := tag (1)  length (1)  value             cell, tick, opening, clean, erasing, seal
//!         | tag (1)  length (1)  number (4)  value       record; length counts the value
//! ```
//!
//! The checksum (CRC-32/ISCSI) is over the block's seed (4), the entry's place in the
//! block (4), `units`, `number` and the padded body, then FF up to a multiple of 16
//! bytes: an entry is valid in its place and nowhere else. The seed is the block's sequence
//! exclusive-or a salt of three bytes, drawn when the memory was formatted: who hands in a
//! value that is to read as an entry, where the entry around it is torn, has one chance in
//! 16 million.

use apdu_spec::Writer;

use super::index::Place;
use crate::platform::{Platform, UNIT};

/// Bytes before the body.
pub const HEADER: usize = 6;
/// Longest entry.
pub const ENTRY_MAX: usize = 256;
/// Longest body.
pub const BODY_MAX: usize = ENTRY_MAX - HEADER;
/// Bytes of a seal: one unit.
pub const SEAL_SIZE: usize = size(2);

/// Bit of the tag that makes an item a record.
pub const RECORD: u8 = 0x80;
/// Adds one to counter `tag - TICK`: an entry of one unit, where a new value takes two.
pub const TICK: u8 = 0xA0;
/// Opens a block: sequence (3), salt (3), number (4), flags (1: [`ERASES`], [`RESCUES`]), clean
/// blocks behind it (1), next numbers of the logs (4 each).
pub const OPENING: u8 = 0xFE;
/// The block that was being erased is erased.
pub const CLEAN: u8 = 0xFD;
/// The oldest block is being erased.
pub const ERASING: u8 = 0xFC;
/// Repeats the number of the entry before.
pub const SEAL: u8 = 0xFB;
/// Flag of an opening: the oldest block is being erased.
pub const ERASES: u8 = 0x01;
/// Flag of an opening: it repeats the number of the last entry that counts, and the one
/// after that, which did not fit behind its first writing, follows again.
pub const RESCUES: u8 = 0x02;
/// Tags of the memory itself.
const OWN: u8 = SEAL;
/// Greatest sequence of an opening: a million erasures of each of 16 blocks.
pub const SEQUENCE_MAX: u32 = 0x00FF_FFFE;
/// Greatest number of an opening. No chip lives that long: only a forged image comes near the
/// end of the numbers.
const NUMBER_MAX: u32 = u32::MAX - 0x0100_0000;
/// Number of the last record that a log takes: a place in front of the end, so that no sum of a
/// few numbers wraps.
pub const RECORD_MAX: u32 = NUMBER_MAX;
/// Value bytes of an opening.
pub const OPENING_LENGTH: usize = 12 + 4 * super::index::LOGS;

/// The cell of a counter: cell 1 of each 32.
#[must_use]
pub const fn counter_cell(counter: u8) -> u8 {
    counter * 32 + 1
}

/// Bytes that an entry with a body of this length takes.
#[must_use]
pub const fn size(body: usize) -> usize {
    (HEADER + body).next_multiple_of(UNIT)
}

/// Bytes that the checksum covers before the body: seed, place, units, number.
const PREFIX: usize = 10;
/// Room before an entry in its buffer, so that the prefix fits before the body and the
/// checksum is one run over whole words.
const LEAD: usize = PREFIX - HEADER;
/// The checksum runs over whole steps of its table; what it reads behind the entry is FF.
const STEP: usize = 16;
/// Bytes of the buffer of an entry.
const BUFFER: usize = (LEAD + ENTRY_MAX).next_multiple_of(STEP);

/// Bytes in line with words, so that their checksum is taken word by word.
#[derive(Debug)]
#[repr(align(8))]
struct Aligned<const N: usize>([u8; N]);

/// The buffer of an entry, FF where nothing was written.
type Buffer = Aligned<BUFFER>;

impl Buffer {
    const fn new() -> Self {
        Self([0xFF; BUFFER])
    }
}

impl<const N: usize> core::ops::Deref for Aligned<N> {
    type Target = [u8; N];
    fn deref(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> core::ops::DerefMut for Aligned<N> {
    fn deref_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

/// The checksum of the entry of `size` bytes in its place. It stands in `buffer` behind
/// [`LEAD`] bytes; its header is overwritten.
fn checksum(
    platform: &impl Platform,
    buffer: &mut [u8; BUFFER],
    size: usize,
    entry: (u32, usize, u8, u8),
) -> u32 {
    let (seed, place, units, number) = entry;
    if let Some(words) = buffer.first_chunk_mut() {
        *words = block_and_place(seed, place).to_be_bytes();
    }
    if let Some(rest) = buffer.get_mut(PREFIX - 2..PREFIX) {
        rest.copy_from_slice(&[units, number]);
    }
    platform.checksum(buffer.get(..(LEAD + size).next_multiple_of(STEP)).unwrap_or_default())
}

/// What every checksum begins with: seed of the block, place of the entry.
fn block_and_place(seed: u32, place: usize) -> u64 {
    u64::from(seed) << 32 | u64::from(u32::try_from(place).unwrap_or(u32::MAX))
}

/// The entry of one item without a value: one unit, put together as one number, because words
/// are read back faster than bytes.
#[must_use]
pub fn unit(platform: &impl Platform, tag: u8, number: u32, seed: u32, place: usize) -> [u8; UNIT] {
    let head = 1 << 8 | u64::from(number.to_be_bytes()[3]);
    let item = u64::from(tag) << 8;
    let padded = head << 48 | item << 32 | u64::from(u32::MAX);
    let covered = u128::from(block_and_place(seed, place)) << 64 | u128::from(padded);
    let sum = platform.checksum(&Aligned(covered.to_be_bytes()).0);
    (head << 48 | u64::from(sum) << 16 | item).to_be_bytes()
}

/// An item of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Cell, log, or one of the memory's own.
    pub tag: u8,
    /// Number of a record, else 0.
    pub number: u32,
    /// Where the value is, counted from the start of the body.
    pub place: Place,
}

impl Item {
    /// Whether it is a record of an applet.
    #[must_use]
    pub const fn is_record(&self) -> bool {
        self.tag & RECORD != 0 && self.tag < TICK
    }

    /// The cell that it counts up.
    #[must_use]
    pub const fn counter(&self) -> Option<u8> {
        if self.tag >= TICK && self.tag < OWN { Some(counter_cell(self.tag - TICK)) } else { None }
    }

    /// Whether it is a cell of an applet.
    #[must_use]
    pub const fn is_cell(&self) -> bool {
        self.tag & RECORD == 0
    }
}

/// A body in the making, in the buffer that will be programmed.
#[derive(Debug)]
pub struct Body {
    buffer: Buffer,
    length: usize,
    overflow: bool,
    has_record: bool,
}

impl Default for Body {
    fn default() -> Self {
        Self { buffer: Buffer::new(), length: 0, overflow: false, has_record: false }
    }
}

impl Drop for Body {
    /// Keys pass through here. What was never written needs no erasing.
    fn drop(&mut self) {
        let used = if self.overflow { LEAD + ENTRY_MAX } else { PREFIX + self.length };
        if !self.has_record {
            zeroize::Zeroize::zeroize(self.buffer.get_mut(..used).unwrap_or_default());
        }
    }
}

impl Body {
    /// Appends an item; `number` has four bytes for a record, none else.
    pub fn put(&mut self, tag: u8, number: &[u8], value: &[u8]) {
        self.put_with(tag, number, |writer| writer.put(value));
    }

    /// Appends an item whose value `encode` writes, in its place.
    pub fn put_with(&mut self, tag: u8, number: &[u8], encode: impl FnOnce(&mut Writer<'_>)) {
        self.has_record |= !number.is_empty();
        let free = self.buffer.get_mut(PREFIX + self.length..LEAD + ENTRY_MAX).unwrap_or_default();
        let mut writer = Writer::new(free);
        writer.put(&[tag, 0]);
        writer.put(number);
        let before = writer.len();
        encode(&mut writer);
        let value = u8::try_from(writer.len() - before);
        match (writer.finish().map(<[u8]>::len), value, self.buffer.get_mut(PREFIX + self.length + 1)) {
            (Ok(written), Ok(value), Some(length)) => {
                *length = value;
                self.length += written;
            }
            _ => self.overflow = true,
        }
    }

    /// Lets the commit fail.
    pub const fn refuse(&mut self) {
        self.overflow = true;
    }

    /// Bytes so far.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// Whether something did not fit.
    #[must_use]
    pub const fn overflow(&self) -> bool {
        self.overflow
    }

    /// Whether it appends a record.
    #[must_use]
    pub const fn has_record(&self) -> bool {
        self.has_record
    }

    /// Writes the header; the whole entry, ready to be programmed.
    pub fn finish(&mut self, platform: &impl Platform, number: u32, seed: u32, place: usize) -> &[u8] {
        let size = size(self.length);
        let units = u8::try_from(size / UNIT).unwrap_or(u8::MAX);
        let number = number.to_be_bytes()[3];
        let sum = checksum(platform, &mut self.buffer, size, (seed, place, units, number));
        let [a, b, c, d] = sum.to_be_bytes();
        let entry = self.buffer.get_mut(LEAD..LEAD + size).unwrap_or_default();
        if let Some(header) = entry.first_chunk_mut::<HEADER>() {
            *header = [units, number, a, b, c, d];
        }
        entry
    }

    /// The items so far.
    pub fn items(&self) -> Items<'_> {
        Items { body: self.buffer.get(PREFIX..PREFIX + self.length).unwrap_or_default(), at: 0 }
    }
}

/// A valid entry that was read, or none yet.
#[derive(Debug)]
pub struct Entry {
    buffer: Buffer,
    size: usize,
    /// Low byte of its number.
    pub number: u8,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Entry {
    /// No entry yet.
    pub(super) const fn none() -> Self {
        Self { buffer: Buffer::new(), size: 0, number: 0 }
    }

    /// A cell may be a key.
    fn forget(&mut self) {
        if self.items().any(|item| item.is_cell()) {
            zeroize::Zeroize::zeroize(self.buffer.as_mut_slice());
        }
        self.size = 0;
    }

    /// Reads the entry at `place` of the block that begins at `base` and has this `seed`;
    /// nothing where there is no valid one. Without a seed it must be an opening, which is
    /// checked against its own.
    pub fn read(platform: &impl Platform, base: usize, seed: Option<u32>, place: usize) -> Option<Self> {
        let mut entry = Self::none();
        entry.load(platform, base, seed, place).then_some(entry)
    }

    /// The same, in the place of the entry before; whether there is a valid one.
    pub(super) fn load(
        &mut self,
        platform: &impl Platform,
        base: usize,
        seed: Option<u32>,
        place: usize,
    ) -> bool {
        self.forget();
        let valid = self.check(platform, base, seed, place);
        if !valid {
            self.size = 0;
        }
        valid
    }

    fn check(&mut self, platform: &impl Platform, base: usize, seed: Option<u32>, place: usize) -> bool {
        let mut first = [0; UNIT];
        if platform.read(base + place, &mut first).is_err() {
            return false;
        }
        let [units, number, a, b, c, d, ..] = first;
        let size = usize::from(units) * UNIT;
        if !(UNIT..=ENTRY_MAX).contains(&size) || place + size > platform.block_size() {
            return false;
        }
        let end = (LEAD + size).next_multiple_of(STEP);
        let Some(bytes) = self.buffer.get_mut(LEAD..end) else { return false };
        let (bytes, padding) = bytes.split_at_mut(size);
        padding.fill(0xFF);
        if platform.read(base + place, bytes).is_err() {
            return false;
        }
        (self.size, self.number) = (size, number);
        let Some(seed) = seed.or_else(|| self.opening().map(|opening| opening.seed())) else { return false };
        let sum = checksum(platform, &mut self.buffer, size, (seed, place, units, number));
        sum == u32::from_be_bytes([a, b, c, d])
    }

    /// Bytes that it takes.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Its items.
    pub fn items(&self) -> Items<'_> {
        Items { body: self.buffer.get(PREFIX..LEAD + self.size).unwrap_or_default(), at: 0 }
    }

    /// Whether an entry counts that stands before this one: this is its seal, or has the
    /// next number.
    #[must_use]
    pub fn counts(&self, before: &Self) -> bool {
        self.number == before.number.wrapping_add(u8::from(!self.is_seal()))
    }

    /// Whether it is a copy that a power-up has made of the entry before it.
    #[must_use]
    pub fn copies(&self, before: &Self) -> bool {
        self.number == before.number && !self.is_seal()
    }

    /// Whether it opens a block and says that an entry before it is the last one that counts.
    #[must_use]
    pub fn rescues(&self, before: &Self) -> bool {
        let flags = self.opening().map_or(0, |opening| opening.flags);
        self.number == before.number && flags & RESCUES != 0
    }

    /// Whether it is a seal.
    #[must_use]
    pub fn is_seal(&self) -> bool {
        self.items().next().is_some_and(|item| item.tag == SEAL)
    }

    /// The value of one of its items.
    #[must_use]
    pub fn value(&self, item: &Item) -> &[u8] {
        let start = PREFIX + item.place.address as usize;
        self.buffer.get(start..start + usize::from(item.place.length)).unwrap_or_default()
    }

    /// Whether these may be the first bytes of an opening.
    #[must_use]
    pub(super) const fn may_open(first: [u8; UNIT]) -> bool {
        let [units, _, _, _, _, _, tag, length] = first;
        units as usize * UNIT == size(2 + OPENING_LENGTH)
            && tag == OPENING
            && length as usize == OPENING_LENGTH
    }

    /// What it says, if it opens a block.
    #[must_use]
    pub fn opening(&self) -> Option<Opening> {
        let item = self.items().find(|item| item.tag == OPENING)?;
        let mut reader = apdu_spec::Reader::new(self.value(&item));
        let mut three = || reader.array().ok().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]));
        let (sequence, salt) = (three()?, three()?);
        let number = reader.array().ok().map(u32::from_be_bytes)?;
        let flags = reader.byte().ok()?;
        if sequence > SEQUENCE_MAX || number > NUMBER_MAX {
            return None;
        }
        let clean = sequence + u32::from(reader.byte().ok()?);
        let mut next = [0; super::index::LOGS];
        for place in &mut next {
            *place = reader.array().ok().map(u32::from_be_bytes).filter(|next| *next <= RECORD_MAX + 1)?;
        }
        Some(Opening { sequence, salt, clean, number, flags, next })
    }

    /// The same body again, to be written in another place.
    #[must_use]
    pub fn to_body(&self) -> Body {
        let mut body = Body::default();
        for item in self.items() {
            let number = item.number.to_be_bytes();
            body.put(item.tag, if item.is_record() { &number } else { &[] }, self.value(&item));
        }
        body
    }
}

/// What the first entry of a block says.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Sequence of the block.
    pub sequence: u32,
    /// Salt of this memory.
    pub salt: u32,
    /// Greatest sequence that was clean then.
    pub clean: u32,
    /// Number of this entry.
    pub number: u32,
    /// [`ERASES`], [`RESCUES`].
    pub flags: u8,
    /// Next record number of each log.
    pub next: [u32; super::index::LOGS],
}

impl Opening {
    /// What the checksums of this block begin with.
    #[must_use]
    pub const fn seed(&self) -> u32 {
        self.sequence ^ self.salt
    }
}

/// Walks the items of a body; ends at padding or at anything that is no item.
#[derive(Debug)]
pub struct Items<'a> {
    body: &'a [u8],
    at: usize,
}

impl Iterator for Items<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        let [tag, length, rest @ ..] = self.body.get(self.at..)? else { return None };
        if *tag == 0xFF {
            return None;
        }
        let mut start = self.at + 2;
        let mut item = Item { tag: *tag, number: 0, place: Place { address: 0, length: *length } };
        if item.is_record() {
            item.number = u32::from_be_bytes(*rest.first_chunk()?);
            start += 4;
            if item.number > RECORD_MAX {
                return None;
            }
        }
        item.place.address = u32::try_from(start).ok()?;
        self.at = start + usize::from(*length);
        (self.at <= self.body.len()).then_some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SimulatedChip;

    const CHIP: SimulatedChip<4, 1024> = SimulatedChip::new();

    #[test]
    fn the_longest_body_fits_and_one_byte_more_does_not() {
        for (length, fits) in [(BODY_MAX - 2, true), (BODY_MAX - 1, false)] {
            let mut body = Body::default();
            body.put(1, &[], &[7; 256][..length]);
            assert_eq!(body.overflow(), !fits);
            assert!(!fits || body.finish(&CHIP, 1, 1, 0).len() == ENTRY_MAX);
        }
    }

    #[test]
    fn a_unit_is_the_entry_of_an_item_without_a_value() {
        for tag in [SEAL, TICK, TICK + 2] {
            let mut body = Body::default();
            body.put(tag, &[], &[]);
            assert_eq!(body.finish(&CHIP, 0x1F7, 3, 48), unit(&CHIP, tag, 0x1F7, 3, 48));
        }
    }

    #[test]
    fn an_entry_is_valid_in_its_place_alone() {
        let mut body = Body::default();
        body.put(5, &[], b"abc");
        body.put(0x81, &[0, 0, 0, 9], b"record");
        let mut chip = CHIP;
        let bytes = body.finish(&CHIP, 7, 3, 8);
        chip.program(1024 + 8, bytes).expect("power");

        let read = |seed, place| Entry::read(&chip, 1024, Some(seed), place);
        let entry = read(3, 8).expect("valid");
        let items: heapless::Vec<_, 4> = entry.items().map(|item| (item.tag, item.number)).collect();
        assert_eq!(items, [(5, 0), (0x81, 9)]);
        assert!(read(4, 8).is_none() && read(3, 16).is_none());
    }
}
