//! The background system: what is issued, what moved, who is owed what.
//!
//! [`Background`] is the whole of it. [`management`] issues cards and registers who
//! takes part; `transfers` decides loads and unloads; [`clearing`] takes batches in and
//! settles merchants; [`ledger`] is double-entry and holds the money equation;
//! [`vault`] has the master keys; [`store`] is SQLite, and [`audit`] sees that nobody else
//! changes it; [`reports`] are figures to read; [`service`] answers the network.
//!
//! # What a copied or broken purse can cost
//!
//! Whoever copies a card, or has the keys of one, can pay at every PSAM that he reaches until
//! nobody takes that purse any more. Merchants who could not know are paid
//! ([`clearing::guarantee`]), so the issuer bears it:
//!
//! ```text
//! cost <= PSAMs that can be reached within collection + D
//!         x batches that each of them closes in that time
//!         x G, what one purse pays at one PSAM in one batch
//! ```
//!
//! Collection is the time until what a PSAM takes has come in; with the first contradiction the
//! purse is hotlisted. D is the time until lists are everywhere. Beyond it, or where a batch comes
//! in too late, the merchant's acquirer bears it.
//! [`Guarantee::exposure`](clearing::guarantee::Guarantee::exposure) computes it. It does not hold for
//! two payments under one number, of which the second is kept and not paid
//! ([`Reason::Clone`](clearing::exception::Reason::Clone)): somebody has to look at those.
//!
//! Nothing here knows a card or a reader: what comes in is bytes that `apdu_spec`
//! declares, under MACs. *Now* is an argument, and randomness comes in from outside.

pub mod audit;
mod background;
pub mod clearing;
pub mod error;
pub mod ledger;
pub mod management;
pub mod reports;
pub mod service;
pub mod store;
mod transfers;
pub mod vault;

pub use background::Background;
pub use error::Error;
pub use ledger::equation::Books;
pub use management::issuance::{PurseOrder, SamOrder, TransferOrder};
pub use management::participants::MerchantId;
pub use vault::{Vault, VaultFile};
