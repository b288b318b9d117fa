//! What its issuer's management of a card comes to in payments: two purses of two providers on
//! one card (`purses`), the holder's PIN (`pin`), keys that are rolled over in the field
//! (`generations`), what wrong MACs cost (`delay`), and what wrong authentications stop
//! (`blocked`). `scheme` is who takes part.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod blocked;
mod delay;
mod generations;
mod pin;
mod purses;
mod scheme;
