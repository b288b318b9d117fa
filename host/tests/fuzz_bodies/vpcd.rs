//! The body of the target `vpcd_frames`: what a reader sends to a served card. The first byte
//! is the size of the pieces in which the rest comes.
//!
//! Whatever comes, the card ends its stay without a panic, and all that it has said is whole
//! messages of two bytes and more, at most one for each message that came.

use std::io::{self, Read, Write};

use card_os::applets::AppletKind;
use host::reader::serve::{Removal, Served};
use host::reader::virtual_reader::VirtualReader;
use rand_core::SeedableRng;

/// A connection in memory.
struct Pieces<'b> {
    from: &'b [u8],
    size: usize,
    to: Vec<u8>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        assert!(!buffer.is_empty(), "there is always room for more");
        let count = self.size.min(buffer.len()).min(self.from.len());
        let (piece, rest) = self.from.split_at(count);
        buffer[..count].copy_from_slice(piece);
        self.from = rest;
        Ok(count)
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lengths of the messages in a stream, and the bytes behind the last whole one.
fn messages(mut stream: &[u8]) -> (Vec<usize>, usize) {
    let mut lengths = Vec::new();
    while let [high, low, rest @ ..] = stream {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(rest) = rest.get(length..) else { break };
        lengths.push(length);
        stream = rest;
    }
    (lengths, stream.len())
}

/// Runs one input.
pub fn run(bytes: &[u8]) {
    let [size, stream @ ..] = bytes else { return };
    let random = Box::new(rand_chacha::ChaCha12Rng::seed_from_u64(1));
    let card = VirtualReader::blank(AppletKind::Purse, random).expect("a blank card");
    let mut pieces = Pieces { from: stream, size: usize::from(*size).max(1), to: Vec::new() };
    let removal = Served::new(card).session(&mut pieces, &mut |_| {});
    let (came, left_over) = messages(stream);
    match removal {
        Removal::Closed => assert_eq!(left_over, 0),
        Removal::Torn => assert_ne!(left_over, 0),
        Removal::Mute(_) => {}
        other => panic!("{other:?}"),
    }
    let (said, torn) = messages(&pieces.to);
    assert_eq!(torn, 0, "answers are whole");
    assert!(said.iter().all(|length| *length >= 2), "an empty answer would hang a reader");
    assert!(said.len() <= came.len());
}
