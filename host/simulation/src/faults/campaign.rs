//! Many seeds, on several threads. Each simulation is alone in its thread, so that threads
//! change nothing but which seeds are done first.

use std::sync::{Mutex, PoisonError};

use super::run::{Plan, run};
use super::shrink::Failure;
use super::tally::Tally;
use crate::Error;

/// What came of it.
#[derive(Debug, Default)]
pub struct Campaign {
    /// What was counted.
    pub tally: Tally,
    /// A run that failed: that of the lowest seed, of those that were begun.
    pub failure: Option<Failure>,
    /// The first seed that was not begun.
    pub next: u64,
}

/// Seeds that are not begun, and what came of the others.
struct Work {
    seeds: core::ops::Range<u64>,
    done: Result<Campaign, Error>,
}

/// Runs `plan` with each of `seeds` on `jobs` threads, until one fails or `enough` says so of
/// what has been counted.
pub fn campaign(
    plan: &Plan,
    seeds: core::ops::Range<u64>,
    jobs: usize,
    enough: &(dyn Fn(&Campaign) -> bool + Sync),
) -> Result<Campaign, Error> {
    let next = seeds.start;
    let work = Mutex::new(Work { seeds, done: Ok(Campaign { next, ..Campaign::default() }) });
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(seed) = begin(&work, enough) {
                    one(&work, Plan { seed, ..plan.clone() });
                }
            });
        }
    });
    work.into_inner().unwrap_or_else(PoisonError::into_inner).done
}

fn begin(work: &Mutex<Work>, enough: &(dyn Fn(&Campaign) -> bool + Sync)) -> Option<u64> {
    let mut work = work.lock().unwrap_or_else(PoisonError::into_inner);
    let Work { seeds, done } = &mut *work;
    let done = done.as_mut().ok().filter(|done| done.failure.is_none() && !enough(done))?;
    let seed = seeds.next()?;
    done.next = seed + 1;
    Some(seed)
}

fn one(work: &Mutex<Work>, plan: Plan) {
    let outcome = run(&plan, false);
    let mut work = work.lock().unwrap_or_else(PoisonError::into_inner);
    let Ok(done) = &mut work.done else { return };
    match outcome {
        Err(error) => work.done = Err(error),
        Ok(outcome) => {
            done.tally.add(&outcome.tally);
            let lower = done.failure.as_ref().is_none_or(|failure| plan.seed < failure.plan.seed);
            if let Some(violation) = outcome.violation.filter(|_| lower) {
                done.failure = Some(Failure { plan, violation });
            }
        }
    }
}
