//! The line itself: which card is which line's, and each card brought to what its line says.
//!
//! A number is used up before a card is begun, a card is written down before anything is changed
//! on it, and a result after it is done: so a line that is interrupted anywhere goes on with the same
//! command, and no card is personalised twice.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use apdu_spec::element::{Pin, Time};
use apdu_spec::personalisation::Function;
use background::{Background, Vault};
use host::card::domain::{Access, diversification, key_versions, select_domain};
use host::reader::Reader;
use host::reader::meter::Metered;
use host::terminal::personalise::Personalised;
use zeroize::Zeroizing;

use super::job::{self, Job};
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
    /// Purses that are done, after the job and after the results.
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

/// The two newest key versions of a vault, oldest first: what a new card gets, so that it can
/// pay at terminals that have not been brought the newest yet.
#[must_use]
pub fn newest(vault: &Vault) -> Vec<u8> {
    let newest = vault.highest(Function::Load, 0).map(|reference| reference.version);
    let before = newest.and_then(|newest| {
        (1..newest).rev().find(|version| vault.reference(Function::Load, 0, *version).is_ok())
    });
    before.into_iter().chain(newest).collect()
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
        self.number(place).is_ok_and(|number| self.done.contains(&number) || self.job.is_done(number))
    }

    /// Places of the lines that are not done.
    #[must_use]
    pub fn pending(&self) -> Vec<usize> {
        (0..self.lines.len()).filter(|place| !self.is_done(*place)).collect()
    }

    /// What the card in a reader is to this order, and what it is diversified with.
    pub fn meet(&self, reader: &mut dyn Reader) -> Result<(Meant, String), Error> {
        select_domain(reader)?;
        let card = text(&diversification(reader)?);
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

    /// Brings the card in `reader` to what a line says. `remember` where the card is known by
    /// nothing but itself; `finish` is done once it is good, before its result is written.
    pub fn carry_out(
        &mut self,
        world: &mut World,
        place: usize,
        reader: AnyReader,
        remember: bool,
        finish: impl FnOnce() -> Result<(), Error>,
    ) -> Result<CardResult, Error> {
        let number = self.number(place)?;
        let Some(OrderLine { line, order, .. }) = self.lines.get(place).cloned() else {
            return Err(Error::Order("there is no such line".into()));
        };
        let id = world.iep(number)?.to_string();
        let mut reader = Metered::new(reader);
        let asked = select_domain(&mut reader).and_then(|()| diversification(&mut reader));
        let (card, outcome) = match asked {
            Err(error) => (String::new(), Outcome::Failed(error.to_string())),
            Ok(card) => {
                let card = text(&card);
                let pin = order
                    .pin
                    .as_ref()
                    .map(|pin| self.pin(world, number, &id, pin.pin.clone()))
                    .transpose()?;
                let ready = world.prepare(number, &order, pin, self.job.begun())?;
                // A card that lets nobody in with these keys is no line's: another one takes its place.
                let (job, mut noted) = (&mut self.job, Ok(()));
                let mut begin = || {
                    if remember {
                        noted = job.begin_card(number, &card);
                    }
                    let stop = |error: &Error| host::Error::NoAnswer(error.to_string());
                    noted.as_ref().copied().map_err(stop)
                };
                let personalised = world.personalise(&mut reader, &ready, &self.initial, &mut begin);
                noted?;
                let outcome = match personalised {
                    Ok(Personalised::New) => Outcome::Issued,
                    Ok(Personalised::Finished) => Outcome::Finished,
                    Ok(Personalised::Already) => Outcome::Already,
                    Err(error) => Outcome::Failed(error.to_string()),
                };
                (card, outcome)
            }
        };
        let traffic = reader.traffic();
        drop(reader);
        let result = CardResult { line, purse: number, id, card, outcome, traffic };
        if result.outcome.is_done() {
            finish()?;
        }
        self.note(&result)?;
        if remember && result.outcome.is_done() {
            self.job.finish(number)?;
        }
        Ok(result)
    }

    /// Makes a card for a line: an image, in `directory` or in the scheme's own.
    pub fn make_image(
        &mut self,
        world: &mut World,
        place: usize,
        directory: Option<&Path>,
    ) -> Result<CardResult, Error> {
        let number = self.number(place)?;
        let path =
            directory.map_or_else(|| world.purse_path(number), |at| at.join(format!("purse-{number}.card")));
        let reader = world.unnamed_card(&path, number)?;
        self.carry_out(world, place, reader, false, || name_card(&path))
    }

    /// Whether a card in a reader was begun for a line: no other card may be made for it.
    #[must_use]
    pub fn is_begun(&self, place: usize) -> bool {
        self.number(place).is_ok_and(|number| self.job.is_begun(number))
    }

    fn pin(&mut self, world: &mut World, number: u64, id: &str, given: Option<Pin>) -> Result<Pin, Error> {
        match (given, &mut self.letters) {
            (Some(pin), _) => Ok(pin),
            (None, Some(letters)) => letters.pin(number, id, world.random()),
            (None, None) => Err(Error::Order(format!("purse {number} has no PIN"))),
        }
    }

    fn note(&mut self, result: &CardResult) -> Result<(), Error> {
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

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
