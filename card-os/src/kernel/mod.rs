//! The kernel: dispatch, SELECT, life cycle, and [memory].
//!
//! Files: `dispatch` takes commands apart and guards the life cycle, `select` makes an
//! application current, `registry` knows the
//! installed applications, `domain` is the issuer security domain that manages them, `area`
//! is what an applet sees of the card, `keys` is its key directory, `delay` is what wrong guesses
//! cost, `memory` survives power cuts. The kernel names no applet but through the one closed set
//! [`Applet`](crate::applets::Applet).

pub mod area;
mod delay;
pub(crate) mod dispatch;
mod domain;
pub mod keys;
pub mod memory;
mod registry;
mod select;

pub use dispatch::{Card, Response};
