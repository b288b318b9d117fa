//! Attacks on cards that must fail, a file per theme and a test per attack: what the
//! attacker does, what it would bring him, why it fails. The attacker owns terminal and
//! wire: he sends any bytes to any card, in any order, and keeps all that he has heard.
//! A test fails where he gains a unit, or where a unit of somebody else is gone and no
//! evidence of it is left. `tests/ATTACKS.md` has a row for each.

#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../support/mod.rs"]
mod support;

mod evidence;
mod flips;
mod interleaving;
mod keys;
mod limits;
mod lost_answers;
mod mixed;
mod orders;
mod people;
mod preplay;
mod replay;
mod rollback;
mod stolen_psam;
mod story;
mod transfer_card;
