//! People who follow every protocol, and withhold, repeat, reorder, relay and lie where nothing is
//! under a MAC.
//!
//! The [gang](members) is everybody dishonest at once, which is the worst: two merchants with PSAMs of
//! their own, a load terminal, holders with purses, relays, and copies of purses where a run has
//! any. They write down whatever they see ([`notebook`]) and draw their [moves] at random from all
//! that an interface offers: each command of a PSAM and of a purse, each message to the background
//! system, its fields honest, noted or invented. Between them the [honest] do their business.
//!
//! What is judged is money that leaves ([`till`]): settlements, accounts, cash. What was paid out and
//! what cards still hold is never more than what was paid in, beyond what copies may cost; no honest
//! merchant is short, no honest purse accused.
//!
//! Here nothing breaks: torn cards and cut links are [faults](crate::faults). The town in which all of
//! this happens is that of the same system.

pub mod cards;
pub mod hand;
pub mod honest;
pub mod members;
pub mod moves;
pub mod notebook;
pub mod till;
pub mod town;

use std::collections::BTreeMap;

use crate::Error;
use crate::faults::chance::Chance;
use crate::weaken::Weakness;
use members::Gang;
use till::Till;
use town::Town;

/// What to live through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// Moves, one after the other.
    pub moves: u64,
    /// Whether the gang can copy purses.
    pub copies: bool,
    /// A protection that is off.
    pub weaken: Option<Weakness>,
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// The first thing that must not be, and the move after which it was so.
    pub violation: Option<(u64, String)>,
    /// Commands and messages that the gang has sent, by name: how often, and how often with success.
    pub sent: BTreeMap<&'static str, (u64, u64)>,
    /// What copies have taken beyond what was paid in, minor units.
    pub taken: i64,
    /// What they may take, minor units.
    pub bound: i64,
}

/// Moves after which the tills are counted, besides each settlement.
const COUNT_AFTER: u64 = 64;

/// Lives a plan. An error is a defect of the simulation.
pub fn run(plan: &Plan) -> Result<Outcome, Error> {
    let mut town = Town::new(plan)?;
    let mut gang = Gang::new(plan);
    let mut till = Till::new(plan.copies);
    for number in 1..=plan.moves {
        let mut chance = Chance::of(plan.seed, number);
        town.pass(&mut chance);
        let settles = match chance.below(100) {
            0..=24 => town.honest_move(&mut chance, &mut till, &mut gang.notebook).map(|()| false)?,
            25..=27 => true,
            _ => gang.step(&mut town, &mut till, chance.clone()).map(|()| false)?,
        };
        if settles {
            till.settle(&mut town)?;
        }
        if settles || number.is_multiple_of(COUNT_AFTER) {
            till.count(&mut town)?;
        }
        town.watch().report(&mut till);
        if till.violation.is_some() {
            return Ok(till.outcome(number, &town));
        }
    }
    town.close(&mut gang, &mut till)?;
    Ok(till.outcome(plan.moves, &town))
}
