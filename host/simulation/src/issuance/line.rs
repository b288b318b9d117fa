//! The line itself: which card is which line's, and each card brought to what its line says.
//!
//! A number is used up before a card is begun, a card is written down before anything is changed
//! on it, and a result after it is done: so a line that is interrupted anywhere goes on with the same
//! command, and no card is personalised twice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use apdu_spec::element::{Pin, Time};
use background::Background;
use host::card::domain::{Access, key_versions};
use host::reader::Reader;
use host::reader::meter::Metered;
use zeroize::Zeroizing;

use super::PinOrder;
use super::job::{self, Job, card_name};
use super::order::{Columns, OrderLine, Terms, read};
use super::records::{Appended, Letters};
use super::result::{CardResult, HEAD, Outcome, done_in};
use crate::world::{AnyReader, GROUP, name_card};
use crate::{Error, World};

/// Where a line reads and writes.
#[derive(Clone, Debug)]
pub struct Files {
    /// The order.
    pub order: PathBuf,
    /// The result of each card.
    pub results: PathBuf,
    /// PINs for letters, where some are random.
    pub letters: PathBuf,
}

/// An order that is being carried out.
#[derive(Debug)]
pub struct Line {
    lines: Vec<OrderLine>,
    job: Job,
    results: Appended,
    letters: Option<Letters>,
    /// Purses that are done, after the results.
    done: BTreeSet<u64>,
    initial: Access,
}

/// What a card in a reader is to this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Meant {
    /// The next one to work on, by its place in the order.
    Line(usize),
    /// A card of this order that is done.
    Done(usize),
    /// No card of this order, and none that is blank.
    Foreign,
    /// Blank, and no line is left for it.
    Spare,
}

