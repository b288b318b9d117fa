//! Which deeds are swept, how, and by which shard.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use card_os::sim::Technology;

use crate::cut::{Command, Deed, Situation, Subject, Tally};
use crate::kept;

/// Entries that fill the ring: by then every sort of reclaiming has come up.
const ENTRIES: usize = 1_000;
/// Entries of one block at most: in so many steps a block is opened, emptied and erased.
const BLOCK_ENTRIES: usize = 130;

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

    /// By how many entries a state is aged after each look at it. The bounded run follows one
    /// state step by step through more than a block: every sort of reclaiming comes up.
    fn steps(&self, followed: bool) -> Vec<usize> {
        let mut steps = vec![self.step; ENTRIES / self.step];
        if followed && !self.classes {
            steps.extend([1; BLOCK_ENTRIES]);
        }
        steps
    }
}

/// This shard, the number of shards, and how many of its deeds are done: environment
/// variables `SWEEP_SHARD`, as `3/8`, and `SWEEP_DONE`.
fn shard() -> (usize, usize, usize) {
    let done = std::env::var("SWEEP_DONE").map_or(0, |done| done.parse().unwrap());
    let Ok(shard) = std::env::var("SWEEP_SHARD") else { return (0, 1, done) };
    let (this, all) = shard.split_once('/').unwrap();
    (this.parse::<usize>().unwrap() - 1, all.parse().unwrap(), done)
}

/// Does `work` for each of `count` tasks on all cores; what it gave, in their order.
fn on_all_cores<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let task = next.fetch_add(1, Relaxed);
                    if task >= count {
                        return;
                    }
                    let result = work(task);
                    done.lock().unwrap().push((task, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(task, _)| *task);
    done.into_iter().map(|(_, result)| result).collect()
}

/// A command in a situation, to be swept.
struct Task<S: Subject> {
    situation: Arc<Situation<S>>,
    command: usize,
    key: String,
}

/// Ages a situation and finds its deeds, one of each key.
fn deeds_of<S: Subject>(
    situation: &Situation<S>,
    commands: &[Command<S>],
    depth: &Depth,
    followed: bool,
) -> Vec<Task<S>> {
    let (mut found, mut seen, mut situation) = (Vec::new(), HashSet::new(), situation.clone());
    for technology in depth.technologies {
        situation.chip.change_to(*technology);
        for step in depth.steps(followed) {
            let now = Arc::new(situation.clone());
            for (command, row) in commands.iter().enumerate() {
                let deed = Deed::record(&now, row);
                let key = if depth.classes { deed.key() } else { deed.kind() };
                let key = format!("{technology:?} {key}");
                if seen.insert(key.clone()) {
                    found.push(Task { situation: now.clone(), command, key });
                }
            }
            situation.chip = kept::age(S::KIND, situation.chip, step);
        }
    }
    found
}

/// Sweeps one deed of each key, and prints what was counted.
pub fn sweep<S: Subject>(name: &str, mut situations: Vec<Situation<S>>, commands: &[Command<S>]) {
    // The first and so the youngest state of each class.
    let mut classes = HashSet::new();
    situations.retain(|situation| classes.insert(situation.class.clone()));
    let (depth, (this, shards, done), started) = (Depth::asked(), shard(), Instant::now());
    let states = situations.len();
    let found =
        on_all_cores(states, |state| deeds_of(&situations[state], commands, &depth, state == states / 4));
    let mut seen = HashSet::new();
    let mut tasks: Vec<_> =
        found.into_iter().flatten().filter(|task| seen.insert(task.key.clone())).collect();
    let all = tasks.len();
    tasks = tasks.into_iter().skip(this).step_by(shards).skip(done).collect();
    println!("{name}: {states} states, {all} deeds, found in {} s", started.elapsed().as_secs());

    let (swept, shown) = (Mutex::new((0, Tally::default())), Mutex::new(Instant::now()));
    let started = Instant::now();
    on_all_cores(tasks.len(), |task| {
        let Task { situation, command, .. } = &tasks[task];
        let tally = Deed::record(situation, &commands[*command]).sweep(depth.twice);
        let mut swept = swept.lock().unwrap();
        swept.0 += 1;
        swept.1 += tally;
        let mut shown = shown.lock().unwrap();
        if shown.elapsed().as_secs() >= 20 {
            *shown = Instant::now();
            let (deeds, tally) = &*swept;
            println!("... {name}: {} of {} deeds, {tally}", done + deeds, done + tasks.len());
        }
    });
    let (_, tally) = swept.into_inner().unwrap();
    let rate = tally.cases as u128 * 1_000 / started.elapsed().as_millis().max(1);
    println!("{name}: {states} states, {tally}, {rate} cases a second");
    assert!(tally.cases > 0 || shards > 1 || done > 0);
}
