//! People who follow every protocol and lie where they can: nothing leaves that was not paid in, and
//! each protection that keeps it so is missed where it is off.

use std::collections::BTreeMap;

use apdu_spec::purse::PurseCommand;
use apdu_spec::sam::SamCommand;
use simulation::gang::{Outcome, Plan, run};
use simulation::weaken::Weakness;

/// Seeds of the bounded run; every other one has copies of purses.
const SEEDS: u64 = 20;
/// Moves of each.
const MOVES: u64 = 1_500;
/// Seeds within which a missing protection has to show.
const SEEDS_TO_MISS: u64 = 12;

fn plan(seed: u64, weaken: Option<Weakness>) -> Plan {
    Plan { seed, moves: MOVES, copies: seed.is_multiple_of(2), weaken }
}

#[test]
fn nobody_takes_out_more_than_was_paid_in() {
    let mut sent: BTreeMap<_, (u64, u64)> = BTreeMap::new();
    for seed in 1..=SEEDS {
        let outcome = run(&plan(seed, None)).expect("a run");
        assert_eq!(outcome.violation, None, "seed {seed}");
        println!("seed {seed}: copies have taken {} of {} minor units", outcome.taken, outcome.bound);
        for (name, (count, good)) in outcome.sent {
            let sum = sent.entry(name).or_default();
            *sum = (sum.0 + count, sum.1 + good);
        }
    }
    println!("{sent:?}");
    // Whatever an interface offers was tried, and has worked for somebody.
    let pins = ["VerifyPin", "ChangePin", "ResetPin", "ReadRecord"];
    let rows = SamCommand::ROWS.iter().chain(PurseCommand::ROWS).map(|row| row.name);
    let messages = ["SubmitBatch", "AuthoriseTransfer", "CompleteTransfer", "ResolveTransfer"];
    for name in rows.filter(|name| !pins.contains(name)).chain(messages) {
        let (count, good) = sent.get(name).copied().unwrap_or_default();
        assert!(count > 0 && good > 0, "{name}: {good} of {count}");
    }
}

/// The first seed with which a protection is missed, and how.
fn missed(weakness: Weakness) -> Option<(u64, Outcome)> {
    let mut runs = (1..=SEEDS_TO_MISS).map(|seed| (seed, run(&plan(seed, Some(weakness))).expect("a run")));
    runs.find(|(_, outcome)| outcome.violation.is_some())
}

#[test]
fn protections_against_the_dishonest_are_missed() {
    let mut unnoticed = Vec::new();
    for weakness in [
        Weakness::EvidenceAccepted,
        Weakness::PayableByOwnBatch,
        Weakness::ContinuityChecked,
        Weakness::LastPurchaseProven,
        Weakness::BoundedWaiting,
    ] {
        match missed(weakness) {
            Some((seed, outcome)) => println!("{}: seed {seed}, {:?}", weakness.name(), outcome.violation),
            None => unnoticed.push(weakness.name()),
        }
    }
    assert!(unnoticed.is_empty(), "nobody misses {unnoticed:?}");
}
