//! A deed: a command in a situation, what it wrote, and how the card stands after each write.

use std::fmt::Debug;

use apdu_spec::StatusWord;
use card_os::applets::AppletKind;
use card_os::kernel::memory::Memory;
use card_os::platform::Platform as _;
use card_os::sim::{State, Tear};

use crate::cut::Look;
use crate::digest::Digest;
use crate::kept::{Kept, LONG, age, kept, lasting};
use crate::station::{Chip, Recorder, Station, Write};

/// Writes that a power-up makes at most: the last entry again or a seal, a second seal, a
/// new block; an erasure, the entry that it is done, and its seal.
pub const RECOVERY_MAX: usize = 6;

/// Entries after which a result must still stand: they fill two blocks.
const LASTING: [usize; 16] = [LONG; 16];

/// One kind of card: what its terminal knows, and what is asked of it after a cut.
pub trait Subject: Clone + Send + Sync + 'static {
    const KIND: AppletKind;
    type Notes: Clone + Send + Sync;
    /// Asks how the card stands and lets it serve a whole transaction; all answers.
    fn aftermath(station: &mut Station, notes: &Self::Notes) -> Vec<u8>;
}

/// A command with what comes before it; the last exchange is the one that is cut.
pub struct Command<S: Subject> {
    pub name: &'static str,
    /// Whether it may write before its answer.
    pub writes: bool,
    pub run: fn(&mut Station, &S::Notes) -> Result<(), StatusWord>,
}

/// A card that is switched off, and its class: the abstract key of its state.
#[derive(Clone)]
pub struct Situation<S: Subject> {
    pub chip: Box<Chip>,
    pub notes: S::Notes,
    pub class: String,
}

/// A state as it is kept, as it is told, and as it is kept after the next transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    kept: Kept,
    /// What no refusal may change.
    lasting: Kept,
    told: Vec<u8>,
    then: Kept,
}

/// A command in a situation: what it wrote.
pub struct Deed<'a, S: Subject> {
    pub situation: &'a Situation<S>,
    command: &'a Command<S>,
    pub base: Box<Chip>,
    pub writes: Vec<Write>,
    answered: usize,
    result: Result<(), StatusWord>,
}

/// Reads all that a card keeps, by powering it up.
fn power_up<S: Subject>(chip: Box<Chip>, context: &dyn Debug) -> ([Kept; 2], Box<Chip>) {
    let memory = Memory::open(Recorder::new(chip, false))
        .unwrap_or_else(|error| panic!("power-up: {error}: {context:?}"));
    ([kept(S::KIND, &memory), lasting(&memory)], memory.into_platform().chip)
}

/// The standing of a card that has been powered up: a second power-up must write nothing
/// unless a weak piece shows only then; and what it then answers.
pub fn stand<S: Subject>(chip: Box<Chip>, notes: &S::Notes, weak: bool, context: &dyn Debug) -> Standing {
    let booted = chip.writes();
    let ([kept, lasting], chip) = power_up::<S>(chip, context);
    let again = chip.writes() - booted;
    let most = if weak { RECOVERY_MAX } else { 0 };
    assert!(again <= most, "{again} writes at the second power-up: {context:?}");
    let mut station = Station::open(S::KIND, chip, false)
        .unwrap_or_else(|error| panic!("third power-up: {error}: {context:?}"));
    let told = S::aftermath(&mut station, notes);
    // It lasts while the next blocks are opened and the oldest ones reclaimed.
    let older = age(S::KIND, station.power_off().chip, LASTING);
    let ([then, _], _) = power_up::<S>(older, context);
    Standing { kept, lasting, told, then }
}

impl<'a, S: Subject> Deed<'a, S> {
    pub fn record(situation: &'a Situation<S>, command: &'a Command<S>) -> Self {
        let before = situation.chip.writes();
        let mut station = Station::open(S::KIND, situation.chip.clone(), true).unwrap();
        let result = (command.run)(&mut station, &situation.notes);
        let (began, answered) = (station.began - before, station.answered - before);
        let mut writes = station.power_off().writes;
        let mut base = situation.chip.clone();
        writes.drain(..began).for_each(|write| write.apply(&mut base).unwrap());
        Self { situation, command, base, writes, answered: answered - began, result }
    }

