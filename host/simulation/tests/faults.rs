//! The simulator of the whole system: bounded seeds with every fault are clean, the same
//! plan gives the same run, and every protection that is switched off is missed.
//!
//! Long: `purse simulate --fresh --minutes 2`, and see `tests/README.md`.

use simulation::faults::campaign::campaign;
use simulation::faults::drain::ROUNDS;
use simulation::faults::shrink::{Failure, shrink};
use simulation::faults::{Fault, Outcome, Plan, Rates, Tally, run};
use simulation::weaken::Weakness;

/// Seeds of the bounded run, with rates drawn for each.
const SEEDS: u64 = 80;
/// Seeds within which a missing protection has to show.
const SEEDS_TO_MISS: u64 = 40;

fn plan(seed: u64, steps: u64, rates: Option<Rates>) -> Plan {
    Plan { steps, rates, ..Plan::new(seed) }
}

fn clean(plan: &Plan) -> Tally {
    let Outcome { tally, violation, .. } = run(plan, false).expect("a simulation");
    assert_eq!(violation, None, "{plan:?}");
    tally
}

fn show(what: &str, tally: &Tally) {
    let Tally { seeds, steps, payments, apdus, tears, attacks, rounds, .. } = tally;
    println!(
        "{what}: {seeds} seeds, {steps} steps, {payments} payments, {apdus} APDUs, {} faults, \
         {tears} writes torn, {attacks} attacks, {rounds} rounds at most",
        tally.faults.total()
    );
}

#[test]
fn whatever_goes_wrong_no_cent_is_made_or_lost_and_everything_settles() {
    let mut sum = Tally::default();
    for seed in 1..=SEEDS {
        sum.add(&clean(&plan(seed, 600, None)));
    }
    show("rates drawn from the seed", &sum);
    assert_eq!(sum.difference(), 0);
    assert!(sum.rounds <= ROUNDS);
    // Generators are drawn when cards are made, and few purses get lost.
    let rare = [Fault::PurseLost, Fault::Generator];
    for (fault, count) in sum.faults.by_kind().filter(|(fault, _)| !rare.contains(fault)) {
        assert!(count > 0, "{} never happened", fault.name());
    }
}

#[test]
fn without_faults_every_payment_is_settled_in_the_first_round() {
    let tally = clean(&plan(1, 600, Some(Rates::NONE)));
    show("no faults", &tally);
    assert_eq!((tally.rounds, tally.in_doubt, tally.faults.total()), (1, 0, 0));
    assert_eq!(tally.settled + tally.voided, tally.payments - tally.cancelled);
}

#[test]
fn who_is_dishonest_gains_nothing() {
    let rates = "replay=0.05,swap=0.05,forge=0.05,claim=0.05,acknowledge=0.05,generator=0.5";
    let rates = Rates::parse(rates).expect("rates");
    let mut sum = Tally::default();
    for seed in 1..=6 {
        sum.add(&clean(&plan(seed, 500, Some(rates))));
    }
    show("one step in four is an attack", &sum);
    assert!(sum.attacks > 500);
}

/// Two steps in five are turns of dishonest people, amid honest payments, tears and lost messages.
#[test]
fn people_who_do_anything_that_an_interface_offers_gain_nothing() {
    let people = "merchant=0.2,holder=0.1,attendant=0.1,relay=0.02";
    let mut sum = Tally::default();
    for faults in ["none", "loss=0.03,pull=0.01,sam-tear=0.005,crash=0.005,corrupt=0.02,kill=0.03"] {
        let rates = Rates::parse(&format!("{faults},{people}")).expect("rates");
        for seed in 1..=8 {
            sum.add(&clean(&plan(seed, 400, Some(rates))));
        }
    }
    show("people", &sum);
    println!("{} moves", sum.moves);
    assert!(sum.moves > 20_000 && sum.settled > 100);
}

#[test]
fn what_lost_purses_alone_knew_is_in_doubt_and_nothing_else() {
    let rates = Rates::parse("purse-lost=0.004,pull=0.05,crash=0.02").expect("rates");
    let mut sum = Tally::default();
    for seed in 1..=6 {
        sum.add(&clean(&plan(seed, 500, Some(rates))));
    }
    show("purses get lost", &sum);
    println!("{} value commits in doubt", sum.in_doubt);
    assert!(sum.in_doubt > 0);
}

/// A garbled acknowledgement on a transfer card stopped the good ones behind it, and a
/// journal that was full when a payment was settled made an error of the payment.
#[test]
fn garbled_answers_and_full_disks_stop_nothing() {
    for rates in ["corrupt=0.3,courier-late=0.2", "disk=0.1,crash=0.05"] {
        let mut sum = Tally::default();
        for seed in 1..=6 {
            sum.add(&clean(&plan(seed, 400, Some(Rates::parse(rates).expect("rates")))));
        }
        show(rates, &sum);
    }
}

/// An acknowledgement with a bit turned over kept its MAC, and a terminal took the good one behind it on a
/// transfer card for a copy.
#[test]
fn a_garbled_copy_does_not_hide_the_good_acknowledgement() {
    let rates = Rates::parse("all,merchant=0,holder=0,attendant=0,relay=0").expect("rates");
    clean(&plan(6, 600, Some(rates)));
}

#[test]
fn the_same_plan_gives_the_same_run() {
    for seed in [3, 4] {
        let plan = plan(seed, 500, Some(Rates::all()));
        let (first, again) = (run(&plan, false).expect("a run"), run(&plan, true).expect("a run"));
        assert_eq!((&first.tally, first.digest), (&again.tally, again.digest));
        let other = run(&Plan { seed: seed + 2, ..plan }, false).expect("a run");
        assert_ne!(first.digest, other.digest);
    }
}

#[test]
fn threads_change_nothing() {
    let plan = plan(0, 300, None);
    let [one, two] = [1, 2].map(|jobs| campaign(&plan, 20..26, jobs, &|_| false).expect("a campaign"));
    assert_eq!(one.tally, two.tally);
    assert!(one.failure.is_none() && one.next == 26);
}

/// The first seed with which a protection is missed, and how.
fn missed(weakness: Weakness) -> Option<Failure> {
    (1..=SEEDS_TO_MISS).find_map(|seed| {
        let plan = Plan { weaken: Some(weakness), ..plan(seed, 600, Some(Rates::all())) };
        let violation = run(&plan, false).expect("a simulation").violation?;
        Some(Failure { plan, violation })
    })
}

#[test]
fn every_protection_that_is_off_is_missed_and_the_same_seeds_are_clean_with_it() {
    for weakness in Weakness::ALL {
        let failure = missed(*weakness).unwrap_or_else(|| panic!("nobody misses {}", weakness.name()));
        println!("{}: seed {}, {}", weakness.name(), failure.plan.seed, failure.violation);
        clean(&Plan { weaken: None, ..failure.plan });
    }
}

#[test]
fn what_fails_is_made_smaller_and_still_fails() {
    let failure = missed(Weakness::AcknowledgementVerified).expect("a failure");
    let mut tries = 0;
    let least = shrink(&failure, &mut || {
        tries += 1;
        tries < 150
    });
    let least = least.expect("a smaller one");
    let again = run(&least.plan, true).expect("a run");
    assert_eq!(again.violation, Some(least.violation));
    let (kinds, before) = (least.plan.rates().present().count(), failure.plan.rates().present().count());
    println!(
        "{kinds} of {before} kinds of faults, {} purses, without {:?}",
        least.plan.purses, least.plan.without
    );
    assert!(kinds < before / 2 && least.plan.purses < failure.plan.purses);
    assert!(!again.trace.is_empty());
}
