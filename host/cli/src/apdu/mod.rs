//! `purse apdu`: sends APDUs to a card, and shows them decoded from the catalogue: from the
//! command line, from a script, or in a shell.

mod complete;
mod session;
mod shell;

use std::io::{BufRead, IsTerminal, stdin};
use std::path::PathBuf;

use host::reader::Reader;
use host::reader::virtual_reader::VirtualReader;
use host::trace::script::{Step, parse};
use host::trace::{CardLabel, SharedObserver, Watched};
use session::Session;
use simulation::{Error, World};

use crate::watch::{self, Print};
use crate::{Global, image, process, reader};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    purse apdu 00A4040006F05055525345 905C000000      SELECT the purse, GET BALANCE\n  \
    purse apdu 'Select occurrence=0 aid=purse' GetBalance\n  \
    purse apdu                                        a shell: Tab completes, Ctrl-D ends\n  \
    purse apdu --script session.txt --image card.img\n\n\
    A line is an APDU in hexadecimal; a command of `purse spec` with its fields, such as\n\
    ReadRecord record=1; `reset`; or `expect 9000 balance=1250`, which fails where the last\n\
    answer is another one. # begins a comment. A script is read to its end before its first\n\
    line is sent; lines on standard input are sent as they come.")]
pub(crate) struct Apdu {
    /// Lines to send, each in quotes where it has spaces
    #[arg(value_name = "LINE")]
    lines: Vec<String>,
    /// A file of lines
    #[arg(long, value_name = "FILE", conflicts_with = "lines")]
    script: Option<PathBuf>,
    /// File that the shell keeps its history in; lines with keys are left out
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Number of the purse; without it, 1
    #[arg(long)]
    purse: Option<u64>,
    /// A card image, in place of a purse of the scheme
    #[arg(long, value_name = "FILE", conflicts_with = "purse")]
    image: Option<PathBuf>,
}

/// A line that was read, with its place for error messages.
type Line = (String, Step);

impl Apdu {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        // What is wrong in a script is said before a card is touched.
        let lines = self.lines_at_hand()?;
        let print = match (global.json, global.trace) {
            (false, _) => Print::Answer,
            (true, true) => Print::Aside,
            (true, false) => Print::Nowhere,
        };
        let observer = watch::observer_with(global, print)?;
        if let Some(reader) = reader::connect(global)? {
            if self.purse.is_some() || self.image.is_some() {
                process::usage("--reader and --purse or --image are two cards; give one");
            }
            return self.drive(&mut Watched::new(reader, CardLabel::UNKNOWN, observer), lines, global.json);
        }
        match &self.image {
            Some(path) => self.drive(&mut watched(image::open(global, path)?, observer), lines, global.json),
            None => {
                let mut world: World = process::open_watched(global, observer)?;
                self.drive(world.purse(self.purse.unwrap_or(1))?, lines, global.json)
            }
        }
    }

    /// The lines of the command line or of the script; nothing where they come from
    /// standard input.
    fn lines_at_hand(&self) -> Result<Option<Vec<Line>>, Error> {
        if let Some(path) = &self.script {
            let text = std::fs::read(path).map_err(|error| file(path, &error.to_string()))?;
            let text = String::from_utf8(text).map_err(|_| file(path, "this is no text"))?;
            let lines = text.lines().enumerate();
            let lines =
                lines.map(|(index, line)| read(format!("{}, line {}", path.display(), index + 1), line));
            return lines.collect::<Result<_, _>>().map(Some);
        }
        if self.lines.is_empty() {
            return Ok(None);
        }
        let lines = self.lines.iter().map(|line| read(format!("{line:?}"), line));
        lines.collect::<Result<_, _>>().map(Some)
    }

    fn drive(&self, reader: &mut dyn Reader, lines: Option<Vec<Line>>, json: bool) -> Result<(), Error> {
        let mut session = Session::new(reader);
        if lines.is_none() && stdin().is_terminal() && !json {
            return shell::run(&mut session, self.history.as_deref());
        }
        let done = match lines {
            Some(lines) => lines.into_iter().try_for_each(|(place, step)| session.take(&place, step)),
            None => from_standard_input(&mut session),
        };
        if json {
            session.print();
        }
        done?;
        if session.is_untouched() {
            let advice = "nothing to send: give APDUs, --script FILE, or lines on standard input";
            return Err(Error::Order(advice.into()));
        }
        Ok(())
    }
}

fn watched(reader: VirtualReader, observer: Option<SharedObserver>) -> Watched<VirtualReader> {
    Watched::new(reader, CardLabel::UNKNOWN, observer)
}

fn from_standard_input(session: &mut Session<'_>) -> Result<(), Error> {
    for (index, line) in stdin().lock().lines().enumerate() {
        let place = format!("standard input, line {}", index + 1);
        let line = line.map_err(|error| Error::Order(format!("{place}: {error}")))?;
        let (place, step) = read(place, &line)?;
        session.take(&place, step)?;
    }
    Ok(())
}

fn read(place: String, line: &str) -> Result<Line, Error> {
    match parse(line) {
        Ok(step) => Ok((place, step)),
        Err(reason) => Err(Error::Order(format!("{place}: {reason}"))),
    }
}

fn file(path: &std::path::Path, reason: &str) -> Error {
    Error::File { path: path.into(), reason: reason.into() }
}
