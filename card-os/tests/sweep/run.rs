//! Which deeds are swept, how, and by which shard.

use std::collections::HashSet;
use std::time::Instant;

use card_os::sim::Technology;

use crate::cut::{Command, Deed, Situation, Subject, Tally};
use crate::kept;

/// Entries that fill the ring: by then every sort of reclaiming has come up.
const ENTRIES: usize = 1_000;

/// How much is asked for: environment variable `SWEEP`.
struct Depth {
    /// Entries by which each state is aged, again and again until its memory has gone round.
    step: usize,
    /// Whether each class of state is swept, or one state for each kind of deed.
    classes: bool,
    twice: bool,
    technologies: &'static [Technology],
}

impl Depth {
    fn asked() -> Self {
        let all = &[Technology::Nor, Technology::Eeprom];
        match std::env::var("SWEEP").as_deref() {
            Err(_) => Self { step: 500, classes: false, twice: false, technologies: &[Technology::Nor] },
            Ok("full") => Self { step: 1, classes: true, twice: false, technologies: all },
            Ok("double") => Self { step: 3, classes: true, twice: true, technologies: &[Technology::Nor] },
            Ok(other) => panic!("SWEEP={other}: full or double"),
        }
    }
}

/// This shard and the number of shards: environment variable `SWEEP_SHARD`, as `3/8`.
fn shard() -> (usize, usize) {
    let Ok(shard) = std::env::var("SWEEP_SHARD") else { return (0, 1) };
    let (this, all) = shard.split_once('/').unwrap();
    (this.parse::<usize>().unwrap() - 1, all.parse().unwrap())
}

/// Sweeps one deed of each key, and prints what was counted.
pub fn sweep<S: Subject>(name: &str, mut situations: Vec<Situation<S>>, commands: &[Command<S>]) {
    // The first and so the youngest state of each class.
    let mut classes = HashSet::new();
    situations.retain(|situation| classes.insert(situation.class.clone()));
    let (depth, (this, shards)) = (Depth::asked(), shard());
    let (started, mut shown) = (Instant::now(), Instant::now());
    let (mut seen, mut tally) = (HashSet::new(), Tally::default());
    let states = situations.len();
    let rounds =
        depth.technologies.iter().flat_map(|made_of| (0..ENTRIES / depth.step).map(move |_| *made_of));
    for technology in rounds {
        for situation in &mut situations {
            situation.chip.change_to(technology);
            for command in commands {
                let deed = Deed::record(situation, command);
                let key = if depth.classes { deed.key() } else { deed.kind() };
                if seen.insert((technology == Technology::Nor, key)) && seen.len() % shards == this {
                    tally += deed.sweep(depth.twice);
                }
            }
            if shown.elapsed().as_secs() >= 20 {
                shown = Instant::now();
                println!("... {name}: {tally}, {} s", started.elapsed().as_secs());
            }
            situation.chip = kept::age(S::KIND, situation.chip.clone(), depth.step);
        }
    }
    let rate = tally.cases as u128 * 1_000 / started.elapsed().as_millis().max(1);
    println!("{name}: {states} states, {tally}, {rate} cases a second");
    assert!(tally.cases > 0 || shards > 1);
}
