//! The body of the target `vault_file`: any bytes in the place of a vault, plain or sealed, opened
//! with the right passphrase where that costs little.

use std::fs;
use std::sync::LazyLock;

use background::vault::{Passphrase, VaultFile};
use background::{Error, Vault};
use serde_json::Value;

/// The passphrase of sealed seeds.
pub const PASSPHRASE: &str = "a passphrase of the fuzzer";

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// Whether a guess at the passphrase costs so little that a fuzzer can make it. What it may cost at
/// the most is for the parser to say.
fn is_cheap(bytes: &[u8]) -> bool {
    let file: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let most = |name: &str, most: u64| file["sealed"][name].as_u64().is_some_and(|cost| cost <= most);
    most("memory", 64) && most("passes", 2) && most("lanes", 2)
}

fn passphrase(bytes: &[u8]) -> Result<Passphrase, Error> {
    let known = Passphrase::new(PASSPHRASE.into()).filter(|_| is_cheap(bytes));
    known.ok_or(Error::BadOrder("this would take too long"))
}

fn opened(bytes: &[u8]) -> [Option<Vault>; 2] {
    let path = FOLDER.path().join(format!("{:?}", std::thread::current().id()));
    fs::write(&path, bytes).expect("written");
    let vault = |opened: Result<(VaultFile, Vault), Error>| opened.ok().map(|(_, vault)| vault);
    [vault(VaultFile::open_plain(&path)), vault(VaultFile::open(&path, &mut || passphrase(bytes)))]
}

/// Runs one input: at most one of the two ways opens it. How many did.
pub fn run(bytes: &[u8]) -> usize {
    let ways = opened(bytes).iter().flatten().count();
    assert!(ways <= 1, "a vault that is plain and sealed");
    ways
}
