//! What all parts of a simulation share while a step runs: chance and rates, what has
//! been counted, the [`Truth`], and the trace of the last steps.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chance::Chance;
use super::people::notebook::Notebook;
use super::rates::{Fault, Rates};
use super::tally::Tally;
use super::truth::Truth;

/// Shared by readers, disks and links of one simulation; never contended.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<Fate>>);

/// What they share.
#[derive(Debug)]
pub struct Fate {
    /// The chance of this step.
    pub chance: Chance,
    /// How often what happens.
    pub rates: Rates,
    /// What has happened.
    pub tally: Tally,
    /// What is true.
    pub truth: Truth,
    /// What dishonest people have seen.
    pub notebook: Notebook,
    /// Lines about what happens, where somebody wants to read them.
    pub trace: Option<Vec<String>>,
    /// The terminal of this step has been killed: nothing it does takes effect.
    pub crashed: bool,
    /// Whether the terminal of this step can be killed at all.
    pub mortal: bool,
}

impl Shared {
    /// For a simulation of this seed.
    #[must_use]
    pub fn new(rates: Rates, traced: bool) -> Self {
        Self(Arc::new(Mutex::new(Fate {
            chance: Chance::of(0, 0),
            rates,
            tally: Tally::default(),
            truth: Truth::default(),
            notebook: Notebook::default(),
            trace: traced.then(Vec::new),
            crashed: false,
            mortal: false,
        })))
    }

    /// Its content, for a moment.
    pub fn lock(&self) -> MutexGuard<'_, Fate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fate {
    /// Whether a fault of this kind happens now; counted where it does.
    pub fn happens(&mut self, fault: Fault) -> bool {
        let happens = self.chance.hits(self.rates.of(fault));
        if happens {
            self.tally.faults[fault as usize] += 1;
            self.tell(|| format!("  fault: {}", fault.name()));
        }
        happens
    }

    /// Whether the terminal is dead, or dies now.
    pub fn crashes(&mut self) -> bool {
        if self.mortal && !self.crashed && self.happens(Fault::Crash) {
            self.crashed = true;
        }
        self.crashed
    }

    /// Puts a line into the trace.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(line());
        }
    }
}
