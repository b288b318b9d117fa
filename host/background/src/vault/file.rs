//! The vault's file: JSON, keys in hexadecimal, readable by its owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use apdu_spec::crypto::Key;
use apdu_spec::element::Algorithm;
use apdu_spec::personalisation::Function;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::software::{Master, Vault};
use crate::error::Error;

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct KeyFile {
    format: u32,
    keys: Vec<KeyLine>,
}

#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct KeyLine {
    function: String,
    group: u8,
    version: u8,
    algorithm: String,
    key: String,
}

const FUNCTIONS: [(Function, &str); 7] = [
    (Function::Load, "load"),
    (Function::Purchase, "purchase"),
    (Function::Certificate, "certificate"),
    (Function::Record, "record"),
    (Function::ChannelEncryption, "channel-encryption"),
    (Function::ChannelMac, "channel-mac"),
    (Function::ChannelData, "channel-data"),
];

const ALGORITHMS: [(Algorithm, &str); 2] =
    [(Algorithm::AesCmac, "aes-cmac"), (Algorithm::RetailMac, "retail-mac")];

fn word<T: Copy + PartialEq>(table: &[(T, &'static str)], value: T) -> String {
    table.iter().find(|(known, _)| *known == value).map_or_else(String::new, |(_, word)| (*word).to_owned())
}

fn value<T: Copy>(table: &[(T, &str)], word: &str) -> Result<T, String> {
    let found = table.iter().find(|(_, known)| *known == word);
    found.map(|(value, _)| *value).ok_or_else(|| format!("\"{word}\" is not known"))
}

impl Vault {
    /// Writes the keys to `path`, which only its owner may read (mode 0600). The file is
    /// replaced as a whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let keys = self.masters.iter().map(|((_, group, version), master)| KeyLine {
            function: word(&FUNCTIONS, master.function),
            group: *group,
            version: *version,
            algorithm: word(&ALGORITHMS, master.algorithm),
            key: hex::encode(master.key.expose()),
        });
        let file = KeyFile { format: FORMAT, keys: keys.collect() };
        let bad =
            |error: serde_json::Error| Error::VaultFile { path: path.to_owned(), reason: error.to_string() };
        let text = Zeroizing::new(serde_json::to_vec_pretty(&file).map_err(bad)?);
        let temporary = path.with_extension("partial");
        write_secret(&temporary, &text).map_err(Error::io(&temporary))?;
        fs::rename(&temporary, path).map_err(Error::io(path))?;
        synchronise(path)
    }

    /// Reads the keys from `path`.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = Zeroizing::new(fs::read(path).map_err(Error::io(path))?);
        let bad = |reason: String| Error::VaultFile { path: path.to_owned(), reason };
        let file: KeyFile = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
        if file.format != FORMAT {
            return Err(bad(format!("format {} is not known", file.format)));
        }
        let mut vault = Self::new();
        for line in &file.keys {
            let master = master(line).map_err(bad)?;
            vault.masters.insert((master.function as u8, line.group, line.version), master);
        }
        Ok(vault)
    }
}

fn master(line: &KeyLine) -> Result<Master, String> {
    let mut bytes = Zeroizing::new([0; 16]);
    hex::decode_to_slice(&line.key, bytes.as_mut()).map_err(|error| format!("a key is no key: {error}"))?;
    Ok(Master {
        function: value(&FUNCTIONS, &line.function)?,
        algorithm: value(&ALGORITHMS, &line.algorithm)?,
        key: Key::new(*bytes),
    })
}

/// Makes the new name durable, before a card is issued under these keys.
fn synchronise(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io(folder))
}

fn write_secret(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.sync_all()
}