impl Line {
    /// Reads an order and checks all of it, then begins it or goes on with it. `initial` are the
    /// keys that cards come with.
    pub fn open(
        world: &mut World,
        files: &Files,
        columns: &Columns,
        initial: Access,
        now: Time,
    ) -> Result<Self, Error> {
        let directory = world.jobs();
        // PINs may be in it.
        let content = std::fs::read(&files.order).map(Zeroizing::new).map_err(Error::file(&files.order))?;
        let name = job::fingerprint(&content);
        let begun = Job::open(&directory, &name)?;
        let today = begun.as_ref().map_or(now, Job::begun).date();
        let (provider, currency) = (world.scheme().provider(), world.scheme().currency());
        let terms = Terms { provider, currency, vault: world.background().vault(), group: GROUP, today };
        let lines = read(&files.order, &content, columns, &terms)?;
        let job = match begun {
            Some(job) => job,
            None => begin(world, files, &lines, &name, now)?,
        };
        let results = Appended::with_head(&files.results, HEAD)?;
        let random = |line: &OrderLine| line.order.pin.as_ref().is_some_and(|pin| pin.pin.is_none());
        let letters = lines.iter().any(random).then(|| Letters::open(&files.letters)).transpose()?;
        let done = results
            .before()
            .lines()
            .filter_map(done_in)
            .filter(|(line, purse)| job.number(*line) == Some(*purse));
        let done = done.map(|(_, purse)| purse).collect();
        Ok(Self { lines, job, results, letters, done, initial })
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[OrderLine] {
        &self.lines
    }

    /// Number of the purse of a line, by its place.
    pub fn number(&self, place: usize) -> Result<u64, Error> {
        let line = self.lines.get(place).map(|line| line.line);
        let number = line.and_then(|line| self.job.number(line));
        number.ok_or_else(|| Error::Order(format!("line {} of the order has no number", line.unwrap_or(0))))
    }

    /// Whether a line is done, by its place.
    #[must_use]
    pub fn is_done(&self, place: usize) -> bool {
        self.number(place).is_ok_and(|number| self.done.contains(&number))
    }

    /// Places of the lines that are not done.
    #[must_use]
    pub fn pending(&self) -> Vec<usize> {
        (0..self.lines.len()).filter(|place| !self.is_done(*place)).collect()
    }

    /// What the card in a reader is to this order, and what it is diversified with.
    pub fn meet(&self, reader: &mut dyn Reader) -> Result<(Meant, String), Error> {
        let card = card_name(reader)?;
        let blank = !key_versions(reader)?.into_iter().any(Background::is_own_version);
        let begun = self.job.purse_of(&card);
        let place = begun
            .and_then(|purse| (0..self.lines.len()).find(|place| self.number(*place).ok() == Some(purse)));
        let meant = match place {
            // A card that was reset since is as good as a new one.
            Some(place) if !self.is_done(place) => Meant::Line(place),
            Some(place) if !blank => Meant::Done(place),
            _ if !blank => Meant::Foreign,
            _ => {
                let free = |place: &usize| self.number(*place).is_ok_and(|number| !self.job.is_begun(number));
                self.pending().into_iter().find(free).map_or(Meant::Spare, Meant::Line)
            }
        };
        Ok((meant, card))
    }

    /// Brings the card in `reader` to what a line says. That it was begun is remembered first: the
    /// card is known by nothing but itself.
    pub fn personalise_card(
        &mut self,
        world: &mut World,
        place: usize,
        reader: AnyReader,
    ) -> Result<CardResult, Error> {
        let mut reader = Metered::new(reader);
        let result = self.bring(world, place, &mut reader, Job::begin_card)?;
        self.record(&result)?;
        Ok(result)
    }

    /// Makes a card for a line: an image, in `directory` or in the scheme's own. It has its name
    /// once it is good.
    pub fn make_image(
        &mut self,
        world: &mut World,
        place: usize,
        directory: Option<&Path>,
    ) -> Result<CardResult, Error> {
        let number = self.number(place)?;
        let path =
            directory.map_or_else(|| world.purse_path(number), |at| at.join(format!("purse-{number}.card")));
        let mut reader = Metered::new(world.unnamed_card(&path, number)?);
        let result = self.bring(world, place, &mut reader, |_, _, _| Ok(()))?;
        drop(reader);
        if result.outcome.is_done() {
            name_card(&path)?;
        }
        self.record(&result)?;
        Ok(result)
    }

    /// Brings a card to what a line says. `begin` is told of it once it has let us in: a card
    /// that lets nobody in is no line's, another one takes its place.
    fn bring(
        &mut self,
        world: &mut World,
        place: usize,
        reader: &mut Metered<AnyReader>,
        begin: fn(&mut Job, u64, &str) -> Result<(), Error>,
    ) -> Result<CardResult, Error> {
        let purse = self.number(place)?;
        let ordered = self.lines.get(place).cloned();
        let OrderLine { line, order, .. } = ordered.ok_or(Error::Order("there is no such line".into()))?;
        let id = world.iep(purse)?.to_string();
        let (card, made) = match card_name(reader) {
            Ok(card) => {
                let pin = self.pin_of(world, purse, &id, order.pin.as_ref())?;
                let ready = world.prepare(purse, &order, pin, self.job.begun())?;
                let (job, mut noted) = (&mut self.job, Ok(()));
                let mut begin = || {
                    noted = begin(job, purse, &card);
                    let stop = |error: &Error| host::Error::NoAnswer(error.to_string());
                    noted.as_ref().copied().map_err(stop)
                };
                let made = world.personalise(reader, &ready, &self.initial, &mut begin);
                noted?;
                (card, made)
            }
            Err(error) => (String::new(), Err(error)),
        };
        let outcome = made.map_or_else(|error| Outcome::Failed(error.to_string()), Outcome::from);
        Ok(CardResult { line, purse, id, card, outcome, traffic: reader.traffic() })
    }

    /// Whether a card in a reader was begun for a line: no other card may be made for it.
    #[must_use]
    pub fn is_begun(&self, place: usize) -> bool {
        self.number(place).is_ok_and(|number| self.job.is_begun(number))
    }

    /// The PIN that a line gives its purse, drawn where it is to be a random one.
    fn pin_of(
        &mut self,
        world: &mut World,
        purse: u64,
        id: &str,
        order: Option<&PinOrder>,
    ) -> Result<Option<Pin>, Error> {
        let Some(order) = order else { return Ok(None) };
        match (&order.pin, &mut self.letters) {
            (Some(pin), _) => Ok(Some(pin.clone())),
            (None, Some(letters)) => letters.pin(purse, id, world.random()).map(Some),
            (None, None) => Err(Error::Order(format!("purse {purse} has no PIN"))),
        }
    }

    fn record(&mut self, result: &CardResult) -> Result<(), Error> {
        self.results.append(&result.to_csv()?)?;
        if result.outcome.is_done() {
            self.done.insert(result.purse);
        }
        Ok(())
    }
}

/// Gives every line a number that nobody has, and begins.
fn begin(world: &mut World, files: &Files, lines: &[OrderLine], name: &str, now: Time) -> Result<Job, Error> {
    let directory = world.jobs();
    let (given, _) = job::known(&directory)?;
    for OrderLine { line, number, .. } in lines {
        if let Some(number) = *number
            && (given.contains(&number) || world.is_issued(number)?)
        {
            let reason = format!("card number {number} has been issued or ordered already");
            return Err(Error::OrderFile { path: files.order.clone(), line: *line, reason });
        }
    }
    let wanted: Vec<_> = lines.iter().map(|line| line.number).collect();
    // What an order has is given to nobody else, so that the plan alone uses numbers up.
    let numbers = world.free_numbers(&wanted)?;
    let numbers = lines.iter().map(|line| line.line).zip(numbers).collect();
    std::fs::create_dir_all(&directory).map_err(Error::file(&directory))?;
    Job::begin(&directory, name, numbers, now)
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
