//! The search for all states of a card: breadth first, one situation for each exact key.

use std::collections::HashSet;

use apdu_spec::StatusWord;

use crate::deed::{Situation, Subject};
use crate::station::Station;

/// A step from one situation to another; a refusal is one too.
pub type Action<S> = fn(&mut Station, &mut <S as Subject>::Notes) -> Result<(), StatusWord>;

/// Finds all situations that `actions` reach from `start`, one for each key.
pub fn explore<S: Subject>(
    start: Vec<Situation<S>>,
    actions: &[Action<S>],
    key: fn(&mut Station, &S::Notes) -> (String, String),
) -> Vec<Situation<S>> {
    let (mut found, mut seen) = (start, HashSet::new());
    let mut next = 0;
    while next < found.len() {
        for action in actions {
            let Situation { chip, mut notes, .. } = found[next].clone();
            let mut station = Station::open(S::KIND, chip, false).unwrap();
            let _ = action(&mut station, &mut notes);
            let (exact, class) = key(&mut station, &notes);
            if seen.insert(exact) {
                found.push(Situation { chip: station.power_off().chip, notes, class });
            }
        }
        next += 1;
    }
    found
}
