//! Versions, damage and locks of image files.

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
fn versions_that_are_not_read_say_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("card");
    drop(Image::create(&path, Geometry::PURSE, None, random()).unwrap());
    for (version, words) in [
        (6, "newer program, version 6; update"),
        (u32::MAX, "newer"),
        (3, "version 3, whose records this program does not understand; unload it with"),
        (1, "version 1"),
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
