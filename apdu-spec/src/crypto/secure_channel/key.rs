//! Keys of secure channels: static key sets, key check values, and keys on their way in
//! PUT KEY.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::aes::AesKey;
use super::{Error, des};
use crate::code;
use crate::crypto::Key;
use crate::wire::{Malformed, Octets};

code! {
    /// Type of a key in PUT KEY and in key information (Card Specification 2.3.1, table 11-16).
    pub enum KeyType: u8 {
        /// Two-key Triple DES.
        TripleDes = 0x80,
        /// AES of 16, 24 or 32 bytes.
        Aes = 0x88,
    }
}

/// A key of a secure channel, which knows its cipher. Erased when dropped, compared in
/// constant time, never shown.
#[derive(Clone)]
pub struct ChannelKey(pub(super) Cipher);

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) enum Cipher {
    TripleDes(Key),
    Aes(AesKey),
}

/// A key under a K-DEK: whole blocks.
pub type EncryptedKey = Octets<32>;

impl ChannelKey {
    /// A key of these bytes: 16 for Triple DES; 16, 24 or 32 for AES.
    pub fn new(kind: KeyType, bytes: &[u8]) -> Result<Self, Malformed> {
        match kind {
            KeyType::TripleDes => {
                bytes.try_into().map(|bytes| Self(Cipher::TripleDes(Key::new(bytes)))).map_err(|_| Malformed)
            }
            KeyType::Aes => AesKey::new(bytes).map(|key| Self(Cipher::Aes(key))),
        }
    }

    /// An AES key of 16, 24 or 32 bytes.
    pub fn aes(bytes: &[u8]) -> Result<Self, Malformed> {
        Self::new(KeyType::Aes, bytes)
    }

    /// A two-key Triple DES key.
    #[must_use]
    pub const fn triple_des(bytes: [u8; 16]) -> Self {
        Self(Cipher::TripleDes(Key::new(bytes)))
    }

    /// Its type.
    #[must_use]
    pub const fn kind(&self) -> KeyType {
        match self.0 {
            Cipher::TripleDes(_) => KeyType::TripleDes,
            Cipher::Aes(_) => KeyType::Aes,
        }
    }

    /// The bytes, for a cipher or a vault.
    #[must_use]
    pub const fn expose(&self) -> &[u8] {
        match &self.0 {
            Cipher::TripleDes(key) => key.expose(),
            Cipher::Aes(key) => key.expose(),
        }
    }

    /// Key check value, 3 bytes: of Triple DES the encryption of eight bytes 00 (Card
    /// Specification 2.3.1, appendix B), of AES that of sixteen bytes 01 (Amendment D, 7.2).
    #[must_use]
    pub fn check_value(&self) -> [u8; 3] {
        let [a, b, c, ..] = match &self.0 {
            Cipher::TripleDes(key) => {
                let mut block = [0; 16];
                des::encrypt_blocks(key, &mut block);
                block
            }
            Cipher::Aes(key) => key.encrypt_block([1; 16]),
        };
        [a, b, c]
    }
}

impl PartialEq for ChannelKey {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && bool::from(self.expose().ct_eq(other.expose()))
    }
}

impl Eq for ChannelKey {}

impl fmt::Debug for ChannelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({} bytes, not shown)", self.kind(), self.expose().len())
    }
}

/// The static keys of one version, all of one type and length.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeySet {
    /// Key 1, K-ENC: session keys of encryption.
    pub enc: ChannelKey,
    /// Key 2, K-MAC: session keys of MACs.
    pub mac: ChannelKey,
    /// Key 3, K-DEK: keys and other sensitive data.
    pub dek: ChannelKey,
}

