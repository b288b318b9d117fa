//! The end of a simulation: nothing goes wrong any more, everybody meets everybody, and
//! everything must settle within [`ROUNDS`] rounds.
//!
//! A round: messages that were late arrive; each purse that is not lost goes to the terminals
//! that are in doubt about it and to the load terminal, and where records of it are missing
//! a terminal takes over what it holds; all terminals are collected, transfer cards carry,
//! merchants are settled.

use host::terminal::PaymentTerminal;

use super::audit;
use super::link::Wire;
use super::rates::Rates;
use super::site::{Connection, Site};
use super::system::System;
use crate::Error;

/// Rounds within which everything must settle.
pub const ROUNDS: u64 = 6;

impl System {
    /// Settles everything, or says what does not settle.
    pub fn drain(&mut self, step: u64) -> Result<(), Error> {
        let rates = core::mem::replace(&mut self.shared.lock().rates, Rates::NONE);
        self.stand_up(step);
        let mut left = Vec::new();
        for round in 1..=ROUNDS {
            self.round(step + round)?;
            self.shared.lock().tally.rounds = round;
            left = self.left()?;
            left.extend(self.left_at_terminals());
            if left.is_empty() || self.shared.lock().truth.violation.is_some() {
                break;
            }
        }
        let mut fate = self.shared.lock();
        let found = audit::completeness(&mut self.office.background, &fate.truth)?;
        let tally = &mut fate.tally;
        (tally.settled, tally.voided, tally.in_doubt) = (found.settled, found.voided, found.in_doubt);
        fate.truth.must(left.is_empty(), || format!("after {ROUNDS} rounds: {}", left.join("; ")));
        audit::verdict(&mut self.office.background, &mut fate.truth, &rates)
    }

    /// Power is back everywhere, clocks are right, and everybody is where they belong.
    fn stand_up(&mut self, step: u64) {
        self.begin(step);
        let mut fate = self.shared.lock();
        fate.mortal = false;
        fate.tell(|| "nothing goes wrong any more".into());
        for courier in &mut self.couriers {
            courier.late = 0;
            courier.slot.power_up(&mut fate);
        }
        for (index, purse) in self.purses.iter_mut().enumerate() {
            if !fate.truth.model.purses[index].dead {
                purse.settle(&mut fate, true);
            }
        }
        for site in &mut self.sites {
            site.offset = 0;
            site.psam.power_up(&mut fate);
        }
        drop(fate);
        for site in &mut self.sites {
            site.stand_up();
            site.start();
        }
    }

    fn round(&mut self, step: u64) -> Result<(), Error> {
        self.begin(step);
        self.shared.lock().mortal = false;
        self.office.deliver_late(self.now, &mut self.shared.lock(), true);
        let known: Vec<_> = self.office.background.purses()?.iter().map(|line| line.complete).collect();
        for (purse, complete) in known.into_iter().enumerate() {
            self.meet_everybody(purse, complete as usize);
        }
        (0..self.sites.len()).for_each(|place| self.collect_all(place));
        // There, and back with the acknowledgements.
        for which in 0..self.couriers.len() {
            for _ in 0..2 {
                (0..self.sites.len()).for_each(|place| self.visit(which, place));
                self.bring_in(which);
            }
            (0..self.sites.len()).for_each(|place| self.visit(which, place));
        }
        self.settle();
        Ok(())
    }

    /// A purse goes where somebody waits for it; `complete`: up to there the background
    /// system knows what it has done.
    fn meet_everybody(&mut self, purse: usize, complete: usize) {
        let missing = {
            let known = &self.shared.lock().truth.model.purses[purse];
            if known.dead {
                return;
            }
            known.log.len() > complete
        };
        let Self { sites, purses, shared, .. } = self;
        for site in sites.iter_mut() {
            site.meet(|terminal| terminal.recover(&mut purses[purse].tap(shared)).map(drop));
        }
        if missing && let Some(site) = sites.first_mut() {
            site.meet(|terminal| terminal.relieve(&mut purses[purse].tap(shared)));
        }
        self.load(purse, 1);
    }

    /// All that a terminal has goes over its line, where it has one.
    fn collect_all(&mut self, place: usize) {
        let Self { sites, office, shared, now, .. } = self;
        let site = &mut sites[place];
        if site.connection != Connection::Never && site.start() {
            // Enough batches may wait already: these go first.
            for _ in 0..2 {
                let _ = site.collect();
                site.deliver(&mut Wire::new(office, shared, *now));
            }
        }
    }

    /// What is not settled.
    fn left(&mut self) -> Result<Vec<String>, Error> {
        let mut left = Vec::new();
        let truth = &self.shared.lock().truth;
        let missing = audit::completeness(&mut self.office.background, truth)?.missing;
        if missing > 0 {
            left.push(format!("{missing} value commits are not in the books, and somebody knows them"));
        }
        let lines = self.office.background.purses()?;
        let doubtful =
            lines.iter().zip(&truth.model.purses).filter(|(line, purse)| line.doubts && !purse.dead);
        left.extend(doubtful.map(|(line, _)| format!("purse {} is in doubt", line.purse)));
        if self.office.late() > 0 {
            left.push(format!("{} messages are on their way", self.office.late()));
        }
        Ok(left)
    }

    /// The same of what is at terminals.
    fn left_at_terminals(&mut self) -> Vec<String> {
        self.sites.iter_mut().filter_map(Site::left).collect()
    }
}

impl Site {
    /// Somebody comes to the terminal, where it runs.
    fn meet(&mut self, action: impl FnOnce(&mut PaymentTerminal) -> Result<(), host::Error>) {
        if self.start()
            && let Some(terminal) = &mut self.terminal
        {
            let _ = action(terminal);
        }
    }

    /// What has not left this terminal.
    fn left(&mut self) -> Option<String> {
        let waiting = self.disk.waiting();
        let Some(terminal) = &mut self.terminal else {
            return Some(format!("terminal {} does not start", self.number));
        };
        let Ok(information) = terminal.sam().information() else {
            return Some(format!("PSAM {} does not answer", self.number));
        };
        let empty =
            information.oldest == information.batch && information.entries == 0 && information.open == 0;
        (!empty || waiting > 0)
            .then(|| format!("terminal {}: {waiting} files wait, and {information:?}", self.number))
    }
}
