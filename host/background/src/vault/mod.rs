//! Where the master keys are. Clearing and issuance ask for operations; no master
//! key leaves this folder.
//!
//! [`software`] has the keys in process, in `memory` that is locked and erased; [`file`](mod@file) keeps
//! them on the disk as `list` writes them, under the passphrase of [`lock`].

pub(crate) mod books;
pub mod file;
mod list;
pub mod lock;
mod memory;
mod off;
pub mod software;

pub use file::VaultFile;
pub use lock::{Cost, Lock, Passphrase};
pub use software::Vault;
