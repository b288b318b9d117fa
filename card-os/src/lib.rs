//! The card: a kernel and the applets that run on it.
//!
//! [`kernel`] dispatches commands, guards the life cycle and keeps
//! [memory](kernel::memory) that survives a power cut at any byte; [`applets`]
//! are the purse, the security module of a payment terminal, and the transfer
//! card. The wire is declared in `apdu_spec`; [`platform`] is what a chip, a
//! process or a fuzzer must provide. [`sim`] is a chip for tests that refuses
//! what flash cannot do and loses power where it is told.
//!
//! The crate is `no_std` without `alloc` and never panics on input.
//!
//! ```
//! use card_os::{Card, applets::AppletKind, kernel::Response, sim::SimulatedChip};
//!
//! let chip = SimulatedChip::<16, 1024>::new();
//! let mut card = Card::create(chip, &[AppletKind::Purse]).unwrap();
//! let mut response = Response::new();
//! card.process(b"\x00\xA4\x04\x0C\x06\xF0PURSE", &mut response);
//! assert_eq!(response.as_slice(), [0x90, 0x00]);
//! ```

#![no_std]
#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

pub mod applets;
pub mod kernel;
pub mod platform;
pub mod sim;

pub use kernel::Card;
pub use platform::Platform;
