//! The protocols, explored: all interleavings of messages, losses and tears within a bound
//! (each file states its own), against the abstract model of the whole system; and the
//! paths that were found, driven through the real cards and the real background system.
//!
//! `EXPLORE_STATES=10000000 cargo test -p system-tests --test explore -- --nocapture
//! --test-threads 1` explores up to that many states a machine, with wider bounds.

#![allow(clippy::cast_possible_truncation)] // numbers of a machine are small

#[macro_use]
mod bugs;

mod acknowledgement;
mod batches;
mod batches_replay;
mod collection;
mod collection_replay;
mod crooked;
mod crooked_replay;
mod load;
mod load_replay;
mod purchase;
mod purchase_replay;
mod real;

use std::time::Instant;

use simulation::model::Model;
use system_tests::explore::{Explored, Machine, explore, walks};

/// Shortest paths of each machine that are driven through the real thing, at least; and walks.
const PATHS: usize = 1_000;
/// Steps of a walk, at most; those included that change nothing.
const LENGTH: usize = 60;

/// States a machine may have in the long run, where one is asked for.
fn long() -> Option<usize> {
    std::env::var("EXPLORE_STATES").ok().map(|states| states.parse().expect("a number of states"))
}

/// What holds in every state: the money equation and completeness.
fn check(model: &Model) -> Result<(), String> {
    if !model.equation().holds() {
        return Err(format!("money was made or lost: {:?}", model.equation()));
    }
    if let Some(commit) = model.completeness().first() {
        return Err(format!("nobody knows of value commit {commit:?}"));
    }
    Ok(())
}

/// Explores without a fault in the machine: nothing breaks, and everything is reached.
fn sound<M: Machine>(name: &str, machine: &M) -> Explored<M::Step> {
    let started = Instant::now();
    let explored = explore(machine, long().unwrap_or(usize::MAX));
    println!(
        "{name}: {} states, {} steps, depth {}, complete: {}, {:?}",
        explored.states,
        explored.tried,
        explored.depth,
        explored.complete,
        started.elapsed()
    );
    if let Some(found) = &explored.counterexample {
        panic!("{name}: {}: {:#?}", found.property, found.steps);
    }
    assert!(explored.never.is_empty(), "{name} never reaches: {:?}", explored.never);
    explored
}

/// Explores with a planted fault: a property breaks, and the way there is printed.
fn broken<M: Machine>(name: &str, machine: &M) {
    let explored = explore(machine, 5_000_000);
    let found = explored.counterexample.unwrap_or_else(|| panic!("{name} is not found"));
    println!("{name}: after {} states: {}", explored.states, found.property);
    found.steps.iter().for_each(|step| println!("    {step:?}"));
}

/// Drives shortest paths and random walks through the real thing, and prints how many.
fn replayed<M: Machine>(
    name: &str,
    machine: &M,
    explored: &Explored<M::Step>,
    drive: impl Fn(&M, &[M::Step]) -> usize,
) {
    let (started, seed) = (Instant::now(), 1);
    let (paths, walks) = (explored.paths(PATHS), walks(machine, seed, PATHS, LENGTH));
    let tried: usize = paths.iter().chain(&walks).map(|path| drive(machine, path)).sum();
    println!(
        "{name}: {} shortest paths and {} walks (seed {seed}), {tried} steps through the real thing, {:?}",
        paths.len(),
        walks.len(),
        started.elapsed()
    );
    assert!(paths.len() >= PATHS, "{name}: too few paths");
}

#[test]
fn purchase_is_sound_and_the_cards_follow_it() {
    // Two sessions interleaved; and one with power that fails anywhere.
    let bounds = if long().is_some() { [(2, 3, 1), (3, 3, 0)] } else { [(2, 2, 0), (1, 2, 1)] };
    for (sessions, challenges, tears) in bounds {
        let machine = purchase::Purchase { sessions, challenges, tears, bug: None };
        let name = format!("purchase, {sessions} sessions, {challenges} challenges, {tears} tears");
        let explored = sound(&name, &machine);
        replayed(&name, &machine, &explored, purchase_replay::replay);
    }
}

#[test]
fn purchase_finds_planted_faults() {
    use purchase::Bug::{AnyWordVoids, LastNotProven};
    for bug in purchase::Bug::ALL {
        // The word of one purse on one purchase, before and after it was taken back.
        let narrow = matches!(bug, AnyWordVoids | LastNotProven);
        let (sessions, challenges, tears) = if narrow { (1, 3, 0) } else { (3, 4, 1) };
        let machine = purchase::Purchase { sessions, challenges, tears, bug: Some(bug) };
        broken(&format!("purchase, {bug:?}"), &machine);
    }
}

#[test]
fn load_is_sound_and_the_cards_follow_it() {
    let (sessions, tears) = if long().is_some() { (4, 1) } else { (3, 0) };
    let machine = load::Load { sessions, tears, bug: None };
    let name = format!("load, {sessions} sessions, {tears} tears");
    let explored = sound(&name, &machine);
    replayed(&name, &machine, &explored, load_replay::replay);
}

#[test]
fn load_finds_planted_faults() {
    for bug in load::Bug::ALL {
        broken(&format!("load, {bug:?}"), &load::Load { sessions: 4, tears: 1, bug: Some(bug) });
    }
}

#[test]
fn collection_is_sound_and_the_cards_follow_it() {
    let payments = if long().is_some() { 3 } else { 2 };
    let machine = collection::Collection { payments, couriers: 2, bug: None };
    let name = format!("collection, {payments} payments, 2 couriers, any accidents");
    let explored = sound(&name, &machine);
    replayed(&name, &machine, &explored, collection_replay::replay);
}

#[test]
fn collection_finds_planted_faults() {
    for bug in batches::Bug::ALL {
        let machine = collection::Collection { payments: 3, couriers: 2, bug: Some(bug) };
        broken(&format!("collection, {bug:?}"), &machine);
    }
}

#[test]
fn acknowledgement_is_sound_and_the_cards_follow_it() {
    let (sams, payments) = if long().is_some() { (3, 5) } else { (2, 4) };
    let machine = acknowledgement::Exchange { sams, payments, bug: None };
    let name = format!("acknowledgement, {sams} PSAMs, {payments} payments");
    let explored = sound(&name, &machine);
    replayed(&name, &machine, &explored, batches_replay::replay);
}

#[test]
fn acknowledgement_finds_planted_faults() {
    // A line cuts no batch short.
    for bug in batches::Bug::ALL.into_iter().filter(|bug| *bug != batches::Bug::IncompleteTaken) {
        let machine = acknowledgement::Exchange { sams: 2, payments: 3, bug: Some(bug) };
        broken(&format!("acknowledgement, {bug:?}"), &machine);
    }
}

#[test]
fn a_crooked_merchant_is_never_paid_for_what_he_cancels() {
    let (payments, words) = if long().is_some() { (4, 3) } else { (2, 3) };
    let machine = crooked::Crooked { payments, batches: 2, words, bug: None };
    let name = format!("crooked merchant, {payments} payments, {words} words");
    let explored = sound(&name, &machine);
    replayed(&name, &machine, &explored, crooked_replay::replay);
}

#[test]
fn crooked_merchant_finds_planted_faults() {
    for bug in crooked::Bug::ALL {
        let machine = crooked::Crooked { payments: 3, batches: 2, words: 2, bug: Some(bug) };
        broken(&format!("crooked merchant, {bug:?}"), &machine);
    }
}
