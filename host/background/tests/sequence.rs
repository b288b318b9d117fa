//! What a PSAM says of its batches as a whole, and what it is told.

mod support;

use apdu_spec::batch::Resolution;
use apdu_spec::element::{BatchNumber, SamCounter, Time};
use apdu_spec::record::Outcome;
use support::*;

fn detail(world: &mut World, reason: &str) -> String {
    let lines = world.background.exceptions().expect("exceptions");
    let line = lines.into_iter().rfind(|line| line.open && line.reason == reason);
    line.map(|line| line.detail).unwrap_or_default()
}

/// A batch that is kept back has an exact amount, as soon as a later one is here.
#[test]
fn a_missing_batch_has_an_exact_amount() {
    let mut world = World::new();
    let (mut purse, mut sam) = (world.purse(1), world.sam(1));
    world.load(&mut purse, 10_000);
    let batches: Vec<_> = [1, 20, 300, 4_000]
        .map(|minor| {
            world.buy(&mut purse, &mut sam, minor);
            sam.close()
        })
        .into();
    world.submit(&batches[3]);
    assert!(
        detail(&mut world, "batch-gap").contains("3 payments of 3.21 EUR"),
        "{}",
        detail(&mut world, "batch-gap")
    );
    world.submit(&batches[1]);
    assert!(world.reasons().iter().all(|reason| reason == "batch-gap"));
    let lines = world.background.exceptions().expect("exceptions");
    let open: Vec<_> =
        lines.iter().filter(|line| line.open).map(|line| (line.batch, &*line.detail)).collect();
    assert_eq!(open.len(), 2, "{open:?}");
    assert!(open[0].1.contains("1 payments of 3.00 EUR"), "{open:?}");
    assert!(open[1].1.contains("1 payments of 0.01 EUR"), "{open:?}");
    world.submit(&batches[0]);
    world.submit(&batches[2]);
    assert_eq!((world.reasons(), world.check().booked), (vec![], 4_321));
}

/// Sums that do not follow, one minor unit too high: named whichever batch comes first.
#[test]
fn sums_that_do_not_follow_are_named_in_both_orders() {
    for reversed in [false, true] {
        let mut world = World::new();
        let (mut purse, mut sam) = (world.purse(1), world.sam(1));
        world.load(&mut purse, 10_000);
        world.buy(&mut purse, &mut sam, 100);
        let first = sam.close();
        // A PSAM that was broken into, and counts a payment that it does not hand in.
        let hidden = world.pay(&mut purse, &mut sam, 1);
        sam.entries.push((Outcome::Credited, hidden));
        let _ = sam.close();
        (sam.batch, sam.previous) = (BatchNumber::new(2).expect("two"), first.trailer.s4);
        world.buy(&mut purse, &mut sam, 50);
        let second = sam.close();
        let mut batches = [first, second];
        if reversed {
            batches.reverse();
        }
        batches.iter().for_each(|batch| world.submit(batch));
        assert_eq!(world.reasons(), ["batch-sums"], "{reversed}");
        assert_eq!(world.check().booked, 150);
    }
}

#[test]
fn a_batch_that_was_forgotten_is_named() {
    for (oldest, clean) in [(1, true), (2, false), (4, false)] {
        let mut world = World::new();
        let (mut purse, mut sam) = (world.purse(1), world.sam(1));
        world.load(&mut purse, 10_000);
        world.buy(&mut purse, &mut sam, 100);
        let first = sam.close();
        world.buy(&mut purse, &mut sam, 100);
        sam.oldest = BatchNumber::new(oldest).expect("small");
        let second = sam.close();
        world.submit(&second);
        assert_eq!(!world.reasons().contains(&"batch-forgotten".to_owned()), clean, "{oldest}");
        world.submit(&first);
    }
}

/// What became of claims is told once, at most sixteen with an acknowledgement, and the same batch gets
/// every byte of its acknowledgement again, whatever the time.
#[test]
fn claims_that_are_decided_are_told_once() {
    let mut world = World::new();
    let (mut purse, mut sam, mut other) = (world.purse(1), world.sam(1), world.sam(2));
    world.load(&mut purse, 10_000);
    for place in 0..18 {
        // Every third one was debited.
        let mut ghost = purse.clone();
        let value = match place % 3 {
            0 => world.pay(&mut purse, &mut sam, 1),
            _ => world.pay(&mut ghost, &mut sam, 1),
        };
        purse.position.nt = purse.position.nt.max(ghost.position.nt);
        sam.entries.push((Outcome::Unresolved, unanswered(&value)));
        if place % 3 == 0 {
            other.entries.push((Outcome::Receipt, value));
        }
    }
    world.buy(&mut purse, &mut sam, 5);
    let first = sam.close();
    let ack = world.background.submit(&first, NOW).expect("stored");
    world.collect(&mut other);
    let told = ack.resolved.as_slice().len();
    let mut all: Vec<Resolution> = ack.resolved.as_slice().into();
    let mut acks = vec![(first, ack)];
    for minute in 1..4 {
        world.buy(&mut purse, &mut sam, 5);
        let batch = sam.close();
        let ack = world.background.submit(&batch, Time(NOW.0 + minute * 60)).expect("stored");
        all.extend(ack.resolved.as_slice());
        acks.push((batch, ack));
    }
    all.sort_unstable_by_key(|resolution| resolution.nt);
    let expected: Vec<_> =
        (1..=18).map(|nt| Resolution { nt: SamCounter(nt), paid: u8::from(nt % 3 == 1) }).collect();
    assert_eq!(all, expected, "{told} with the first");
    for (batch, ack) in acks {
        let again = world.background.submit(&batch, Time(NOW.0 + 999_999)).expect("stored");
        assert_eq!(again, ack);
    }
    assert_eq!(world.check().claims, 0);
}

#[test]
fn the_oldest_list_is_what_the_issuer_demands() {
    let mut world = World::new();
    let mut sam = world.sam(1);
    let first = sam.close();
    assert_eq!(world.background.submit(&first, NOW).expect("stored").list_min, 0);
    world.background.demand_list(provider(), 7).expect("demanded");
    let second = sam.close();
    let ack = world.background.submit(&second, NOW).expect("stored");
    assert_eq!((ack.list_min, ack.time), (7, NOW));
    assert_eq!(world.background.submit(&first, NOW).expect("again").list_min, 0, "as it was told then");
}
