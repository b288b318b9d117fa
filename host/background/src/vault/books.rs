//! The key of the books: what the chain over them is made with.
//!
//! It comes from the oldest certificate key, which no card and no module holds, so that it is
//! the same for as long as the vault is. BLAKE3 derives it and makes every MAC with it: its key
//! derivation keeps these keys apart from all others by their context, and 128 bits or more
//! stand against somebody who has the database for himself and for years.

use apdu_spec::personalisation::Function;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::Vault;
use super::software::name;
use crate::error::Error;

/// MAC over one row, 16 bytes.
pub(crate) type Digest = [u8; 16];

/// MAC over one entry of the chain and all before it, 32 bytes.
pub(crate) type Link = [u8; 32];

/// A key of BLAKE3, erased when it is dropped.
type Key = Zeroizing<[u8; 32]>;

/// The keys of the chain over the books. Erased when it is dropped.
pub(crate) struct BooksKey {
    rows: Key,
    links: Key,
    heads: Key,
}

/// The key of the rows of one table. Erased when it is dropped.
pub(crate) struct TableKey(Key);

impl Vault {
    /// The key of the books of this vault.
    pub(crate) fn books_key(&self) -> Result<BooksKey, Error> {
        let of_certificates = (Function::Certificate as u8, 0, 0)..=(Function::Certificate as u8, 0, u8::MAX);
        let oldest = self.masters.range(of_certificates).next();
        let (_, master) = oldest.ok_or_else(|| Error::UnknownKey(name(Function::Certificate, 0, 1)))?;
        let key = self.memory.key(master.place);
        // The hasher holds the key until it is erased.
        let derive = |context: &str| {
            let mut hasher = blake3::Hasher::new_derive_key(context);
            let derived = Zeroizing::new(*hasher.update(key.expose()).finalize().as_bytes());
            hasher.zeroize();
            derived
        };
        Ok(BooksKey {
            rows: derive("purse background 2026-12-01 rows of the books"),
            links: derive("purse background 2026-12-01 links of the chain over the books"),
            heads: derive("purse background 2026-12-01 head of the chain over the books"),
        })
    }
}

impl BooksKey {
    /// The key of the rows of a table; `form` says which table and which columns.
    pub(crate) fn table(&self, form: &[u8]) -> TableKey {
        TableKey(Zeroizing::new(*blake3::keyed_hash(&self.rows, form).as_bytes()))
    }

    /// The link of an entry: `previous (32) | number (8) | length of name (8) | name | changes`.
    pub(crate) fn link(&self, previous: &Link, number: i64, name: &str, changes: &[u8]) -> Link {
        let mut hasher = blake3::Hasher::new_keyed(&self.links);
        hasher.update(previous).update(&number.to_be_bytes());
        hasher.update(&(name.len() as u64).to_be_bytes()).update(name.as_bytes()).update(changes);
        *hasher.finalize().as_bytes()
    }

    /// The MAC over a head: `number (8) | link (32)`.
    pub(crate) fn head(&self, number: i64, link: &Link) -> Digest {
        let mut input = [0; 40];
        input[..8].copy_from_slice(&number.to_be_bytes());
        input[8..].copy_from_slice(link);
        short(blake3::keyed_hash(&self.heads, &input))
    }
}

impl TableKey {
    /// The MAC over a row in its canonical form.
    pub(crate) fn digest(&self, row: &[u8]) -> Digest {
        short(blake3::keyed_hash(&self.0, row))
    }
}

fn short(hash: blake3::Hash) -> Digest {
    let [digest @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = *hash.as_bytes();
    digest
}

/// Whether two MACs are the same, in constant time.
pub(crate) fn same<const N: usize>(one: &[u8; N], other: &[u8; N]) -> bool {
    one.ct_eq(other).into()
}
