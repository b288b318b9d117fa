//! An explorer of state machines: all interleavings within a bound, breadth first, so
//! that a counterexample is a shortest one.
//!
//! States are told apart by 64 bits of a hash; at 10,000,000 states a collision hides one
//! of them with a chance of 3 in a million. Everything is deterministic.

use std::collections::{HashSet, VecDeque};
use std::fmt::Debug;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

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
    /// Which of [`Machine::SOMETIMES`] hold here, as bits.
    fn seen(&self, state: &Self::State) -> u32;
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

/// Explores up to `bound` states.
///
/// # Panics
/// Above 2^32 states.
pub fn explore<M: Machine>(machine: &M, bound: usize) -> Explored<M::Step> {
    let start = machine.start();
    let mut known: HashSet<u64, BuildHasherDefault<DefaultHasher>> = HashSet::default();
    known.insert(fingerprint(&start));
    let mut seen = machine.seen(&start);
    let mut explored = Explored {
        states: 1,
        tried: 0,
        depth: 0,
        complete: true,
        never: Vec::new(),
        counterexample: None,
        parents: vec![(0, None)],
    };
    let mut waiting = VecDeque::from([(start, 0_u32, 0)]);
    'all: while let Some((state, number, depth)) = waiting.pop_front() {
        for step in machine.steps(&state) {
            explored.tried += 1;
            let after = machine.next(&state, step).and_then(|(_, after)| {
                let new = explored.parents.len() < bound && known.insert(fingerprint(&after));
                if new { machine.holds(&after).map(|()| (new, after)) } else { Ok((new, after)) }
            });
            match after {
                Err(property) => {
                    let mut steps = explored.path(number as usize);
                    steps.push(step);
                    explored.counterexample = Some(Counterexample { steps, property });
                    break 'all;
                }
                Ok((true, after)) => {
                    seen |= machine.seen(&after);
                    explored.depth = depth + 1;
                    let next = u32::try_from(explored.parents.len()).expect("fewer states");
                    explored.parents.push((number, Some(step)));
                    waiting.push_back((after, next, depth + 1));
                }
                Ok((false, _)) => {}
            }
            explored.complete = explored.parents.len() < bound;
        }
        if !explored.complete {
            break;
        }
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

fn fingerprint(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
