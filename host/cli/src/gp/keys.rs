//! Keys of card management that a person gives, and those that are taken where none is given.
//! They are shown nowhere.

use std::path::{Path, PathBuf};

use apdu_spec::crypto::derivation::Holder;
use apdu_spec::crypto::secure_channel::{ChannelKey, KeySet, KeyType};
use background::Background;
use host::card::domain::{Access, KeyInformation};
use serde::Deserialize;
use simulation::{Error, World};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{output, process};

/// Keys to get in with.
#[derive(clap::Args)]
pub(crate) struct Keys {
    /// Keys, hexadecimal: ENC,MAC,DEK, or one for all three. Others on this machine can see them:
    /// for test cards only
    #[arg(long, global = true, value_name = "HEX", conflicts_with = "key_file", value_parser = secret)]
    key: Option<Secret>,
    /// File of keys: one line as for --key, or JSON {"enc": .., "mac": .., "dek": ..}
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Version of the keys, hexadecimal; without it, the newest
    #[arg(long, global = true, value_name = "HEX", value_parser = version)]
    key_version: Option<u8>,
}

/// Text that is erased, and never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(not shown)")
    }
}

#[allow(clippy::unnecessary_wraps)] // as clap wants it
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret(text.into()))
}

/// A version of keys, one byte in hexadecimal.
pub(crate) fn version(text: &str) -> Result<u8, String> {
    u8::from_str_radix(text, 16).map_err(|_| "one byte in hexadecimal is expected, such as 30".into())
}

/// The form of a key file.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    enc: String,
    mac: String,
    dek: String,
}

/// Three keys in hexadecimal, not known yet of which type.
pub(crate) struct Given([Zeroizing<Vec<u8>>; 3]);

impl Given {
    /// Keys on the command line.
    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        let [enc, mac, dek] = match parts[..] {
            [one] => [one, one, one],
            [enc, mac, dek] => [enc, mac, dek],
            _ => return None,
        };
        let key = |text: &str| {
            hex::decode(text).ok().map(Zeroizing::new).filter(|key| [16, 24, 32].contains(&key.len()))
        };
        let keys = Self([key(enc)?, key(mac)?, key(dek)?]);
        let length = keys.0[0].len();
        Some(keys).filter(|keys| keys.0.iter().all(|key| key.len() == length))
    }

    /// Keys in a file.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let refuse = |reason: &str| Error::File { path: path.into(), reason: reason.into() };
        let text =
            std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| refuse(&error.to_string()))?;
        let given = if text.trim_start().starts_with('{') {
            // What serde says of a key that is no string would repeat it.
            let file: KeyFile = serde_json::from_str(&text)
                .map_err(|_| refuse("this is no JSON with enc, mac and dek, each a string"))?;
            Self::parse(&Zeroizing::new(format!("{},{},{}", file.enc, file.mac, file.dek)))
        } else {
            Self::parse(text.trim())
        };
        given.ok_or_else(|| refuse("these are no three keys, or one, of 16, 24 or 32 bytes in hexadecimal"))
    }

    /// The keys as ones of a type.
    pub(crate) fn keys(&self, kind: KeyType) -> Result<KeySet, Error> {
        let [enc, mac, dek] = &self.0;
        let key = |bytes: &[u8]| {
            let unfit = |_| Error::Order("keys of Triple DES have 16 bytes".into());
            ChannelKey::new(kind, bytes).map_err(unfit)
        };
        Ok(KeySet { enc: key(enc)?, mac: key(mac)?, dek: key(dek)? })
    }
}

impl Keys {
    fn given(&self) -> Result<Option<Given>, Error> {
        if let Some(path) = &self.key_file {
            return Given::read(path).map(Some);
        }
        let parse = |secret: &Secret| {
            let wrong = "--key takes one key or three with commas, each 16, 24 or 32 bytes in hexadecimal";
            Given::parse(&secret.0).unwrap_or_else(|| process::usage(wrong))
        };
        Ok(self.key.as_ref().map(parse))
    }

    /// Whether keys were given.
    pub(crate) const fn are_given(&self) -> bool {
        self.key.is_some() || self.key_file.is_some()
    }

    /// The keys that a blank card comes with: the given ones, else those of sample cards.
    pub(crate) fn initial(&self) -> Result<Access, Error> {
        let keys = match self.given()? {
            Some(given) => given.keys(KeyType::Aes)?,
            None => KeySet::sample(KeyType::Aes),
        };
        Ok(Access::with(keys, self.key_version.unwrap_or(0)))
    }

    /// The keys for a card that has those of `held`: the given ones; else, where it has a scheme's
    /// own, those; else those of sample cards. Which, is said.
    pub(crate) fn access(
        &self,
        held: &[KeyInformation],
        scheme: Option<(&World, Holder)>,
    ) -> Result<Access, Error> {
        let wanted = self.key_version;
        let of = |version: u8| held.iter().find(|key| key.version == version);
        // Where the card has both types, the version says which is meant.
        let kind = |version: Option<u8>| {
            let is_des = |key: &KeyInformation| key.kind == KeyType::TripleDes as u8;
            let des = match version.and_then(of) {
                Some(key) => is_des(key),
                None => !held.is_empty() && held.iter().all(is_des),
            };
            if des { KeyType::TripleDes } else { KeyType::Aes }
        };
        if let Some(given) = self.given()? {
            return Ok(Access::with(given.keys(kind(wanted))?, wanted.unwrap_or(0)));
        }
        if let Some((world, holder)) = scheme {
            let own = world.own_access(holder).into_iter().find(|own| {
                let version = own.wish.key_version;
                of(version).is_some() && wanted.is_none_or(|wanted| wanted == version)
            });
            if let Some(own) = own {
                say(&format!("the scheme's own keys of this card, version {:02X}", own.wish.key_version));
                return Ok(own);
            }
        }
        say("the keys of sample cards, which everybody knows");
        Ok(Access::with(KeySet::sample(kind(wanted)), wanted.unwrap_or(0)))
    }
}

/// Whether some of the keys are a scheme's own.
pub(crate) fn has_own(held: &[KeyInformation]) -> bool {
    held.iter().any(|key| Background::is_own_version(key.version))
}

fn say(which: &str) {
    output::complain_plainly(&format_args!("with {which}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_or_three() {
        let lengths = |text: &str| Given::parse(text).map(|given| given.0.map(|key| key.len()));
        let key = "40".repeat(16);
        assert_eq!(lengths(&key), Some([16; 3]));
        assert_eq!(lengths(&format!("{key}, {key},{key}")), Some([16; 3]));
        assert_eq!(lengths(&"40".repeat(32)), Some([32; 3]));
        for wrong in ["", "40", &format!("{key},{key}"), &format!("{key},{key},{}", "40".repeat(24)), "zz"] {
            assert_eq!(lengths(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{:?}", Secret(key)), "(not shown)");
    }
}
