//! What the file of a vault is locked with: a passphrase, or nothing where keys are no secret.
//!
//! Argon2id (RFC 9106) makes a key and a check value of the passphrase; AES-256-GCM-SIV (RFC 8452)
//! seals under that key. The check value tells a wrong passphrase from a damaged file. What the
//! key was made with stands in the file and is authenticated with what is sealed. GCM-SIV, because
//! a nonce that comes again, out of a generator with a seed, costs it nothing.
//!
//! Crate `age` would do it too, with three times the dependencies, of which most serve recipients
//! and plugins that nobody has here; `aes-gcm-siv` also seals card images, and shares our AES.

use std::fmt;

use aes_gcm_siv::aead::inout::InOutBuf;
use aes_gcm_siv::{AeadInOut as _, Aes256GcmSiv, KeyInit as _, Nonce, Tag};
use argon2::{Argon2, Block, Params, Version};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::error::Error;

/// Bytes of a salt.
pub(super) const SALT: usize = 16;
/// Bytes of a nonce.
pub(super) const NONCE: usize = 12;
/// Bytes of a tag, and of a check value.
pub(super) const TAG: usize = 16;
/// Bytes of the key that seals.
const KEY: usize = 32;
/// Fewest characters of a new passphrase.
const SHORTEST: usize = 8;

/// What a guess at the passphrase costs. The file says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cost {
    /// Memory, KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    /// OWASP, Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Self { memory: 19 << 10, passes: 2, lanes: 1 }
    }
}

impl Cost {
    /// The least that there is: for tests.
    pub const LEAST: Self = Self { memory: 8, passes: 1, lanes: 1 };
    /// The most that a file may ask of us: 1 GiB, 64 passes, 16 lanes.
    const MOST: Self = Self { memory: 1 << 20, passes: 64, lanes: 16 };

    /// As parameters, where they are sensible.
    fn parameters(self) -> Option<Params> {
        let Self { memory, passes, lanes } = self;
        let most = Self::MOST;
        let fits = memory <= most.memory && passes <= most.passes && lanes <= most.lanes;
        Params::new(memory, passes, lanes, Some(KEY + TAG)).ok().filter(|_| fits)
    }
}

/// A passphrase, as a person gave it. Erased when dropped, never shown.
#[derive(PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// A passphrase; an empty one is none.
    #[must_use]
    pub fn new(text: String) -> Option<Self> {
        let text = Zeroizing::new(text);
        (!text.is_empty()).then_some(Self(text))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(passphrase, not shown)")
    }
}

/// What a file is locked with.
#[derive(Debug)]
pub enum Lock {
    /// Nothing: the keys are a demonstration's, and no secret.
    Open,
    /// A passphrase.
    Sealed(Seal),
}

impl Lock {
    /// A lock that this passphrase opens. It has at least eight characters.
    pub fn new(passphrase: &Passphrase, cost: Cost, rng: &mut dyn CryptoRng) -> Result<Self, Error> {
        if passphrase.0.chars().count() < SHORTEST {
            return Err(Error::BadOrder("a passphrase has at least eight characters; choose a longer one"));
        }
        let mut salt = [0; SALT];
        rng.fill_bytes(&mut salt);
        let seal = Seal::new(passphrase, cost, salt);
        seal.map(Self::Sealed).ok_or(Error::BadOrder("a passphrase cannot cost this; choose another cost"))
    }

    /// Whether whoever has the file has the keys.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }
}

/// The key of a passphrase, and what it was made with.
pub struct Seal {
    pub(super) cost: Cost,
    pub(super) salt: [u8; SALT],
    /// The key, then the check value.
    secret: Box<Zeroizing<[u8; KEY + TAG]>>,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seal").field("cost", &self.cost).finish_non_exhaustive()
    }
}

impl Seal {
    /// The seal of a passphrase; none where the cost is out of bounds.
    pub(super) fn new(passphrase: &Passphrase, cost: Cost, salt: [u8; SALT]) -> Option<Self> {
        let parameters = cost.parameters()?;
        let mut memory = Zeroizing::new(vec![Block::default(); parameters.block_count()]);
        let mut secret = Box::new(Zeroizing::new([0; KEY + TAG]));
        let argon2 = Argon2::new(argon2::Algorithm::Argon2id, Version::V0x13, parameters);
        let made = argon2.hash_password_into_with_memory(
            passphrase.0.as_bytes(),
            &salt,
            secret.as_mut_slice(),
            memory.as_mut_slice(),
        );
        made.ok().map(|()| Self { cost, salt, secret })
    }

    /// Tells a wrong passphrase from a damaged file.
    pub(super) fn check(&self) -> &[u8] {
        &self.secret[KEY..]
    }

    /// Format, cost and salt, as they are authenticated.
    fn associated(&self, format: u32) -> [u8; 16 + SALT] {
        let Cost { memory, passes, lanes } = self.cost;
        let mut bytes = [0; 16 + SALT];
        for (place, number) in bytes.chunks_exact_mut(4).zip([format, memory, passes, lanes]) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes[16..].copy_from_slice(&self.salt);
        bytes
    }

    fn cipher(&self) -> Option<Aes256GcmSiv> {
        Aes256GcmSiv::new_from_slice(&self.secret[..KEY]).ok()
    }

    /// Encrypts in place; the tag.
    pub(super) fn seal(&self, format: u32, nonce: [u8; NONCE], text: &mut [u8]) -> Option<[u8; TAG]> {
        let buffer = InOutBuf::from(text);
        let sealed =
            self.cipher()?.encrypt_inout_detached(&Nonce::from(nonce), &self.associated(format), buffer);
        sealed.ok().map(Into::into)
    }

    /// Decrypts in place; nothing where a bit of it is another one.
    pub(super) fn open(
        &self,
        format: u32,
        nonce: [u8; NONCE],
        text: &mut [u8],
        tag: [u8; TAG],
    ) -> Option<()> {
        let (associated, buffer) = (self.associated(format), InOutBuf::from(text));
        self.cipher()?.decrypt_inout_detached(&Nonce::from(nonce), &associated, buffer, &Tag::from(tag)).ok()
    }
}
