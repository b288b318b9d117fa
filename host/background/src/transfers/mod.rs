//! Loads and unloads: decided online, durable before S2 leaves, reversed on the purse's
//! evidence alone and never by time (design, Load).
//!
//! `authenticate` hears load terminals alone, each about itself; `permission` is what one may do.
//! `authorise` decides, `complete` takes the purse's S6, `resolve` its answer to GET
//! PREVIOUS IEP SIGNATURE, and `pending` draws conclusions from whatever the purse
//! says later. A load may be a `refund`.

pub(crate) mod authenticate;
pub(crate) mod authorise;
pub(crate) mod complete;
pub(crate) mod pending;
mod permission;
mod refund;
pub(crate) mod resolve;
