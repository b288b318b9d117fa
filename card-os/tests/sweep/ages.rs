//! Ages: where in its block the end of memory is, and what reclaiming is due. Each state is
//! looked at while its memory goes round.

use std::collections::HashSet;

use card_os::platform::UNIT;

use crate::deed::{Command, Deed, Situation, Subject};
use crate::kept::{LONG, SHORT, age};
use crate::run::{Planned, Task};

/// Long entries after which memory has gone round: by then every sort of reclaiming has come up.
const ROUND: usize = 64;
/// Short entries of one block at most: in so many steps a block is opened, emptied and erased.
const BLOCK_ENTRIES: usize = 130;

/// At which ages a state is looked at.
#[derive(Clone, Copy)]
pub enum Ages {
    /// Young and old; one state is followed in short steps through more than a block.
    Some,
    /// Behind each of the long entries that fill the ring, and there behind one of every
    /// size.
    Every,
}

/// How each command would go: its kind, and the block of each write.
type Courses = Vec<(String, Vec<usize>)>;

/// A state that grows old, and its deeds, one of each kind.
struct Life<'a, S: Subject> {
    commands: &'a [Command<S>],
    seen: HashSet<String>,
    found: Vec<Task<S>>,
}

impl<S: Subject> Life<'_, S> {
    /// Notes the deeds that are new.
    fn look(&mut self, now: &Situation<S>) -> Courses {
        let (mut deeds, mut courses) = (Vec::new(), Courses::new());
        for (command, row) in self.commands.iter().enumerate() {
            let deed = Deed::record(now, row);
            let course = deed.course();
            if self.seen.insert(course.0.clone()) {
                deeds.push(Planned::new(command, &deed));
            }
            courses.push(course);
        }
        if !deeds.is_empty() {
            self.found.push(Task { situation: now.clone(), deeds });
        }
        courses
    }

    /// Looks behind an entry of each size between two. Where all commands take the same course
    /// behind both, they do so behind all in between: an entry moves the end of memory and nothing
    /// else, and the further that is, the sooner the next block is opened.
    fn between(&mut self, now: &Situation<S>, short: (usize, &Courses), long: (usize, &Courses)) {
        let size = usize::midpoint(short.0, long.0) / UNIT * UNIT;
        if short.1 == long.1 || size == short.0 {
            return;
        }
        let middle = self.look(&older(now, [size]));
        self.between(now, short, (size, &middle));
        self.between(now, (size, &middle), long);
    }

    fn every_age(&mut self, mut now: Situation<S>) {
        self.look(&now);
        for _ in 0..ROUND {
            let shortest = self.look(&older(&now, [SHORT]));
            let next = older(&now, [LONG]);
            let longest = self.look(&next);
            self.between(&now, (SHORT, &shortest), (LONG, &longest));
            now = next;
        }
    }

    fn some_ages(&mut self, mut now: Situation<S>, followed: bool) {
        for _ in 0..2 {
            self.look(&now);
            now = older(&now, [LONG; ROUND / 2]);
        }
        for _ in 0..if followed { BLOCK_ENTRIES } else { 0 } {
            self.look(&now);
            now = older(&now, [SHORT]);
        }
    }
}

fn older<S: Subject>(situation: &Situation<S>, sizes: impl IntoIterator<Item = usize>) -> Situation<S> {
    let chip = age(S::KIND, situation.chip.clone(), sizes);
    Situation { chip, ..situation.clone() }
}

/// Finds the deeds of a situation as it grows old.
pub fn deeds_of<S: Subject>(
    situation: &Situation<S>,
    commands: &[Command<S>],
    ages: Ages,
    followed: bool,
) -> Vec<Task<S>> {
    let mut life = Life { commands, seen: HashSet::new(), found: Vec::new() };
    match ages {
        Ages::Every => life.every_age(situation.clone()),
        Ages::Some => life.some_ages(situation.clone(), followed),
    }
    life.found
}
