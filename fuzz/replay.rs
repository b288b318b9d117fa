//! Seeds and crashes of a fuzz target on stable Rust, for the tests of the crate that it is of.

use std::fs;
use std::path::{Path, PathBuf};

/// Every seed of the target is committed, and its body survives all that are, and every crash
/// that was ever found. `PURSE_BLESS=1` writes seeds that are missing.
pub(crate) fn replay<N: AsRef<str>>(target: &str, body: fn(&[u8]), seeds: &[(N, Vec<u8>)]) {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let fuzz = above.map(|folder| folder.join("fuzz")).find(|fuzz| fuzz.join("replay.rs").exists()).unwrap();
    let folder = |kind: &str| -> PathBuf { fuzz.join(kind).join(target) };
    let bless = std::env::var_os("PURSE_BLESS").is_some_and(|value| value == "1");
    for (name, bytes) in seeds {
        let path = folder("seeds").join(name.as_ref());
        if bless && !path.exists() {
            fs::create_dir_all(folder("seeds")).unwrap();
            fs::write(&path, bytes).unwrap();
        }
        assert!(path.exists(), "no seed {}: run with PURSE_BLESS=1", path.display());
    }
    let mut replayed = 0;
    // A target that never crashed has no folder of crashes.
    for file in ["seeds", "crashes"].iter().filter_map(|kind| fs::read_dir(folder(kind)).ok()).flatten() {
        let path = file.unwrap().path();
        println!("{}", path.display());
        body(&fs::read(path).unwrap());
        replayed += 1;
    }
    assert!(replayed >= seeds.len());
}
