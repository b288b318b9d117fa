//! PUT KEY: keys on their way to a security domain.

use core::fmt;

use crate::crypto::secure_channel::{ChannelKey, EncryptedKey, Error, HostChannel, KeySet, KeyType};
use crate::form::Form;
use crate::wire::{Element, Malformed, Octets, Reader, Writer};
use crate::{layout, tlv};

/// P2 of PUT KEY: the first key is number 1, and more than one follows.
pub const KEY_IDENTIFIER: u8 = 0x81;
/// Length of a key check value.
const CHECK: usize = 3;
/// Keys of a version.
const KEYS: usize = 3;
/// Greatest length of the value of an encrypted key: its own length, then the blocks.
const VALUE_MAX: usize = 33;

layout! {
    /// PUT KEY.
    pub struct PutKeyRequest {
        /// Version that is replaced; 00 where the keys are additional (P1).
        replaced: u8,
        /// 81 (P2).
        identifier: u8,
        /// Version of the keys.
        version: u8,
        /// K-ENC, K-MAC, K-DEK.
        keys: KeyBlocks,
    }
}

layout! {
    /// Answer to PUT KEY.
    pub struct PutKeyResponse {
        /// Version of the keys.
        version: u8,
        /// Their key check values, 3 bytes each.
        check_values: [u8; CHECK * KEYS],
    }
}

layout! {
    /// A key of a security domain, as key information tells it: the value of an object `C0`
    /// (Card Specification 2.3.1, table 11-29).
    #[derive(Copy)]
    pub struct KeyInformation {
        /// Number: 1 encryption, 2 MACs, 3 data.
        number: u8,
        /// Version.
        version: u8,
        /// Type: a [`KeyType`], or one that only other cards have.
        kind: u8,
        /// Length in bytes.
        length: u8,
    }
}

impl KeyInformation {
    /// Tag of one key.
    pub const TAG: u16 = 0xC0;

    /// What is told of a key.
    #[must_use]
    pub fn of(number: u8, version: u8, key: &ChannelKey) -> Self {
        // 32 bytes at most.
        let length = u8::try_from(key.expose().len()).unwrap_or(u8::MAX);
        Self { number, version, kind: key.kind() as u8, length }
    }

    /// Appends the object.
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<(), Malformed> {
        tlv::put(writer, Self::TAG, self.to_slice(&mut [0; Self::MAX])?)
    }
}

/// A key that is encrypted under the K-DEK, with its check value.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// Type.
    pub kind: KeyType,
    /// Length of the key.
    pub length: u8,
    /// The key, in whole blocks.
    pub sealed: EncryptedKey,
    /// Check value, if there is one.
    pub check: Option<[u8; CHECK]>,
}

/// Three keys of PUT KEY: each type (1), length (1), value, length of the check value (1),
/// check value. The value of a key of AES may begin with the length of the key; where it does
/// not, the key is as long as what is encrypted (Amendment D v1.2, table 7-2; tools differ).
#[derive(Clone, PartialEq, Eq)]
pub struct KeyBlocks(pub [SealedKey; KEYS]);

impl KeyBlocks {
    /// Keys under the K-DEK of a channel, with their check values.
    pub fn seal(keys: &KeySet, channel: &HostChannel) -> Result<Self, Error> {
        let seal = |key: &ChannelKey| -> Result<SealedKey, Error> {
            let length = u8::try_from(key.expose().len()).map_err(|_| Error::Length)?;
            let (kind, sealed) = (key.kind(), channel.encrypt_key(key)?);
            Ok(SealedKey { kind, length, sealed, check: Some(key.check_value()) })
        };
        Ok(Self([seal(&keys.enc)?, seal(&keys.mac)?, seal(&keys.dek)?]))
    }
}

impl SealedKey {
    /// The blocks alone, as old tools send them.
    fn bare(kind: KeyType, value: &[u8]) -> Result<(u8, EncryptedKey), Malformed> {
        let length = match (kind, value.len()) {
            (KeyType::TripleDes, 16) | (KeyType::Aes, 16 | 32) => value.len(),
            _ => return Err(Malformed),
        };
        Ok((u8::try_from(length).map_err(|_| Malformed)?, Octets::new(value)?))
    }
}

impl fmt::Debug for SealedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes, not shown)", self.kind, self.length)
    }
}

impl fmt::Debug for KeyBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

impl Element for SealedKey {
    const MIN: usize = 3 + 16;
    const MAX: usize = 3 + VALUE_MAX + CHECK;
    const FORM: Form = Form::Secret(Self::MIN, Self::MAX);
    fn encode(&self, writer: &mut Writer<'_>) {
        let sealed = self.sealed.as_slice();
        // 32 bytes at most.
        let value = u8::try_from(sealed.len()).unwrap_or(u8::MAX);
        match self.kind {
            KeyType::TripleDes => writer.put(&[self.kind as u8, value]),
            KeyType::Aes => writer.put(&[self.kind as u8, value.saturating_add(1), self.length]),
        }
        writer.put(sealed);
        match self.check {
            Some([a, b, c]) => writer.put(&[3, a, b, c]),
            None => writer.put(&[0]),
        }
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let kind = KeyType::decode(reader)?;
        let length = usize::from(reader.byte()?);
        let value = reader.take(length)?;
        let (length, sealed) = match value {
            [length, blocks @ ..] if kind == KeyType::Aes && blocks.len().is_multiple_of(16) => {
                (*length, Octets::new(blocks)?)
            }
            _ => Self::bare(kind, value)?,
        };
        let check = match reader.byte()? {
            0 => None,
            3 => Some(reader.array()?),
            _ => return Err(Malformed),
        };
        Ok(Self { kind, length, sealed, check })
    }
}

impl Element for KeyBlocks {
    const MIN: usize = KEYS * SealedKey::MIN;
    const MAX: usize = KEYS * SealedKey::MAX;
    const FORM: Form = Form::Secret(Self::MIN, Self::MAX);
    fn encode(&self, writer: &mut Writer<'_>) {
        self.0.iter().for_each(|key| key.encode(writer));
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self([SealedKey::decode(reader)?, SealedKey::decode(reader)?, SealedKey::decode(reader)?]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_aes_key() {
        let sealed = Octets::new(&[0xA5; 16]).unwrap_or_default();
        let key = |check| SealedKey { kind: KeyType::Aes, length: 16, sealed: sealed.clone(), check };
        let bare = [&[0x88, 16][..], &[0xA5; 16], &[0]].concat_into();
        let counted = [&[0x88, 17, 16][..], &[0xA5; 16], &[3, 1, 2, 3]].concat_into();
        assert_eq!(SealedKey::from_bytes(&bare), Ok(key(None)));
        assert_eq!(SealedKey::from_bytes(&counted), Ok(key(Some([1, 2, 3]))));
        assert_eq!(key(Some([1, 2, 3])).to_slice(&mut [0; 64]), Ok(counted.as_slice()));
        for wrong in [&[0x88, 15][..], &[0x80, 17, 16], &[0x89, 16], &[0x88, 24]] {
            let bytes = [wrong, &[0xA5; 16], &[0]].concat_into();
            assert_eq!(SealedKey::from_bytes(&bytes), Err(Malformed), "{wrong:02X?}");
        }
    }

    trait Concat {
        fn concat_into(self) -> heapless::Vec<u8, 64>;
    }

    impl<const N: usize> Concat for [&[u8]; N] {
        fn concat_into(self) -> heapless::Vec<u8, 64> {
            self.iter().flat_map(|part| part.iter().copied()).collect()
        }
    }
}
