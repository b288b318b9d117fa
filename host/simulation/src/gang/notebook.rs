//! What the gang has seen and may show again: the newest half of the time, else anything.

use apdu_spec::batch::{Acknowledgement, Trailer};
use apdu_spec::crypto::Key;
use apdu_spec::element::{Kind, Random, SamCounter};
use apdu_spec::purse::{Execute, Executed, Initialized, PreviousSignature};
use apdu_spec::record::{BatchRecord, Counterpart, LogEntry, Order, ValueRecord};

use host::card::sam::SamCard;

use crate::faults::chance::Chance;

/// Notes of one kind; the oldest give way.
#[derive(Clone, Debug)]
pub struct Notes<T>(Vec<T>);

impl<T> Default for Notes<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Notes of a kind that are kept.
const KEPT: usize = 48;

impl<T: Clone> Notes<T> {
    /// Writes one down.
    pub fn add(&mut self, note: T) {
        if self.0.len() == KEPT {
            self.0.remove(0);
        }
        self.0.push(note);
    }

    /// Writes what there is down.
    pub fn add_all(&mut self, notes: impl IntoIterator<Item = T>) {
        notes.into_iter().for_each(|note| self.add(note));
    }

    /// The newest.
    #[must_use]
    pub fn last(&self) -> Option<T> {
        self.0.last().cloned()
    }

    /// One of them.
    pub fn pick(&self, chance: &mut Chance) -> Option<T> {
        self.pick_if(chance, |_| true)
    }

    /// One of them that is so.
    pub fn pick_if(&self, chance: &mut Chance, is_so: impl Fn(&T) -> bool) -> Option<T> {
        let fitting: Vec<_> = self.0.iter().filter(|note| is_so(note)).collect();
        let newest = fitting.len().checked_sub(1)?;
        let place = if chance.coin() { newest } else { chance.place(fitting.len()) };
        fitting.get(place).map(|note| (*note).clone())
    }

    /// All of them that are so, oldest first.
    pub fn all(&self, is_so: impl Fn(&T) -> bool) -> Vec<T> {
        self.0.iter().filter(|note| is_so(note)).cloned().collect()
    }
}

/// A purse has stated where it stands, to this challenge.
#[derive(Clone, Copy, Debug)]
pub struct Stated {
    /// What it stated.
    pub initialized: Initialized,
    /// To whom, and to which challenge.
    pub counterpart: Counterpart,
    /// For which transaction.
    pub kind: Kind,
}

/// An order, and the statement that it answers.
#[derive(Clone, Copy, Debug)]
pub struct Ordered {
    /// What it answers.
    pub stated: Stated,
    /// The order under S2.
    pub execute: Execute,
}

/// A purse's word on an earlier transaction, to this challenge.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// Who asked.
    pub counterpart: Counterpart,
    /// The answer.
    pub previous: PreviousSignature,
}

/// The notebook.
#[derive(Clone, Debug, Default)]
pub struct Notebook {
    /// Challenges of PSAMs.
    pub challenges: Notes<(usize, Random)>,
    /// Statements of purses.
    pub statements: Notes<Stated>,
    /// Orders of PSAMs and of the issuer.
    pub orders: Notes<Ordered>,
    /// Answers to orders, by NT_PSAM.
    pub answers: Notes<(SamCounter, Executed)>,
    /// Words of purses.
    pub words: Notes<Word>,
    /// Secrets that cancel.
    pub secrets: Notes<Key>,
    /// Records of batches, open or closed.
    pub records: Notes<BatchRecord>,
    /// Trailers of batches.
    pub trailers: Notes<Trailer>,
    /// Words of the background system to PSAMs.
    pub acknowledgements: Notes<Acknowledgement>,
    /// Value commits, put together from what was seen of them.
    pub values: Notes<ValueRecord>,
}

impl Notebook {
    /// All records of the batch that is open at a PSAM.
    pub fn read_all(&mut self, psam: &mut SamCard) -> Result<(), host::Error> {
        let stands = psam.information()?;
        (0..stands.entries)
            .try_for_each(|index| psam.collect(stands.batch, index).map(|record| self.records.add(record)))
    }

    /// A purse has carried an order out, or says so.
    pub fn executed(&mut self, ordered: &Ordered, executed: Executed) {
        let Ordered { stated, execute: Execute { order, .. } } = *ordered;
        self.answers.add((order.nt, executed));
        self.values.add(value(&stated, order, executed));
    }

    /// A purse has given its word.
    pub fn word(&mut self, word: Word) {
        self.words.add(word);
        if let Ok(Some(entry)) = word.previous.to_receipt() {
            self.answers.add((entry.order.nt, Executed { s3: entry.s3, s6: entry.s6 }));
            self.values.add(ValueRecord { identity: word.previous.statement.identity, entry });
        }
    }
}

/// The value commit as it stands in the purse's log.
fn value(stated: &Stated, order: Order, Executed { s3, s6 }: Executed) -> ValueRecord {
    let Stated { initialized: Initialized { key, statement, .. }, counterpart, kind } = *stated;
    let entry = LogEntry { kind, key, position: statement.position, counterpart, order, s3, s6 };
    ValueRecord { identity: statement.identity, entry }
}
