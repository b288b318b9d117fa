//! Sealed images: cut anywhere, changed anywhere, written over many times.

#![allow(clippy::cast_possible_truncation)] // sizes of a test are small

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use card_os::Card;
use card_os::applets::AppletKind;
use card_os::kernel::Response;
use card_os::platform::Platform;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::super::{Geometry, Image, Randomness, SEALED};
use super::*;

const SMALL: Geometry = Geometry { block_size: 1_024, blocks: 4 };

struct Place {
    directory: tempfile::TempDir,
    key: ImageKey,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), key: ImageKey::new(&[0x5A; 32]) }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("card")
    }

    fn create(&self) -> Image {
        Image::create(&self.path(), SMALL, Some(&self.key), random(1)).unwrap()
    }

    fn open(&self) -> Result<Image, String> {
        Image::open(&self.path(), Some(&self.key), random(2)).map_err(|error| error.to_string())
    }
}

fn random(seed: u64) -> Randomness {
    Box::new(ChaCha12Rng::seed_from_u64(seed))
}

fn memory(image: &Image) -> Vec<u8> {
    let mut bytes = vec![0; SMALL.block_size * SMALL.blocks];
    image.read(0, &mut bytes).unwrap();
    bytes
}

/// Programs and erases what comes; the states of the memory, in order.
fn live(image: &mut Image, steps: u64, seed: u64) -> Vec<Vec<u8>> {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let mut states = vec![memory(image)];
    for step in 0..steps {
        let word = random.next_u32() as usize;
        if step % 8 == 7 {
            image.erase(word % SMALL.blocks).unwrap();
        } else {
            let mut bytes = vec![0; 8 * (1 + word % 16)];
            random.fill_bytes(&mut bytes);
            image.program(8 * (word % 400), &bytes).unwrap();
        }
        states.push(memory(image));
    }
    states
}

fn contains(path: &Path, needle: &[u8]) -> bool {
    std::fs::read(path).unwrap().windows(needle.len()).any(|window| window == needle)
}

#[test]
fn what_is_programmed_is_there_again_and_not_in_the_file() {
    let place = Place::new();
    let mut image = place.create();
    image.program(64, b"sixteen secret  bytes of a key..").unwrap();
    image.erase(3).unwrap();
    let before = memory(&image);
    drop(image);
    assert_eq!(memory(&place.open().unwrap()), before);
    assert!(!contains(&place.path(), b"sixteen ") && !contains(&place.path(), &[0xFF; 16]));
    assert_eq!(std::fs::read(place.path()).unwrap()[12..16], SEALED.to_be_bytes());
    let plain = place.directory.path().join("plain");
    let mut image = Image::create(&plain, SMALL, None, random(1)).unwrap();
    image.program(64, b"sixteen secret  bytes of a key..").unwrap();
    assert!(contains(&plain, b"sixteen ") && contains(&plain, &[0xFF; 16]), "this is how the test can fail");
}

#[test]
fn areas_are_written_over_and_the_file_does_not_grow() {
    let place = Place::new();
    let mut image = place.create().durable(true);
    for round in 0..20 {
        let last = live(&mut image, 100, round).pop().unwrap();
        drop(image);
        image = place.open().unwrap().durable(true);
        assert_eq!(memory(&image), last, "round {round}");
    }
    assert!(image.log.as_ref().unwrap().generation > 4);
    let length = std::fs::metadata(place.path()).unwrap().len();
    assert!(length <= longest(SMALL.block_size * SMALL.blocks) as u64);
}

/// A process or a disk that ends anywhere: the card is what it was after some whole step, and what
/// is written then is there.
#[test]
fn a_log_that_is_cut_anywhere_ends_before_the_cut() {
    let place = Place::new();
    let mut image = place.create();
    let begun = std::fs::metadata(place.path()).unwrap().len() as usize;
    let states = live(&mut image, 24, 3);
    drop(image);
    let whole = std::fs::read(place.path()).unwrap();
    let mut reached = BTreeSet::new();
    for cut in begun..=whole.len() {
        std::fs::write(place.path(), &whole[..cut]).unwrap();
        let mut image = place.open().unwrap();
        let now = memory(&image);
        let state = states.iter().rposition(|state| *state == now);
        reached.insert(state.expect("a state that was"));
        if cut % 13 == 0 {
            let last = live(&mut image, 5, cut as u64).pop().unwrap();
            drop(image);
            assert_eq!(memory(&place.open().unwrap()), last, "cut at {cut}");
        }
    }
    assert!(reached.len() > 20, "{reached:?}");
    std::fs::write(place.path(), &whole[..begun - 1]).unwrap();
    assert!(place.open().unwrap_err().contains("damaged"));
}

/// Every byte of head and log: a card is refused, or what it was once, and never what it never was.
#[test]
fn a_byte_that_is_changed_rolls_back_at_most() {
    let place = Place::new();
    let mut image = place.create();
    // Enough for the second area, so that both have something to be changed.
    let states = live(&mut image, 130, 4);
    assert_eq!(image.log.as_ref().unwrap().generation, 1);
    drop(image);
    let whole = std::fs::read(place.path()).unwrap();
    let (mut refused, mut changed) = (0, 0);
    for at in (0..AREAS).chain((AREAS..whole.len()).step_by(17)) {
        let mut other = whole.clone();
        other[at] ^= 0x10;
        std::fs::write(place.path(), &other).unwrap();
        match place.open() {
            Ok(image) => {
                let now = memory(&image);
                assert!(states.contains(&now), "byte {at} made a state that never was");
                changed += usize::from(now != states[130]);
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused >= AREAS && changed > 50, "{refused} refused, {changed} rolled back");
}

#[test]
fn keys_that_are_missing_wrong_or_too_much_are_said() {
    let place = Place::new();
    drop(place.create());
    let opened = |key: Option<&ImageKey>, path: &Path| {
        Image::open(path, key, random(1)).map(drop).map_err(|error| error.to_string())
    };
    assert!(opened(None, &place.path()).unwrap_err().contains("--image-key FILE"));
    let other = ImageKey::new(&[0x5B; 32]);
    assert!(opened(Some(&other), &place.path()).unwrap_err().contains("not the key of the image"));
    let plain = place.directory.path().join("plain");
    drop(Image::create(&plain, SMALL, None, random(1)).unwrap());
    assert!(opened(Some(&other), &plain).unwrap_err().contains("in clear"));
    assert_eq!(format!("{:?}", place.key), "(image key, not shown)");
}

/// The real card: each power-up goes on from what the log says, also where its end was lost.
#[test]
fn a_card_lives_on_a_sealed_image() {
    let place = Place::new();
    let open = || Image::open(&place.path(), Some(&place.key), random(5)).unwrap();
    let image = Image::create(&place.path(), Geometry::PURSE, Some(&place.key), random(1)).unwrap();
    drop(Card::create(image, &[AppletKind::Purse]).unwrap());
    let mut response = Response::new();
    for _ in 0..10 {
        let mut card = Card::open(open()).unwrap();
        card.process(b"\x00\xA4\x04\x0C\x06\xF0PURSE", &mut response);
        assert_eq!(response.as_slice(), [0x90, 0x00]);
        drop(card);
        let length = std::fs::metadata(place.path()).unwrap().len();
        let file = std::fs::OpenOptions::new().write(true).open(place.path()).unwrap();
        file.set_len(length - 3).unwrap();
    }
}
