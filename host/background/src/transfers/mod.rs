//! Loads and unloads: decided online, durable before S2 leaves, reversed on the purse's
//! evidence alone and never by time (design, Load).
//!
//! `authorise` decides, `complete` takes the purse's S6, `resolve` its answer to GET
//! PREVIOUS IEP SIGNATURE, and `pending` draws conclusions from whatever the purse
//! says later.

pub(crate) mod authorise;
pub(crate) mod complete;
pub(crate) mod pending;
pub(crate) mod resolve;
