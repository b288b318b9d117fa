//! An explorer of state machines: all interleavings within a bound, breadth first, so
//! that a counterexample is a shortest one.
//!
//! Of a state only 64 bits of a hash are kept, and the step that leads to it; at 10,000,000
//! states a collision hides one of them with a chance of 3 in a million. What waits to be
//! explored is made again from the start (`Way`). Everything is deterministic.

mod fingerprint;

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

use fingerprint::{Plain, fingerprint};

/// A protocol as a state machine.
pub trait Machine {
    /// Everything that is remembered anywhere.
    type State: Clone + Hash + Eq;
    /// One thing that can happen.
    type Step: Copy + Debug;
    /// What must be reached in some state, or the machine shows nothing.
    const SOMETIMES: &'static [&'static str];

    /// The first state.
    fn start(&self) -> Self::State;
    /// All that can be tried.
    fn steps(&self, state: &Self::State) -> Vec<Self::Step>;
    /// What must hold in every state; or the property that is broken.
    fn holds(&self, state: &Self::State) -> Result<(), String>;
    /// Whether the step is accepted, and the state after it; or the property that it breaks.
    fn next(&self, state: &Self::State, step: Self::Step) -> Result<(bool, Self::State), String>;
    /// Which of [`Machine::SOMETIMES`] hold here, where these steps can be tried, as bits.
    fn seen(&self, state: &Self::State, steps: &[Self::Step]) -> u32;
}

/// A shortest way to a broken property.
#[derive(Debug)]
pub struct Counterexample<S> {
    /// The steps.
    pub steps: Vec<S>,
    /// What is broken.
    pub property: String,
}

/// What was explored.
#[derive(Debug)]
pub struct Explored<S> {
    /// Different states.
    pub states: usize,
    /// Steps tried.
    pub tried: usize,
    /// Longest shortest path.
    pub depth: usize,
    /// Whether there was nothing more to explore.
    pub complete: bool,
    /// What of [`Machine::SOMETIMES`] was never reached.
    pub never: Vec<&'static str>,
    /// The first broken property.
    pub counterexample: Option<Counterexample<S>>,
    /// Of every state: the state before it and the step that leads here.
    parents: Vec<(u32, Option<S>)>,
}

impl<S: Copy> Explored<S> {
    /// Shortest paths, no one the beginning of another: together they go through every
    /// state. About `count` of them and no fewer, where there are as many, spread evenly, the
    /// longest one included.
    #[must_use]
    pub fn paths(&self, count: usize) -> Vec<Vec<S>> {
        let mut ends = vec![true; self.parents.len()];
        self.parents.iter().skip(1).for_each(|(before, _)| ends[*before as usize] = false);
        let ends: Vec<_> = (0..ends.len()).filter(|state| ends[*state]).collect();
        let stride = (ends.len() / count.max(1)).max(1);
        ends.iter().rev().step_by(stride).map(|end| self.path(*end)).collect()
    }

    fn path(&self, mut state: usize) -> Vec<S> {
        let mut steps = Vec::new();
        while let (before, Some(step)) = self.parents[state] {
            steps.push(step);
            state = before as usize;
        }
        steps.reverse();
        steps
    }
}

/// The states on the way from the start to the one at hand. Breadth first visits neighbours
/// one after the other: they share most of their way, and only the rest is made again.
struct Way<'m, M: Machine> {
    machine: &'m M,
    states: Vec<(u32, M::State)>,
}

impl<M: Machine> Way<'_, M> {
    /// Goes to a state. Numbers grow along each way: what is greater does not lead there.
    fn to(&mut self, number: u32, parents: &[(u32, Option<M::Step>)]) -> &M::State {
        let (mut missing, mut at) = (Vec::new(), number);
        loop {
            while self.states.last().is_some_and(|last| last.0 > at) {
                self.states.pop();
            }
            let (before, Some(step)) = parents[at as usize] else { break };
            if self.states.last().is_some_and(|last| last.0 == at) {
                break;
            }
            missing.push((at, step));
            at = before;
        }
        for (at, step) in missing.into_iter().rev() {
            let before = &self.states.last().expect("the start").1;
            let (_, after) = self.machine.next(before, step).expect("it was explored");
            self.states.push((at, after));
        }
        &self.states.last().expect("the start").1
    }
}

/// Explores up to `bound` states.
///
/// # Panics
/// Above 2^32 states.
pub fn explore<M: Machine>(machine: &M, bound: usize) -> Explored<M::Step> {
    let start = machine.start();
    let mut known: HashSet<u64, Plain> = HashSet::default();
    known.insert(fingerprint(&start));
    let mut way = Way { machine, states: vec![(0, start)] };
    let mut explored = Explored {
        states: 1,
        tried: 0,
        depth: 0,
        complete: true,
        never: Vec::new(),
        counterexample: None,
        parents: vec![(0, None)],
    };
    let (mut number, mut seen) = (0, 0);
    // Where the states end that are one step longer than those before them.
    let mut generation = 1;
    'all: while (number as usize) < explored.parents.len() {
        if number as usize == generation {
            (generation, explored.depth) = (explored.parents.len(), explored.depth + 1);
        }
        let state = way.to(number, &explored.parents);
        let steps = machine.steps(state);
        seen |= machine.seen(state, &steps);
        for step in steps {
            explored.tried += 1;
            let after = machine.next(state, step).and_then(|(_, after)| {
                let new = known.insert(fingerprint(&after));
                if new { machine.holds(&after).map(|()| new) } else { Ok(new) }
            });
            match after {
                Ok(false) => continue,
                Ok(true) => explored.parents.push((number, Some(step))),
                Err(property) => {
                    let mut steps = explored.path(number as usize);
                    steps.push(step);
                    explored.counterexample = Some(Counterexample { steps, property });
                    break 'all;
                }
            }
            if explored.parents.len() == bound {
                explored.complete = false;
                break 'all;
            }
        }
        number = number.checked_add(1).expect("fewer states");
    }
    explored.states = explored.parents.len();
    let unseen = |(bit, _): &(usize, &&'static str)| seen >> *bit & 1 == 0;
    explored.never = M::SOMETIMES.iter().enumerate().filter(unseen).map(|(_, name)| *name).collect();
    explored
}

/// Walks at random, `count` of them with `length` steps at most: shortest paths go through
/// every state, walks also take steps into states that another path has reached first.
/// Steps that change nothing are left out.
///
/// # Panics
/// Where a property breaks: the machine must have been explored.
pub fn walks<M: Machine>(machine: &M, seed: u64, count: usize, length: usize) -> Vec<Vec<M::Step>> {
    let mut random = seed;
    let walk = |_| {
        let mut state = machine.start();
        let mut steps = Vec::new();
        for _ in 0..length {
            let all = machine.steps(&state);
            // Knuth's constants; the upper bits are the good ones.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let Some(step) = all.get((random >> 33) as usize % all.len().max(1)) else { break };
            let (_, after) = machine.next(&state, *step).expect("explored before");
            if after != state {
                steps.push(*step);
                state = after;
            }
        }
        steps
    };
    (0..count).map(walk).collect()
}
