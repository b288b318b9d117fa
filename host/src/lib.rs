//! What touches cards: [readers](reader), [typed cards](card), [terminals](terminal), and
//! [traces](trace) of what passes between them.
//!
//! A terminal speaks to the outside through traits: the [load
//! authority](terminal::load::LoadAuthority) that authorises loads, the
//! [journal](terminal::journal::Journal) that survives its crash. It knows no network and
//! no background system.

pub mod card;
pub mod error;
pub mod reader;
pub mod terminal;
pub mod trace;

pub use error::Error;
