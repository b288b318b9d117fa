//! Versions, damage and locks of image files.

use card_os::Card;
use card_os::applets::AppletKind;
use card_os::kernel::Response;
use card_os::kernel::memory::MemoryError;
use rand_core::SeedableRng;

use super::*;

fn random() -> Randomness {
    Box::new(rand_chacha::ChaCha12Rng::seed_from_u64(1))
}

fn set_version(path: &Path, version: u32) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    write_at(&file, 12, &version.to_be_bytes()).unwrap();
}

fn refusal(path: &Path) -> String {
    Image::open(path, None, random()).unwrap_err().to_string()
}

#[test]
fn an_image_of_version_2_is_run_with_its_own_checksums() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("card");
    let mut image = Image { version: 2, ..Image::in_ram(Geometry::PURSE, random()) };
    image.write_new(&path, None).unwrap();
    drop(Card::create(image, &[AppletKind::Purse]).unwrap());
    for _ in 0..3 {
        let mut card = Card::open(Image::open(&path, None, random()).unwrap()).unwrap();
        let mut response = Response::new();
        card.process(b"\x00\xA4\x04\x0C\x06\xF0PURSE", &mut response);
        assert_eq!(response.as_slice(), [0x90, 0x00]);
    }
    assert_eq!(std::fs::read(&path).unwrap()[12..16], [0, 0, 0, 2], "the file keeps its version");
    set_version(&path, 3);
    let as_version_3 = Card::open(Image::open(&path, None, random()).unwrap()).map(drop);
    assert_eq!(as_version_3, Err(MemoryError::NotFormatted), "the checksums are others");
}

#[test]
fn versions_that_are_not_read_say_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("card");
    drop(Image::create(&path, Geometry::PURSE, None, random()).unwrap());
    for (version, words) in [
        (5, "newer program, version 5; update"),
        (u32::MAX, "newer"),
        (1, "never released"),
        (0, "not a card image"),
    ] {
        set_version(&path, version);
        let refusal = refusal(&path);
        assert!(refusal.contains(words), "{refusal}");
    }
}

#[test]
fn a_file_of_another_size_or_kind_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("card");
    drop(Image::create(&path, Geometry::PURSE, None, random()).unwrap());
    let whole = std::fs::read(&path).unwrap();
    for cut in [HEAD, HEAD + 1, whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        assert!(refusal(&path).contains("cut short"), "{cut}");
    }
    for cut in [0, 1, 9, HEAD - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        assert!(refusal(&path).contains("not a card image"), "{cut}");
    }
}

#[test]
fn an_image_is_run_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("card");
    let first = Image::create(&path, Geometry::PURSE, None, random()).unwrap();
    assert!(refusal(&path).contains("another process runs this card"));
    drop(first);
    Image::open(&path, None, random()).unwrap();
}