    /// The sorts of its writes in order, those before the answer and those behind it.
    fn sorts(&self) -> [String; 2] {
        let (before, behind) = self.writes.split_at(self.answered);
        [before, behind].map(|writes| writes.iter().map(|write| char::from(write.sort())).collect())
    }

    /// Command, how it ended, and the sorts of its writes.
    pub fn kind(&self) -> String {
        let [before, behind] = self.sorts();
        format!("{} | {before}.{behind} {:?}", self.command.name, self.result)
    }

    /// The same, but for how many entries of one sort follow on each other.
    pub fn sequence(&self) -> String {
        let [before, behind] = self.sorts().map(|sorts| {
            let mut sorts: Vec<_> = sorts.chars().collect();
            sorts.dedup();
            String::from_iter(sorts)
        });
        format!("{} | {before}.{behind} {:?}", self.command.name, self.result)
    }

    /// Its sequence, and the class of its state.
    pub fn key(&self) -> String {
        format!("{} | {}", self.situation.class, self.sequence())
    }

    /// How it would go: its kind, and the block of each of its writes.
    pub fn course(&self) -> (String, Vec<usize>) {
        let block = |write: &Write| write.place(&self.base).start / self.base.block_size();
        (self.kind(), self.writes.iter().map(block).collect())
    }

    /// A digest of the image, of what is written on it, and of which writes count as one.
    /// In one situation, deeds with the same are cut to the same images.
    pub fn same_writes(&mut self, look: Look) -> u64 {
        let Self { base, writes, answered, .. } = self;
        Digest::of((base.image(), writes, answered, look as u8))
    }

    /// The standing after each whole write, the first one before them all.
    pub fn standings(&self) -> Vec<Standing> {
        let mut chip = self.base.clone();
        let _context = Context(self, &"not torn");
        let stands = |chip: &Chip| {
            let (_, booted) = power_up::<S>(Box::new(chip.clone()), &self.key());
            stand::<S>(booted, &self.situation.notes, false, &self.key())
        };
        let mut all = vec![stands(&chip)];
        for write in &self.writes {
            write.apply(&mut chip).unwrap();
            all.push(stands(&chip));
        }
        all
    }

    /// What must hold of the command: it wrote what it may, and a chip that fails lets no
    /// answer leave, and takes none back.
    pub fn check(&self) {
        let key = self.key();
        assert!(self.command.writes || self.answered == 0, "wrote: {key}");
        for write in 0..self.writes.len() {
            let begun = self.base.writes() - self.situation.chip.writes();
            let mut chip = self.situation.chip.clone();
            chip.tear_after(begun + write, Tear::Front { piece: usize::MAX, state: State::Prefix(0) });
            let mut station = Station::open(S::KIND, chip, false).unwrap();
            let result = (self.command.run)(&mut station, &self.situation.notes);
            let expected = if write < self.answered { Err(StatusWord::MEMORY_FAILURE) } else { self.result };
            assert_eq!(result, expected, "write {write} failed: {key}");
        }
    }

    /// What must hold of the standings: a refusal changes nothing but counts of tries, and what
    /// comes behind the answer nothing at all.
    pub fn check_standings(&self, standings: &[Standing]) {
        let key = self.key();
        if self.result.is_err() {
            let same = standings.iter().all(|standing| standing.lasting == standings[0].lasting);
            assert!(same, "refused and changed: {key}");
        }
        let behind = &standings[self.answered..];
        assert!(behind.iter().all(|standing| *standing == behind[0]), "changed behind the answer: {key}");
    }
}

/// Where a test was when it panicked.
pub struct Context<'d, 's, S: Subject>(pub &'d Deed<'s, S>, pub &'d dyn Debug);

impl<S: Subject> Drop for Context<'_, '_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in {}, {:?}", self.0.key(), self.1);
        }
    }
}
