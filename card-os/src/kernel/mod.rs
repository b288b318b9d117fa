//! The kernel: dispatch, SELECT, life cycle, and [memory].
//!
//! Files: `dispatch` takes commands apart and guards the life cycle, `area` is what
//! an applet sees of the card, `keys` is its key directory, `memory` survives power
//! cuts. The kernel names no applet but through the one closed set
//! [`Applet`](crate::applets::Applet).

pub mod area;
pub(crate) mod dispatch;
pub mod keys;
pub mod memory;

pub use dispatch::{Card, Response};
