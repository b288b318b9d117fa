//! What its issuer's management of a card comes to in payments: two purses of two providers on
//! one card (`purses`), the holder's PIN (`pin`), keys that are rolled over in the field
//! (`generations`), and what wrong MACs cost (`delay`). `scheme` is who takes part.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod delay;
mod generations;
mod pin;
mod purses;
mod scheme;
