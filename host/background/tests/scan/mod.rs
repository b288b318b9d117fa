//! Reads all memory that this process can write to, as a debugger or a core file would have it.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};

use zeroize::Zeroize as _;

/// By how much pieces overlap: what is looked for is no longer.
pub(crate) const OVERLAP: usize = 16;
/// Bytes of a piece.
const PIECE: usize = 1 << 20;

/// What this process can write to: from, to.
fn writable() -> Vec<(usize, usize)> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let range = |line: &str| {
        let (range, mode) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let address = |text| usize::from_str_radix(text, 16).ok();
        Some((address(from)?, address(to)?)).filter(|_| mode.starts_with("rw"))
    };
    maps.lines().filter_map(range).collect()
}

/// Shows all of it, piece by piece, but for what the pieces are read into.
pub(crate) fn memory(look: &mut dyn FnMut(&[u8])) {
    let mut memory = File::open("/proc/self/mem").unwrap();
    let mut buffer = vec![0; PIECE];
    let own = buffer.as_ptr_range();
    let beside = |(from, to): (usize, usize)| {
        [(from, to.min(own.start.addr())), (from.max(own.end.addr()), to)].into_iter().filter(|(a, b)| a < b)
    };
    for (from, to) in writable().into_iter().flat_map(beside) {
        for start in (from..to).step_by(PIECE - OVERLAP) {
            let piece = &mut buffer[..(to - start).min(PIECE)];
            memory.seek(SeekFrom::Start(start as u64)).unwrap();
            memory.read_exact(piece).unwrap();
            look(piece);
        }
    }
    buffer.zeroize();
}
