//! Memory for master keys: pages that hold nothing else, that are not swapped out where the system
//! lets us, and that are erased before they are given back.
//!
//! A key is written where it stays and is lent from there, so that nothing moves it and leaves a
//! copy behind. Locking is best effort: a process that may lock no memory (`ulimit -l`) works with
//! keys that can be swapped. The crate `region` locks through a safe interface; `rustix` and `libc`
//! want `unsafe` for it.

use apdu_spec::crypto::Key;
use region::LockGuard;
use zeroize::Zeroize as _;

/// Bytes of a key.
const KEY: usize = size_of::<Key>();
/// Stack below the caller that is written over once keys are gone: what ciphers have moved there.
const STACK: usize = 32 << 10;

/// Where a key is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    page: usize,
    slot: usize,
}

/// Pages of keys.
#[derive(Default)]
pub(super) struct KeyMemory {
    pages: Vec<Page>,
}

/// A page, within an allocation that is large enough to have a whole one.
struct Page {
    slots: Box<[Key]>,
    /// The next free slot, and the end of the page.
    free: usize,
    end: usize,
    lock: Option<LockGuard>,
}

impl KeyMemory {
    /// A new key, which `fill` writes in its place; where that fails, nothing was taken.
    pub(super) fn add<E>(&mut self, fill: impl FnOnce(&mut [u8; KEY]) -> Result<(), E>) -> Result<Place, E> {
        if self.pages.last().is_none_or(|page| page.free == page.end) {
            self.pages.push(Page::new());
        }
        let page = self.pages.len() - 1;
        let Page { slots, free, .. } = &mut self.pages[page];
        let slot = *free;
        fill(slots[slot].expose_mut())?;
        *free += 1;
        Ok(Place { page, slot })
    }

    /// The key at a place that this memory gave.
    pub(super) fn key(&self, Place { page, slot }: Place) -> &Key {
        &self.pages[page].slots[slot]
    }
}

impl Page {
    fn new() -> Self {
        let size = region::page::size();
        let slots: Box<[Key]> = (0..2 * size / KEY).map(|_| Key::new([0; KEY])).collect();
        let before = slots.as_ptr().addr().wrapping_neg() % size;
        let (free, end) = (before.div_ceil(KEY), (before + size) / KEY);
        let lock = region::lock(slots[free..end].as_ptr(), (end - free) * KEY).ok();
        Self { slots, free, end, lock }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.slots.iter_mut().for_each(|key| key.zeroize());
        self.lock = None;
    }
}

impl Drop for KeyMemory {
    fn drop(&mut self) {
        self.pages.clear();
        erase_stack();
    }
}

/// Ciphers erase their keys, but not what moving them has left in frames that have returned.
#[inline(never)]
pub(super) fn erase_stack() {
    let mut stack = [0u8; STACK];
    stack.zeroize();
    std::hint::black_box(&stack);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test fails by panicking
mod tests {
    use super::*;

    fn filled(byte: u8) -> impl FnOnce(&mut [u8; KEY]) -> Result<(), ()> {
        move |key| {
            key.fill(byte);
            Ok(())
        }
    }

    #[test]
    fn keys_stay_where_they_are_on_pages_of_their_own() {
        let size = region::page::size();
        let mut memory = KeyMemory::default();
        let places: Vec<_> = (0..=u8::MAX).map(|byte| memory.add(filled(byte)).unwrap()).collect();
        let first = std::ptr::from_ref(memory.key(places[0]));
        (0..2 * size / KEY).for_each(|_| assert!(memory.add(filled(0)).is_ok()));
        assert!(memory.pages.len() > 1);
        assert_eq!(first, std::ptr::from_ref(memory.key(places[0])));
        for (byte, place) in (0..=u8::MAX).zip(&places) {
            assert_eq!(memory.key(*place).expose(), &[byte; KEY]);
        }
        for page in &memory.pages {
            let of = |slot: usize| page.slots[slot..].as_ptr().addr() / size;
            assert_eq!(of(page.end - 1), of(page.end - size / KEY + 1), "one page");
        }
    }

    #[test]
    fn what_could_not_be_filled_takes_no_place() {
        let mut memory = KeyMemory::default();
        assert_eq!(memory.add(|_| Err("no")).err(), Some("no"));
        let place = memory.add(filled(7)).unwrap();
        assert_eq!(memory.key(place).expose(), &[7; KEY]);
    }
}
