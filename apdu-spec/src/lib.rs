//! The wire of an open electronic purse system.
//!
//! Everything that two participants must agree on stands here, once: commands
//! and responses ([`purse`], [`sam`], [`transfer`], [`security_domain`],
//! [`interindustry`]), records and batches ([`record`], [`batch`],
//! [`download`]), what a load terminal says online ([`online`]), what each MAC covers ([`signature`]), and the one
//! implementation of MACs and key ladders ([`crypto`]).
//!
//! Read [`wire`] first (how bytes become values), then [`declare`] (how a row of
//! the command table becomes encoder, decoder and catalogue), then [`purse`].
//!
//! Modelled on EN 1546, CEPS and ISO/IEC 7816-4. The names and instruction bytes
//! are the standards'; the bytes of the data fields are project-defined, because
//! EN 1546-3 is withdrawn and its tables were not available. All numbers on the
//! wire are big endian; amounts are minor units of a currency; times are UTC.
//!
//! The crate is `no_std` without `alloc` and never panics on input.

#![no_std]
#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, clippy::panic)]

pub mod aid;
pub mod apdu;
pub mod batch;
mod calendar;
pub mod catalog;
pub mod crypto;
pub mod declare;
pub mod download;
pub mod element;
pub mod form;
pub mod interindustry;
pub mod leaves;
pub mod legacy;
pub mod life_cycle;
pub mod online;
pub mod personalisation;
pub mod protections;
pub mod purse;
pub mod record;
pub mod sam;
pub mod security_domain;
pub mod signature;
pub mod status;
pub mod text;
pub mod tlv;
pub mod transfer;
pub mod wire;

pub use apdu::Apdu;
pub use declare::Command;
pub use status::StatusWord;
pub use wire::{Element, Malformed, Reader, Writer};
