//! Makes a run that failed smaller: fewer steps, fewer kinds of faults, fewer purses, as
//! long as it still fails in some way, in the same town.
//!
//! A step draws from a chance of its own, so that the steps that are left still want to do
//! the same.

use super::rates::Fault;
use super::run::{Plan, Violation, run};
use crate::Error;

/// A plan that fails, and how.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The plan.
    pub plan: Plan,
    /// What must not be.
    pub violation: Violation,
}

/// Tries smaller plans while `more` says so.
pub fn shrink(failure: &Failure, more: &mut dyn FnMut() -> bool) -> Result<Failure, Error> {
    let mut least = failure.clone();
    // What happens in a run must not change with its length or the number of its faults.
    least.plan.rates = Some(failure.plan.rates());
    least.plan.steps = least.plan.steps.min(failure.violation.step);
    loop {
        let before = least.plan.clone();
        fewer_faults(&mut least, more)?;
        fewer_purses(&mut least, more)?;
        fewer_steps(&mut least, more)?;
        if least.plan == before || !more() {
            return Ok(least);
        }
    }
}

/// Takes a plan that still fails; whether it does.
fn take(least: &mut Failure, plan: Plan) -> Result<bool, Error> {
    let here = |violation: &Violation| violation.by_gang == least.violation.by_gang;
    let Some(violation) = run(&plan, false)?.violation.filter(here) else { return Ok(false) };
    *least = Failure { plan, violation };
    let end = least.violation.step;
    least.plan.steps = least.plan.steps.min(end);
    Ok(true)
}

fn fewer_faults(least: &mut Failure, more: &mut dyn FnMut() -> bool) -> Result<(), Error> {
    for fault in Fault::ALL {
        let mut rates = least.plan.rates();
        if rates.of(*fault) > 0 && more() {
            rates.set(*fault, 0);
            let plan = Plan { rates: Some(rates), ..least.plan.clone() };
            take(least, plan)?;
        }
    }
    Ok(())
}

/// Leaves out half of the steps, a quarter, an eighth and so on, wherever that is possible.
fn fewer_steps(least: &mut Failure, more: &mut dyn FnMut() -> bool) -> Result<(), Error> {
    let mut length = least.plan.steps / 2;
    while length > 0 {
        let mut from = 1;
        while from <= least.plan.steps && more() {
            let to = from + length;
            let mut plan = least.plan.clone();
            if !plan.without.iter().any(|(start, end)| *start <= from && to <= *end) {
                plan.without.push((from, to));
                plan.without = joined(plan.without);
                take(least, plan)?;
            }
            from = to;
        }
        length /= 2;
    }
    Ok(())
}

fn fewer_purses(least: &mut Failure, more: &mut dyn FnMut() -> bool) -> Result<(), Error> {
    for purses in [1, 2, 3, 5, 8] {
        if purses < least.plan.purses && more() {
            let plan = Plan { purses, ..least.plan.clone() };
            if take(least, plan)? {
                break;
            }
        }
    }
    Ok(())
}

/// Ranges in order, those that touch joined.
fn joined(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut all: Vec<(u64, u64)> = Vec::new();
    for (from, to) in ranges {
        match all.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => all.push((from, to)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn ranges_that_touch_are_one() {
        assert_eq!(joined(vec![(8, 9), (1, 3), (3, 5), (2, 4)]), [(1, 5), (8, 9)]);
    }
}
