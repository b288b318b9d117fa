//! What a personalisation line remembers of an order, so that it can go on: which number each
//! line has, and which card was begun for it. One file an order, in the scheme's directory; an
//! order is known by its content. Which lines are done stands in the results alone.
//!
//! The plan comes first and as a whole; after it a line of JSON for each step, on the disk
//! before the card is touched. A last line that is torn was never acted on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use apdu_spec::crypto::Key;
use apdu_spec::crypto::mac::MacKey;
use apdu_spec::element::{Algorithm, Time};
use host::card::domain::{diversification, select_domain};
use host::reader::Reader;
use serde::{Deserialize, Serialize};

use super::records::Appended;
use crate::Error;

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    /// The numbers of all lines.
    Plan { begun: u32, numbers: Vec<(u64, u64)> },
    /// A card, by what it is diversified with, is being made this purse.
    Card { purse: u64, card: String },
}

/// An order that was begun.
#[derive(Debug)]
pub struct Job {
    file: Appended,
    state: State,
}

/// What the file says.
#[derive(Default, Debug)]
struct State {
    begun: u32,
    numbers: Vec<(u64, u64)>,
    cards: BTreeMap<String, u64>,
}

/// The name of an order: the same content has the same.
#[must_use]
pub fn fingerprint(content: &[u8]) -> String {
    // Under a key that everybody knows a MAC is a digest, good enough to tell orders apart.
    MacKey::new(&Key::new([0; 16]), Algorithm::AesCmac)
        .mac(content)
        .0
        .map(|byte| format!("{byte:02x}"))
        .concat()
}

/// The name of the card in a reader: what its keys are diversified with, hexadecimal.
pub(crate) fn card_name(reader: &mut dyn Reader) -> Result<String, host::Error> {
    select_domain(reader)?;
    Ok(diversification(reader)?.iter().map(|byte| format!("{byte:02X}")).collect())
}

fn path(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.job"))
}

impl Job {
    /// The order of this name, if it was begun.
    pub fn open(directory: &Path, name: &str) -> Result<Option<Self>, Error> {
        let path = path(directory, name);
        if !path.exists() {
            return Ok(None);
        }
        let file = Appended::open(&path)?;
        let state = State::read(&path, file.before())?;
        Ok(Some(Self { file, state }))
    }

    /// Begins an order: the number of the purse for each line of its file.
    pub fn begin(directory: &Path, name: &str, numbers: Vec<(u64, u64)>, now: Time) -> Result<Self, Error> {
        let path = path(directory, name);
        let fresh = path.with_extension("new");
        let plan = Step::Plan { begun: now.0, numbers: numbers.clone() };
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file(&fresh)(error));
            }
            _ => {}
        }
        Appended::open(&fresh)?.append(&text(&plan)?)?;
        fs::rename(&fresh, &path).map_err(Error::file(&path))?;
        synchronise(directory)?;
        let state = State { begun: now.0, numbers, ..State::default() };
        Ok(Self { file: Appended::open(&path)?, state })
    }

    /// When it was begun.
    #[must_use]
    pub const fn begun(&self) -> Time {
        Time(self.state.begun)
    }

    /// The number of the purse of a line of the file.
    #[must_use]
    pub fn number(&self, line: u64) -> Option<u64> {
        self.state.numbers.iter().find(|(of, _)| *of == line).map(|(_, number)| *number)
    }

    /// The purse that this card is or was being made.
    #[must_use]
    pub fn purse_of(&self, card: &str) -> Option<u64> {
        self.state.cards.get(card).copied()
    }

    /// Whether some card was begun for a purse.
    #[must_use]
    pub fn is_begun(&self, purse: u64) -> bool {
        self.state.cards.values().any(|begun| *begun == purse)
    }

    /// From here on this card is being made this purse.
    pub fn begin_card(&mut self, purse: u64, card: &str) -> Result<(), Error> {
        if self.purse_of(card) == Some(purse) {
            return Ok(());
        }
        self.write(Step::Card { purse, card: card.into() })
    }

    fn write(&mut self, step: Step) -> Result<(), Error> {
        self.file.append(&text(&step)?)?;
        self.state.take(step);
        Ok(())
    }
}

/// All numbers that orders in this directory have given out, and all cards that were begun.
pub fn known(directory: &Path) -> Result<(BTreeSet<u64>, BTreeMap<String, u64>), Error> {
    let (mut numbers, mut cards) = (BTreeSet::new(), BTreeMap::new());
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((numbers, cards)),
        Err(error) => return Err(Error::file(directory)(error)),
    };
    for entry in entries {
        let path = entry.map_err(Error::file(directory))?.path();
        if path.extension().is_some_and(|extension| extension == "job") {
            let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
            let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
            let state = State::read(&path, whole)?;
            numbers.extend(state.numbers.iter().map(|(_, number)| *number));
            cards.extend(state.cards);
        }
    }
    Ok((numbers, cards))
}

impl State {
    fn read(path: &Path, text: &str) -> Result<Self, Error> {
        let mut state = Self::default();
        for (index, line) in text.lines().enumerate() {
            let refuse = |error: serde_json::Error| Error::File {
                path: path.into(),
                reason: format!("line {}: {error}; the file is left as it is", index + 1),
            };
            state.take(serde_json::from_str(line).map_err(refuse)?);
        }
        Ok(state)
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Plan { begun, numbers } => *self = Self { begun, numbers, ..Self::default() },
            Step::Card { purse, card } => drop(self.cards.insert(card, purse)),
        }
    }
}

fn text(step: &Step) -> Result<String, Error> {
    serde_json::to_string(step).map_err(|error| Error::Order(error.to_string()))
}

/// Makes new names in a directory durable.
pub(crate) fn synchronise(directory: &Path) -> Result<(), Error> {
    #[cfg(unix)]
    fs::File::open(directory).and_then(|folder| folder.sync_all()).map_err(Error::file(directory))?;
    Ok(())
}
