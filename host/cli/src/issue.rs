//! `purse issue`: the personalisation line. An order becomes cards: images in the scheme's
//! directory or in another one, blank images, or cards in a reader, one after the other.

mod tally;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use simulation::issuance::line::{Files, Line, Meant};
use simulation::issuance::order::{Columns, FIELDS, REQUIRED};
use simulation::issuance::result::Outcome;
use simulation::world::AnyReader;
use simulation::{Error, World};

use crate::gp::keys::Keys;
use crate::progress::Progress;
use crate::{Global, image, output, process, reader, watch};
use tally::Tally;

/// How often the reader is looked at for the next card.
const RETRY: Duration = Duration::from_millis(500);
/// How often a card that fails is tried.
const TRIES: usize = 3;

#[derive(clap::Args)]
#[command(after_help = after_help())]
pub(crate) struct Issue {
    /// The order: CSV, one card a line
    #[arg(long, value_name = "FILE")]
    order: PathBuf,
    /// File that the result of each card is appended to; without, ORDER.results.csv
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// File that random PINs are appended to, its owner's alone; without, ORDER.pins.csv
    #[arg(long, value_name = "FILE")]
    letters: Option<PathBuf>,
    /// Directory for the images, in place of the scheme's own
    #[arg(long, value_name = "DIR", conflicts_with = "blank")]
    into: Option<PathBuf>,
    /// Image of a blank card, for the next line of the order; again for more cards
    #[arg(long, value_name = "FILE")]
    blank: Vec<PathBuf>,
    /// Name of a column, as field=name; again for more
    #[arg(long, value_name = "FIELD=NAME")]
    column: Vec<String>,
    /// Put the keys of a demonstration, which are no secret, onto cards in a reader
    #[arg(long)]
    demo_keys: bool,
    #[command(flatten)]
    keys: Keys,
}

fn after_help() -> String {
    format!(
        "Examples:\n  purse issue --order orders.csv\n  purse issue --order orders.csv --into cards\n  \
         purse --reader \"ACS\" --wait issue --order orders.csv      one card after the other\n  \
         purse issue --order orders.csv --blank blank-1.card --blank blank-2.card\n\n\
         Columns: {}; {} must be there. # begins a comment. An empty number is the next free one, an\n\
         empty version the two newest; pin is digits or \"random\", view is geldkarte, quick or both with +.\n\
         The whole order is checked before anything is written.\n\n\
         An order is known by its content: the same command goes on after an interruption, no card is\n\
         personalised twice, and what is done is said to be. Keys (--key-file) are those that the cards come\n\
         with; without, those of sample cards. In a reader without --wait it is one card a call.\n\
         A card that is torn is finished by the same command; for another use, `purse gp reset`.\n\n\
         The keys of a demonstration are no secret: --demo-keys puts them onto cards in a reader all the same.",
        FIELDS.join(", "),
        REQUIRED.join(", ")
    )
}

