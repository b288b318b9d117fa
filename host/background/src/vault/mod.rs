//! Where the master keys are. Clearing and issuance ask for operations; no master
//! key leaves this folder.

pub(crate) mod books;
mod file;
pub mod software;

pub use software::Vault;
