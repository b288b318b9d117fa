//! The keys of a vault as text: JSON, keys in hexadecimal. What holds the text is erased by who has it.
//!
//! Keys go straight from their place into the text and back: no string of their own is ever made
//! of them.

use apdu_spec::crypto::Key;
use apdu_spec::element::Algorithm;
use apdu_spec::personalisation::Function;
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use super::software::{Master, Vault};

/// Room for the text of a key: a text that grows would leave copies behind.
const ROOM: usize = 256;

/// All keys of a vault.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyList<'a, K> {
    #[serde(borrow)]
    keys: Vec<KeyLine<'a, K>>,
    /// The two halves of the key of card images.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    images: Vec<K>,
}

/// A master key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyLine<'a, K> {
    function: &'a str,
    group: u8,
    version: u8,
    algorithm: &'a str,
    key: K,
}

/// A key that is written.
pub(super) struct Hexadecimal<'a>(&'a Key);

impl Serialize for Hexadecimal<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = Zeroizing::new([0; 32]);
        let encoded = hex::encode_to_slice(self.0.expose(), digits.as_mut_slice());
        encoded.map_err(serde::ser::Error::custom)?;
        let text = std::str::from_utf8(digits.as_slice()).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(text)
    }
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

fn word<T: Copy + PartialEq>(table: &[(T, &'static str)], value: T) -> &'static str {
    table.iter().find(|(known, _)| *known == value).map_or("", |(_, word)| word)
}

fn value<T: Copy>(table: &[(T, &str)], word: &str) -> Result<T, String> {
    let found = table.iter().find(|(_, known)| *known == word);
    found.map(|(value, _)| *value).ok_or_else(|| format!("\"{word}\" is not known"))
}

impl Vault {
    /// What is written.
    pub(super) fn list(&self) -> KeyList<'_, Hexadecimal<'_>> {
        let line = |(slot, master): (&super::software::Slot, &Master)| KeyLine {
            function: word(&FUNCTIONS, master.function),
            group: slot.1,
            version: slot.2,
            algorithm: word(&ALGORITHMS, master.algorithm),
            key: Hexadecimal(self.memory.key(master.place)),
        };
        let images = self.images.iter().flatten().map(|half| Hexadecimal(self.memory.key(*half)));
        KeyList { keys: self.masters.iter().map(line).collect(), images: images.collect() }
    }

    /// Writes something that has the keys as JSON. `pretty` is for people.
    pub(super) fn text(&self, of: &impl Serialize, pretty: bool) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(Vec::with_capacity(ROOM * (self.masters.len() + 4)));
        let written = match pretty {
            true => serde_json::to_writer_pretty(&mut *text, of),
            false => serde_json::to_writer(&mut *text, of),
        };
        written.ok().map(|()| text)
    }

    /// A vault of what was read.
    pub(super) fn of_list(list: &KeyList<'_, &str>) -> Result<Self, String> {
        let mut vault = Self::new();
        for line in &list.keys {
            let function = value(&FUNCTIONS, line.function)?;
            let algorithm = value(&ALGORITHMS, line.algorithm)?;
            let place = vault.memory.add(|key| decode(line.key, key))?;
            let slot = (function as u8, line.group, line.version);
            vault.masters.insert(slot, Master { function, algorithm, place });
        }
        vault.images = match list.images[..] {
            [] => None,
            [left, right] => {
                let mut half = |text| vault.memory.add(|key| decode(text, key));
                Some([half(left)?, half(right)?])
            }
            _ => return Err("the key of card images has two halves".into()),
        };
        Ok(vault)
    }
}

fn decode(text: &str, key: &mut [u8; 16]) -> Result<(), String> {
    hex::decode_to_slice(text, key).map_err(|error| format!("a key is no key: {error}"))
}
