//! Which deeds are swept, how, and by which shard.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use card_os::sim::Technology;

use crate::ages::{Ages, deeds_of};
use crate::cut::{Look, Tally};
use crate::deed::{Command, Deed, Situation, Subject};
use crate::digest::Met;

/// Which deeds are swept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    /// One of each sequence: command, how it ended, the sorts of its writes.
    Sequences,
    /// Also one of each number of entries of one sort on end.
    Kinds,
    /// Also each sequence in each class of state.
    Classes,
}

/// How much is asked for: environment variable `SWEEP`.
struct Depth {
    ages: Ages,
    scope: Scope,
    /// How the first deed of each sequence is looked at; of the others the shapes are, on NOR.
    look: Look,
    technologies: &'static [Technology],
}

impl Depth {
    fn asked() -> Self {
        let (nor, all) = (&[Technology::Nor], &[Technology::Nor, Technology::Eeprom]);
        let (ages, look) = (Ages::Every, Look::Images);
        match std::env::var("SWEEP").as_deref() {
            Err(_) => Self { ages: Ages::Some, scope: Scope::Kinds, look, technologies: nor },
            Ok("full") => Self { ages, scope: Scope::Classes, look, technologies: all },
            Ok("double") => Self { ages, scope: Scope::Sequences, look: Look::Twice, technologies: nor },
            Ok(other) => panic!("SWEEP={other}: full or double"),
        }
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

/// A deed to be swept.
pub struct Planned {
    command: usize,
    sequence: String,
    kind: String,
    key: String,
    /// Whether it is the first one of its sequence.
    first: bool,
}

impl Planned {
    pub fn new<S: Subject>(command: usize, deed: &Deed<'_, S>) -> Self {
        Self { command, sequence: deed.sequence(), kind: deed.kind(), key: deed.key(), first: true }
    }
}

/// Deeds of one situation, to be swept.
pub struct Task<S: Subject> {
    pub situation: Situation<S>,
    pub deeds: Vec<Planned>,
}

impl<S: Subject> Task<S> {
    /// Sweeps its deeds on one technology. Those that write the same on the same image, as all
    /// do that only let memory reclaim, are cut to the same images, and are swept once.
    fn sweep(&self, commands: &[Command<S>], technology: Technology, look: Look) -> Tally {
        let (mut all, mut met) = (Tally::default(), Met::default());
        let mut situation = self.situation.clone();
        situation.chip.change_to(technology);
        for Planned { command, first, .. } in &self.deeds {
            if !first && technology != Technology::Nor {
                continue;
            }
            let look = if *first { look } else { Look::Shapes };
            let mut deed = Deed::record(&situation, &commands[*command]);
            deed.check();
            let (standings, tally) = met.entry(deed.same_writes(look)).or_insert_with(|| {
                let standings = deed.standings();
                let tally = deed.sweep(&standings, look);
                (standings, tally)
            });
            deed.check_standings(standings);
            all += *tally;
            (tally.powered, tally.asked) = (0, 0);
        }
        all
    }
}

/// Finds the deeds that are swept, each in the first and so the youngest state that has it.
fn find<S: Subject>(situations: &[Situation<S>], commands: &[Command<S>], depth: &Depth) -> Vec<Task<S>> {
    let all = situations.len();
    let found =
        on_all_cores(all, |state| deeds_of(&situations[state], commands, depth.ages, state == all / 4));
    let (mut sequences, mut kinds, mut keys) = (HashSet::new(), HashSet::new(), HashSet::new());
    let mut tasks: Vec<_> = found.into_iter().flatten().collect();
    for Task { deeds, .. } in &mut tasks {
        deeds.retain_mut(|deed| {
            deed.first = sequences.insert(deed.sequence.clone());
            let kind = kinds.insert(deed.kind.clone()) && depth.scope >= Scope::Kinds;
            let key = keys.insert(deed.key.clone()) && depth.scope >= Scope::Classes;
            deed.first || kind || key
        });
    }
    tasks.retain(|task| !task.deeds.is_empty());
    tasks
}

/// Sweeps one deed of each key, and prints what was counted.
pub fn sweep<S: Subject>(name: &str, mut situations: Vec<Situation<S>>, commands: &[Command<S>]) {
    let mut classes = HashSet::new();
    situations.retain(|situation| classes.insert(situation.class.clone()));
    let (depth, (this, shards, done), started) = (Depth::asked(), shard(), Instant::now());
    let (states, tasks) = (situations.len(), find(&situations, commands, &depth));
    drop(situations);
    let deeds: usize = tasks.iter().map(|task| task.deeds.len()).sum();
    let seconds = started.elapsed().as_secs();
    println!("{name}: {states} states, {deeds} deeds at {} ages, found in {seconds} s", tasks.len());

    let every =
        depth.technologies.iter().flat_map(|technology| tasks.iter().map(move |task| (task, *technology)));
    let mine: Vec<_> = every.skip(this).step_by(shards).skip(done).collect();
    let (swept, started) = (Mutex::new((0, Tally::default(), Instant::now())), Instant::now());
    on_all_cores(mine.len(), |task| {
        let (task, technology) = mine[task];
        let tally = task.sweep(commands, technology, depth.look);
        let mut swept = swept.lock().unwrap();
        let (count, all, shown) = &mut *swept;
        *count += 1;
        *all += tally;
        if shown.elapsed().as_secs() >= 20 {
            *shown = Instant::now();
            let (of, seconds) = (done + mine.len(), started.elapsed().as_secs());
            println!("... {name}: {} of {of} tasks in {seconds} s, {all}", done + *count);
        }
    });
    let (_, tally, _) = swept.into_inner().unwrap();
    let rate = tally.cases as u128 * 1_000 / started.elapsed().as_millis().max(1);
    println!("{name}: {states} states, {tally}, {rate} cases a second");
    assert!(tally.cases > 0 || shards > 1 || done > 0);
}