impl KeySet {
    /// The keys of sample cards, which stock tools try first: three times 40 41 .. 4F. Who ships a
    /// card with them ships an open card.
    #[must_use]
    pub fn sample(kind: KeyType) -> Self {
        const BYTES: [u8; 16] = *b"@ABCDEFGHIJKLMNO";
        let key = match kind {
            KeyType::TripleDes => ChannelKey::triple_des(BYTES),
            KeyType::Aes => ChannelKey(Cipher::Aes(AesKey::Aes128(BYTES))),
        };
        Self { enc: key.clone(), mac: key.clone(), dek: key }
    }

    /// The check values of the three keys, one behind the other.
    #[must_use]
    pub fn check_values(&self) -> [u8; 9] {
        let [a, b, c] = [&self.enc, &self.mac, &self.dek].map(ChannelKey::check_value);
        let mut values = [0; 9];
        values.iter_mut().zip([a, b, c].as_flattened()).for_each(|(place, byte)| *place = *byte);
        values
    }

    /// What type they are, where they belong together.
    pub fn kind(&self) -> Result<KeyType, Error> {
        let form = |key: &ChannelKey| (key.kind(), key.expose().len());
        let alike = form(&self.enc) == form(&self.mac) && form(&self.enc) == form(&self.dek);
        if alike { Ok(self.enc.kind()) } else { Err(Error::Keys) }
    }
}

impl Cipher {
    /// Length of its blocks.
    const fn block(&self) -> usize {
        match self {
            Self::TripleDes(_) => 8,
            Self::Aes(_) => 16,
        }
    }

    /// Encrypts sensitive data: AES in cipher block chaining from zero (Amendment D, 6.2.8),
    /// Triple DES block by block (Card Specification 2.3.1, E.4.7).
    pub(super) fn encrypt_sensitive(&self, data: &mut [u8]) -> Result<(), Error> {
        if !data.len().is_multiple_of(self.block()) {
            return Err(Error::Length);
        }
        match self {
            Self::TripleDes(key) => des::encrypt_blocks(key, data),
            Self::Aes(key) => key.encrypt([0; 16], data),
        }
        Ok(())
    }

    /// Decrypts sensitive data.
    pub(super) fn decrypt_sensitive(&self, data: &mut [u8]) -> Result<(), Error> {
        if !data.len().is_multiple_of(self.block()) {
            return Err(Error::Length);
        }
        match self {
            Self::TripleDes(key) => des::decrypt_blocks(key, data),
            Self::Aes(key) => key.decrypt([0; 16], data),
        }
        Ok(())
    }

    /// A key for PUT KEY; 24 bytes under AES are padded with 80 00..
    pub(super) fn encrypt_key(&self, key: &ChannelKey) -> Result<EncryptedKey, Error> {
        let mut buffer = [0; 32];
        let length = key.expose().len();
        let padding = [0x80].into_iter().chain(core::iter::repeat(0));
        let bytes = key.expose().iter().copied().chain(padding);
        buffer.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        let whole = length.next_multiple_of(self.block());
        let data = buffer.get_mut(..whole).ok_or(Error::Length)?;
        self.encrypt_sensitive(data)?;
        let encrypted = EncryptedKey::new(data).map_err(|Malformed| Error::Length);
        buffer.zeroize();
        encrypted
    }

    /// A key from PUT KEY: `length` bytes of what `encrypted` holds. What was padded to
    /// whole blocks, and with what, is the sender's affair.
    pub(super) fn decrypt_key(
        &self,
        kind: KeyType,
        length: usize,
        encrypted: &[u8],
    ) -> Result<ChannelKey, Error> {
        let mut buffer = [0; 32];
        let data = buffer.get_mut(..encrypted.len()).ok_or(Error::Length)?;
        data.copy_from_slice(encrypted);
        let plain = self.decrypt_sensitive(data);
        let key = data.get(..length).ok_or(Error::Length);
        let key = key.and_then(|bytes| ChannelKey::new(kind, bytes).map_err(|Malformed| Error::Keys));
        buffer.zeroize();
        plain.and(key)
    }
}