impl Issue {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let mut columns = Columns::default();
        for assignment in &self.column {
            columns.set(assignment).unwrap_or_else(|reason| process::usage(reason));
        }
        let beside = |ending: &str| self.order.with_extension(ending);
        let files = Files {
            order: self.order.clone(),
            results: self.out.clone().unwrap_or_else(|| beside("results.csv")),
            letters: self.letters.clone().unwrap_or_else(|| beside("pins.csv")),
        };
        let mut world = process::open_watched(global, watch::observer(global)?)?;
        self.check_demo(&world, global)?;
        self.check_blanks(&world)?;
        let mut line = Line::open(&mut world, &files, &columns, self.keys.initial()?, process::now())?;
        let already = line.lines().len() - line.pending().len();
        let mut tally = Tally { already, ..Tally::default() };
        let begun = Instant::now();
        if global.reader.is_given() {
            if self.into.is_some() || !self.blank.is_empty() {
                process::usage("--reader and --into or --blank are two places; give one");
            }
            in_reader(global, &mut world, &mut line, &mut tally)?;
        } else if self.blank.is_empty() {
            self.images(&mut world, &mut line, &mut tally)?;
        } else {
            self.blanks(global, &mut world, &mut line, &mut tally)?;
        }
        let took = begun.elapsed();
        tally.tell(&files, line.pending().len(), took, global.json);
        match tally.count(|outcome| !outcome.is_done()) {
            0 => Ok(()),
            failed => Err(Error::Mismatch(format!(
                "{failed} times a card was not personalised, see {}; the same command goes on",
                files.results.display()
            ))),
        }
    }

    /// A card in a reader may be one that goes out of the door: a demonstration's keys get there only
    /// where somebody has said so.
    fn check_demo(&self, world: &World, global: &Global) -> Result<(), Error> {
        process::note_demo(world, global);
        if world.is_demo() && global.reader.is_given() && !self.demo_keys {
            let reason =
                "its keys are no secret, and belong on no card in a reader; --demo-keys puts them there";
            return Err(Error::Demo(reason.into()));
        }
        Ok(())
    }

    fn images(&self, world: &mut World, line: &mut Line, tally: &mut Tally) -> Result<(), Error> {
        if let Some(directory) = &self.into {
            let refuse =
                |error: std::io::Error| Error::File { path: directory.clone(), reason: error.to_string() };
            std::fs::create_dir_all(directory).map_err(refuse)?;
        }
        let mut progress = Progress::new();
        let total = line.lines().len() as u64;
        for place in line.pending() {
            progress.tell("personalising cards", total - line.pending().len() as u64, total);
            if line.is_begun(place) {
                let number = line.number(place)?;
                output::complain_plainly(&format_args!(
                    "purse {number} was begun on a card in a reader; put that one in with --reader"
                ));
                continue;
            }
            tally.results.push(line.make_image(world, place, self.into.as_deref())?);
        }
        Ok(())
    }

    /// The scheme's own images have the numbers of their purses: another purse in one of them
    /// would be taken for that of the number.
    fn check_blanks(&self, world: &World) -> Result<(), Error> {
        let own = world.purse_path(0).parent().and_then(|cards| cards.canonicalize().ok());
        let is_own = |path: &&PathBuf| {
            let parent = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_path_buf));
            own.is_some() && parent == own
        };
        match self.blank.iter().find(is_own) {
            None => Ok(()),
            Some(path) => Err(Error::File {
                path: path.clone(),
                reason:
                    "this image is the scheme's own, under the number of its purse; move it elsewhere to \
                         make another card of it"
                        .into(),
            }),
        }
    }

    fn blanks(
        &self,
        global: &Global,
        world: &mut World,
        line: &mut Line,
        tally: &mut Tally,
    ) -> Result<(), Error> {
        for path in &self.blank {
            let image = image::open_for(world, global, path)?;
            let reader = world.unknown(Box::new(image));
            take(world, line, tally, reader, &path.display().to_string())?;
        }
        Ok(())
    }
}

/// One card in a reader after the other, as long as there is a line for one.
fn in_reader(global: &Global, world: &mut World, line: &mut Line, tally: &mut Tally) -> Result<(), Error> {
    let (mut last, mut failures, mut waited) = (None, 0, Instant::now());
    while !line.pending().is_empty() {
        let reader = match reader::connect(global) {
            Ok(Some(reader)) => reader,
            Ok(None) => return Ok(()),
            // No further card came in time: what was done is told.
            Err(error) if !tally.results.is_empty() => {
                output::complain_plainly(&error);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let mut reader = world.unknown(reader);
        let met = line.meet(&mut reader).ok().map(|(_, card)| card);
        if met.is_some() && met == last {
            // It has not been taken out yet.
            drop(reader);
            if !global.reader.waits(waited) {
                return Ok(());
            }
            std::thread::sleep(RETRY);
            continue;
        }
        let good = take(world, line, tally, reader, "the card")?;
        failures = if good { 0 } else { failures + 1 };
        if failures >= TRIES && met.is_none() {
            return Err(Error::Order("the card in the reader is none that can be personalised here".into()));
        }
        last = met.filter(|_| good || failures >= TRIES);
        waited = Instant::now();
        if !global.reader.waits(waited) {
            return Ok(());
        }
        if !good {
            std::thread::sleep(RETRY);
        }
    }
    Ok(())
}

/// Does with a card what the order says. False: it failed, and may be tried again.
fn take(
    world: &mut World,
    line: &mut Line,
    tally: &mut Tally,
    mut reader: AnyReader,
    name: &str,
) -> Result<bool, Error> {
    let say = |text: std::fmt::Arguments<'_>| output::complain_plainly(&format_args!("{name}: {text}"));
    let place = match line.meet(&mut reader) {
        Err(error) => {
            say(format_args!("{error}"));
            return Ok(false);
        }
        Ok((Meant::Line(place), _)) => place,
        Ok((Meant::Done(place), _)) => {
            say(format_args!("purse {} already; take the next card", line.number(place)?));
            return Ok(true);
        }
        Ok((Meant::Foreign, _)) => {
            say(format_args!("neither blank nor of this order, and left alone; take another card"));
            return Ok(true);
        }
        Ok((Meant::Spare, _)) => {
            say(format_args!("left alone: each line of the order has a card"));
            return Ok(true);
        }
    };
    let result = line.personalise_card(world, place, reader)?;
    match &result.outcome {
        Outcome::Failed(reason) => say(format_args!("purse {}: {reason}", result.purse)),
        outcome => say(format_args!("purse {} {}", result.purse, outcome.word())),
    }
    let good = result.outcome.is_done();
    tally.results.push(result);
    Ok(good)
}
