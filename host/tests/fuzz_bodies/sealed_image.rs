//! The body of the target `sealed_image`: a card image that somebody else has written. Where the first
//! byte is odd, the rest is the whole file. Where it is even, a sealed card is cut at the next two bytes
//! and changed: two bytes of place, one that is added to what is there, over and over.
//!
//! An image opens or does not; one that opens is a card, of now or of earlier, that answers.

use std::fs;
use std::sync::LazyLock;

use card_os::applets::AppletKind;
use host::reader::image::ImageKey;
use host::reader::virtual_reader::VirtualReader;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

const SELECT: &[u8] = b"\x00\xA4\x04\x00\x06\xF0PURSE";

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// A purse that was selected, sealed.
static CARD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (path, random) = (FOLDER.path().join("purse"), Box::new(ChaCha12Rng::seed_from_u64(1)));
    let mut card =
        VirtualReader::create_with(&path, AppletKind::Purse, Some(&key()), random).expect("a card");
    card.process(SELECT).expect("selected");
    card.housekeep();
    drop(card);
    fs::read(path).expect("an image")
});

fn key() -> ImageKey {
    ImageKey::new(&[0x5A; 32])
}

fn file(bytes: &[u8]) -> Vec<u8> {
    let [first, high, low, edits @ ..] = bytes else { return bytes.to_vec() };
    if first % 2 == 1 {
        return bytes[1..].to_vec();
    }
    let mut file = CARD.clone();
    file.truncate(usize::from(u16::from_be_bytes([*high, *low])));
    for edit in edits.chunks_exact(3) {
        if let Some(byte) = file.get_mut(usize::from(u16::from_be_bytes([edit[0], edit[1]]))) {
            *byte = byte.wrapping_add(edit[2]);
        }
    }
    file
}

/// Runs one input. Whether the image opened.
pub fn run(bytes: &[u8]) -> bool {
    let file = file(bytes);
    let path = FOLDER.path().join(format!("{:?}", std::thread::current().id()));
    fs::write(&path, file).expect("written");
    let random = Box::new(ChaCha12Rng::seed_from_u64(2));
    let Ok(mut card) = VirtualReader::open_with(&path, Some(&key()), random, false) else { return false };
    assert!(card.process(SELECT).is_ok_and(|answer| answer.len() >= 2), "a card that does not answer");
    true
}
