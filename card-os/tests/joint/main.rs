//! A purse and a PSAM torn in one payment: every write of the one by every write of the other.
//!
//! # What is a case
//!
//! A payment of two cards that are each torn in one write, or one of them alone. The write is
//! counted from the start of the payment; where the payment ends before a card has come to its
//! write, because the other one was torn first, the tear waits for what the terminal does
//! next: its recovery, a next payment, the collection. So each pair of writes is a case, in
//! whatever order they can come about. The shapes of both writes are enumerated side by side,
//! the shorter list again and again, so that every shape of each write meets the other write. Of
//! an erasure the bounded run takes the shapes of the whole block and those at its two ends; with
//! `JOINT=full` it takes all, and of programs each shape meets each.
//!
//! Then both cards are powered up, and either the terminal has its journal and asks the purse
//! what became of the payment, or it has lost the journal (or died before it was written) and the
//! purse goes to another terminal with another PSAM, which takes its receipts over; the first
//! PSAM hands its batch in with a claim.
//!
//! # What must hold
//!
//! Each card stands before or after the payment, after it where it had answered; the purse gives
//! a receipt exactly where it has paid; over the batches of both PSAMs the payment is counted
//! once where the purse has paid, by its S6, and not at all where it has not; and what was loaded
//! is the balance and the payments. A cancellation is torn in the same way ([`cancellation`]).
//!
//! # Commands
//!
//!     cargo test -p card-os --test joint -- --nocapture
//!     JOINT=full cargo test --release -p card-os --test joint -- --nocapture

#![allow(unreachable_pub)] // a test has no outside
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod account;
mod cancellation;
mod pairs;
mod party;
mod payment;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod terminal;

use pairs::{Trial, joint};
use scene::Scene;

fn play(name: &str, scene: &Scene, trial: Trial) {
    let tally = joint(scene, trial);
    println!("{name}: {tally}");
    assert!(tally.cases > 900);
}

#[test]
fn purchase_of_young_cards() {
    play("purchase, journal written", &Scene::young(), payment::JOURNAL);
    play("purchase, no journal", &Scene::young(), payment::NO_JOURNAL);
}

#[test]
fn purchase_while_both_reclaim() {
    let scene = Scene::reclaiming();
    play("purchase while both reclaim, journal written", &scene, payment::JOURNAL);
    play("purchase while both reclaim, no journal", &scene, payment::NO_JOURNAL);
}

#[test]
fn cancellation() {
    let scene = Scene::paid(cancellation::MINOR);
    play("cancellation, tried again", &scene, cancellation::AGAIN);
    play("cancellation, left alone", &scene, cancellation::LEFT);
}
