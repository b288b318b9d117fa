//! The background system: what is issued, what moved, who is owed what.
//!
//! [`Background`] is the whole of it. [`management`] issues cards and registers who
//! takes part; `transfers` decides loads and unloads; [`clearing`] takes batches in and
//! settles merchants; [`ledger`] is double-entry and holds the money equation;
//! [`vault`] has the master keys; [`store`] is SQLite, and [`audit`] sees that nobody else
//! changes it; [`reports`] are figures to read; [`service`] answers the network.
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
