//! One simulation, from one seed: issued, lived, drained, judged.

use core::fmt;

use super::audit;
use super::chance::Chance;
use super::people::PEOPLE;
use super::rates::Rates;
use super::system::System;
use super::tally::Tally;
use crate::Error;
use crate::weaken::Weakness;

/// Steps after which the books are held against what is true; once more at the end.
const AUDIT_AFTER: u64 = 512;
/// Lines of the trace that are kept: so many of the last steps, and so many of the drain.
const TRACE: usize = 40;

/// What to simulate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// Purses.
    pub purses: u32,
    /// Steps, most of them payments.
    pub steps: u64,
    /// How often what goes wrong; drawn from the seed where nothing is said.
    pub rates: Option<Rates>,
    /// A protection that is off.
    pub weaken: Option<Weakness>,
    /// Steps that are left out.
    pub without: Vec<(u64, u64)>,
}

impl Plan {
    /// A run of usual size.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, purses: 12, steps: 3_000, rates: None, weaken: None, without: Vec::new() }
    }

    /// How often what goes wrong.
    #[must_use]
    pub fn rates(&self) -> Rates {
        self.rates.unwrap_or_else(|| Rates::swarm(&mut Chance::of(self.seed, u64::MAX)))
    }

    fn leaves_out(&self, step: u64) -> bool {
        self.without.iter().any(|(from, to)| (*from..*to).contains(&step))
    }
}

/// What must not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The step after which it was so; the number of all steps where it is the drain.
    pub step: u64,
    /// Whether it is so in the town of the [gang](crate::gang).
    pub by_gang: bool,
    /// What is wrong.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after step {}: {}", self.step, self.text)
    }
}

/// How a simulation ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What was counted.
    pub tally: Tally,
    /// What must not be, if there was anything.
    pub violation: Option<Violation>,
    /// The same for the same plan; different for almost every other one.
    pub digest: u64,
    /// The last lines of the trace, where it was wanted.
    pub trace: Vec<String>,
}

/// Runs a simulation. An error is a defect of the simulator, or of what it runs on.
pub fn run(plan: &Plan, traced: bool) -> Result<Outcome, Error> {
    let mut system = System::new(plan, plan.rates(), traced)?;
    let mut last = plan.steps;
    for step in 1..=plan.steps {
        if plan.leaves_out(step) {
            continue;
        }
        system.trace_step(step);
        system.step(step)?;
        if step.is_multiple_of(AUDIT_AFTER) {
            system.audit()?;
        }
        if system.is_violated() {
            last = step;
            break;
        }
    }
    system.trace_end();
    if !system.is_violated() {
        system.drain(plan.steps + 1)?;
    }
    let mut outcome = system.end_of(last);
    if outcome.violation.is_none() && PEOPLE.into_iter().any(|person| plan.rates().of(person) > 0) {
        gang(plan, &mut outcome)?;
    }
    Ok(outcome)
}

/// Where people are dishonest, a gang of them has its own town: one move for each step, and copies of
/// purses with every other seed.
fn gang(plan: &Plan, outcome: &mut Outcome) -> Result<(), Error> {
    let Plan { seed, steps: moves, weaken, .. } = *plan;
    let lived = crate::gang::run(&crate::gang::Plan { seed, moves, copies: seed.is_multiple_of(2), weaken })?;
    outcome.tally.moves += moves;
    outcome.violation = lived.violation.map(|(step, text)| Violation {
        step,
        by_gang: true,
        text: format!("a gang: {text}"),
    });
    Ok(())
}

impl System {
    fn trace_step(&self, step: u64) {
        let mut fate = self.shared.lock();
        fate.tell(|| format!("step {step}"));
        if let Some(trace) = &mut fate.trace
            && trace.len() > 4 * TRACE
        {
            trace.drain(..3 * TRACE);
        }
    }

    /// Of the steps, the last lines are kept, however much the drain has to tell.
    fn trace_end(&self) {
        if let Some(trace) = &mut self.shared.lock().trace {
            trace.drain(..trace.len().saturating_sub(TRACE));
        }
    }

    fn is_violated(&self) -> bool {
        self.shared.lock().truth.violation.is_some()
    }

    fn audit(&mut self) -> Result<(), Error> {
        audit::lines(&mut self.office.background, &mut self.shared.lock().truth)
    }

    fn end_of(self, step: u64) -> Outcome {
        let mut fate = self.shared.lock();
        let truth = &fate.truth;
        let digest = truth.digest();
        let violation = truth.violation.clone().map(|text| Violation { step, by_gang: false, text });
        let mut tally = Tally { seeds: 1, ..fate.tally.clone() };
        truth.count(&mut tally);
        let mut trace = fate.trace.take().unwrap_or_default();
        let steps = trace.len().min(TRACE);
        trace.drain(steps..trace.len().saturating_sub(TRACE).max(steps));
        Outcome { tally, violation, digest, trace }
    }
}
