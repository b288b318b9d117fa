//! The pairs: which writes a transaction makes on each card, and every tear of them.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use card_os::platform::{Platform, UNIT};
use card_os::sim::{Interrupted, Tear, Technology, tears};

use crate::party::{AFTER_ALL, Aim};
use crate::scene::{Parties, Scene, Side};

/// What was counted.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    pub purse_writes: usize,
    pub sam_writes: usize,
    pub pairs: usize,
    pub cases: usize,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { purse_writes, sam_writes, pairs, cases } = self;
        write!(
            f,
            "{purse_writes} writes of the purse, {sam_writes} of the PSAM, {pairs} pairs, {cases} cases"
        )
    }
}

/// A transaction, and what happens to it where power fails in the places given.
#[derive(Clone, Copy)]
pub struct Trial {
    pub transaction: fn(&mut Parties),
    pub torn: fn(&Scene, Aim, Aim),
}

/// The writes of one card in a transaction that nothing disturbs.
fn writes(scene: &Scene, transaction: fn(&mut Parties), side: Side) -> Vec<Interrupted> {
    // Writes, bytes and erasures with power failing behind the last byte of a write.
    let measure = |aim: Aim| {
        let mut parties = scene.wake(side.aim(aim));
        let state = |parties: &mut Parties| {
            let chip = parties.chip(side);
            (chip.writes(), chip.bytes_written(), chip.blocks_erased())
        };
        let before = state(&mut parties);
        transaction(&mut parties);
        let after = state(&mut parties);
        (after.0 - before.0, after.1 - before.1, after.2 - before.2)
    };
    let (mut bytes, mut erased) = (0, 0);
    let length = |write| {
        let (made, bytes_now, erased_now) = measure(Some((write, AFTER_ALL)));
        assert_eq!(made, write + 1);
        let length = bytes_now - bytes;
        let erasure = erased_now > erased;
        (bytes, erased) = (bytes_now, erased_now);
        let block = scene.purse.block_size();
        if erasure { Interrupted::Erasure(block) } else { Interrupted::Program(length) }
    };
    (0..measure(None).0).map(length).collect()
}

/// Every tear of each write, and last no tear at all. Without `every`, an erasure is torn as a
/// whole and at both ends of its block.
fn aims(writes: &[Interrupted], every: bool) -> Vec<Vec<Aim>> {
    let all = |(write, what): (usize, &Interrupted)| {
        let asked = |tear: &Tear| match (what, tear) {
            (Interrupted::Erasure(length), Tear::Front { piece, .. } | Tear::Back { piece, .. }) => {
                every || *piece == 0 || *piece + 1 >= length / UNIT
            }
            _ => true,
        };
        tears(Technology::Nor, *what).filter(asked).map(|tear| Some((write, tear))).collect()
    };
    writes.iter().enumerate().map(all).chain([vec![None]]).collect()
}

/// Plays a trial with every pair of writes.
pub fn joint(scene: &Scene, trial: Trial) -> Tally {
    let every = std::env::var("JOINT").is_ok_and(|asked| asked == "full");
    let of = |side| aims(&writes(scene, trial.transaction, side), every);
    let (purse, sam) = (of(Side::Purse), of(Side::Sam));
    let pairs: Vec<_> = purse.iter().flat_map(|a| sam.iter().map(move |b| (a, b))).collect();
    let (next, cases) = (AtomicUsize::new(0), Mutex::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((a, b)) = pairs.get(next.fetch_add(1, Relaxed)) {
                    // The thousands of tears of an erasure go side by side with the others.
                    let product = every && a.len().max(b.len()) < 1_000;
                    let count = if product { a.len() * b.len() } else { a.len().max(b.len()) };
                    for case in 0..count {
                        let (row, column) = if product { (case / b.len(), case) } else { (case, case) };
                        let aims = (a[row % a.len()], b[column % b.len()]);
                        let end = catch_unwind(AssertUnwindSafe(|| (trial.torn)(scene, aims.0, aims.1)));
                        end.unwrap_or_else(|panic| {
                            println!("torn in {aims:?}");
                            resume_unwind(panic)
                        });
                    }
                    *cases.lock().unwrap() += count;
                }
            });
        }
    });
    let (purse_writes, sam_writes) = (purse.len() - 1, sam.len() - 1);
    Tally { purse_writes, sam_writes, pairs: pairs.len(), cases: cases.into_inner().unwrap() }
}
