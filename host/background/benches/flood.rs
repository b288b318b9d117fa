//! What an honest batch costs after 10,000 planted messages, over what it costs without:
//! `cargo bench -p background --bench flood`. The fastest of many rounds, in turn, each with a batch of
//! its own: whatever else the machine does, and what the disk takes, only makes one slower.

#[path = "../tests/support/mod.rs"]
#[allow(clippy::wildcard_imports)] // as in a test
mod support;

use std::time::Instant;

use apdu_spec::element::{BatchNumber, Mac};
use apdu_spec::record::Outcome;
use support::{NOW, Purse, Sam, World, counter};

/// Records of an honest batch, and the purses that have made them in turn.
const RECORDS: usize = 2_000;
const PURSES: u32 = 100;
/// Messages that the attacker sends: half of them batches that are refused, half receipts of
/// cancellations, for purchases to come of the honest purses: they wait all the time.
const PLANTED: u32 = 10_000;
/// The first number that he makes up; no purse comes to it.
const FUTURE: u32 = 100_000;
const ROUNDS: usize = 25;

struct Scene {
    world: World,
    purses: Vec<Purse>,
    sam: Sam,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new();
        let mut purses: Vec<_> = (1..=PURSES.into()).map(|number| world.purse(number)).collect();
        for purse in &mut purses {
            world.load(purse, 40_000);
        }
        let sam = world.sam(1);
        Self { world, purses, sam }
    }

    fn plant(&mut self) {
        let Self { world, purses, sam } = self;
        let mut thief = world.sam(2);
        world.buy(&mut purses[0].clone(), &mut thief, 1);
        let mut refused = thief.close();
        refused.trailer.s4 = Mac([4; 8]);
        (thief.batch, thief.previous) = (BatchNumber::new(1).expect("one"), Mac::default());
        thief.sums = Default::default();
        for number in 1..=PLANTED / 2 {
            refused.trailer.batch = BatchNumber::new(number).expect("small");
            world.background.submit(&refused, NOW).expect_err("refused");
        }
        for number in 0..PLANTED / 2 {
            let mut purse = purses[(number % PURSES) as usize].clone();
            let value = world.pay(&mut purse, sam, 1);
            let mut planted = purse.cancel(&value);
            planted.entry.s6 = Mac([number.to_be_bytes(), [7; 4]].concat().try_into().expect("eight"));
            planted.entry.position.nv = counter(FUTURE + number / PURSES);
            thief.entries.push((Outcome::Receipt, planted));
            if thief.entries.len() == 500 {
                world.collect(&mut thief);
            }
        }
    }

    /// Seconds of one honest batch.
    fn round(&mut self) -> f64 {
        for place in 0..RECORDS {
            self.world.buy(&mut self.purses[place % PURSES as usize], &mut self.sam, 1);
        }
        let batch = self.sam.close();
        let start = Instant::now();
        self.world.submit(&batch);
        start.elapsed().as_secs_f64()
    }
}

fn main() {
    let (mut quiet, mut flooded) = (Scene::new(), Scene::new());
    flooded.plant();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        before.push(quiet.round());
        after.push(flooded.round());
    }
    let fastest = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min) * 1e3;
    let (before, after) = (fastest(&before), fastest(&after));
    let ratio = after / before;
    println!("{RECORDS} records: {before:.1} ms; after {PLANTED} planted messages {after:.1} ms; {ratio:.2}");
}
