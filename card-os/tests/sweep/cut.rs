//! The cuts: every write of a deed in every tear, and what must hold after each.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

use apdu_spec::StatusWord;
use card_os::applets::AppletKind;
use card_os::kernel::memory::Memory;
use card_os::platform::UNIT;
use card_os::sim::{State, Tear, tears};

use crate::kept::{Kept, age, hash_changed, kept};
use crate::station::{Chip, Recorder, Station, Write};

/// Writes that a power-up makes at most: the last entry again or a seal, a second seal, a
/// new block; an erasure, the entry that it is done, and its seal.
const RECOVERY_MAX: usize = 6;

/// Entries after which a result must still stand: they fill two blocks.
const LASTING: usize = 200;

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

/// What was counted.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    pub deeds: usize,
    pub silent: usize,
    pub writes: usize,
    pub cases: usize,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { deeds, silent, writes, cases } = self;
        write!(f, "{deeds} deeds ({silent} write nothing), {writes} writes, {cases} cases")
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.deeds += other.deeds;
        self.silent += other.silent;
        self.writes += other.writes;
        self.cases += other.cases;
    }
}

/// A state as it is kept, as it is told, and as it is kept after the next transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Standing {
    kept: Kept,
    told: Vec<u8>,
    then: Kept,
}

/// A command in a situation: what it wrote.
pub struct Deed<'a, S: Subject> {
    situation: &'a Situation<S>,
    command: &'a Command<S>,
    base: Box<Chip>,
    writes: Vec<Write>,
    answered: usize,
    result: Result<(), StatusWord>,
}

/// Reads all that a card keeps, by powering it up.
fn power_up<S: Subject>(chip: Box<Chip>, context: &dyn Debug) -> (Kept, Box<Chip>) {
    let memory = Memory::open(Recorder::new(chip, false))
        .unwrap_or_else(|error| panic!("power-up: {error}: {context:?}"));
    (kept(S::KIND, &memory), memory.into_platform().chip)
}

/// The standing of a card that has been powered up: a second power-up must write nothing
/// unless a weak piece shows only then; and what it then answers.
fn stand<S: Subject>(chip: Box<Chip>, notes: &S::Notes, weak: bool, context: &dyn Debug) -> Standing {
    let booted = chip.writes();
    let (kept, chip) = power_up::<S>(chip, context);
    let again = chip.writes() - booted;
    let most = if weak { RECOVERY_MAX } else { 0 };
    assert!(again <= most, "{again} writes at the second power-up: {context:?}");
    let mut station = Station::open(S::KIND, chip, false)
        .unwrap_or_else(|error| panic!("third power-up: {error}: {context:?}"));
    let told = S::aftermath(&mut station, notes);
    // It lasts while the next blocks are opened and the oldest ones reclaimed.
    let older = age(S::KIND, station.power_off().chip, LASTING);
    let (then, _) = power_up::<S>(older, context);
    Standing { kept, told, then }
}

/// A torn chip after power-up, and a digest of all that the rest can depend on.
struct Booted {
    chip: Box<Chip>,
    digest: u64,
}

/// Powers a torn chip up, which must succeed and write little.
fn boot(torn: Box<Chip>, write: &Write, context: &dyn Debug) -> Booted {
    let before = torn.writes();
    let place = write.place(&torn);
    let memory = Memory::open(Recorder::new(torn, true))
        .unwrap_or_else(|error| panic!("power-up: {error}: {context:?}"));
    let mut hasher = DefaultHasher::new();
    hash_changed(&memory, write, &mut hasher);
    let Recorder { mut chip, writes, .. } = memory.into_platform();
    assert!(writes.len() <= RECOVERY_MAX, "{} writes at power-up: {context:?}", writes.len());
    assert_eq!(chip.writes() - before, writes.len());
    chip.settle();
    writes.hash(&mut hasher);
    chip.hash_wavering(&mut hasher);
    // Of units in the torn place, what they are only where they are as the write wanted them.
    let units = chip.image()[place].chunks(UNIT);
    match write {
        Write::Program { bytes, .. } => {
            let shape = units.zip(bytes.chunks(UNIT)).map(|(is, wanted)| (is == wanted, is == [0xFF; UNIT]));
            shape.for_each(|shape| shape.hash(&mut hasher));
        }
        Write::Erase { .. } => units.for_each(|unit| unit.hash(&mut hasher)),
    }
    Booted { chip, digest: hasher.finish() }
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

    /// The key of the deed without the class of the state: command, how it ended, the sorts of
    /// its writes.
    pub fn kind(&self) -> String {
        let key = self.key();
        let (_, kind) = key.split_once(" | ").unwrap();
        format!("{kind} {:?}", self.result)
    }

    /// The key of the deed: class, command, and the sorts of its writes.
    pub fn key(&self) -> String {
        let sorts: String = self.writes.iter().map(|write| char::from(write.sort())).collect();
        format!("{} | {} | {}.{sorts}", self.situation.class, self.command.name, self.answered)
    }

    /// The standing after each whole write, the first one before them all.
    fn standings(&self) -> Vec<Standing> {
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

    /// What must hold of the deed itself.
    fn check(&self, standings: &[Standing]) {
        let key = self.key();
        assert!(self.command.writes || self.answered == 0, "wrote: {key}");
        if self.result.is_err() {
            let same = standings.iter().all(|standing| standing.kept == standings[0].kept);
            assert!(same, "refused and changed: {key}");
        }
        let behind = &standings[self.answered..];
        assert!(behind.iter().all(|standing| *standing == behind[0]), "changed behind the answer: {key}");
        // A chip that fails lets no answer leave, and none is taken back.
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

    /// Cuts power in every write in every tear; where asked, again in every write of the
    /// power-up behind it.
    pub fn sweep(&self, twice: bool) -> Tally {
        let standings = self.standings();
        self.check(&standings);
        let silent = usize::from(self.writes.is_empty());
        let mut tally = Tally { deeds: 1, silent, writes: self.writes.len(), cases: 0 };
        let mut chip = self.base.clone();
        for (write, either) in self.writes.iter().zip(standings.windows(2)) {
            let mut images = Images::default();
            for tear in tears(chip.technology(), write.interrupted(&chip)) {
                let torn = torn(&chip, write, tear);
                if twice {
                    tally.cases += self.again(&torn, either, tear, &mut images);
                } else {
                    tally.cases += 1;
                    self.verify(torn, write, either, tear.is_weak(), &mut images, &(tear, write));
                }
            }
            write.apply(&mut chip).unwrap();
        }
        tally
    }

    /// What a torn chip stands for; images that nobody can tell apart are looked at once.
    fn verify(
        &self,
        mut torn: Box<Chip>,
        write: &Write,
        either: &[Standing],
        weak: bool,
        images: &mut Images,
        cut: &dyn Debug,
    ) {
        let mut hasher = DefaultHasher::new();
        let place = write.place(&torn);
        torn.image()[place].hash(&mut hasher);
        torn.hash_wavering(&mut hasher);
        if !images.torn.insert(hasher.finish()) {
            return;
        }
        let Booted { chip, digest } = boot(torn, write, cut);
        if !images.booted.insert(digest) {
            return;
        }
        let _context = Context(self, cut);
        let found = stand::<S>(chip, &self.situation.notes, weak, cut);
        assert!(either.contains(&found), "neither old nor new: {}, {cut:?}", self.key());
    }

    /// Cuts the power-up of a torn chip in every write in every tear.
    fn again(&self, torn_once: &Chip, either: &[Standing], first: Tear, images: &mut Images) -> usize {
        let recorder = Recorder::new(Box::new(torn_once.clone()), true);
        let memory = Memory::open(recorder).unwrap_or_else(|error| panic!("{error}: {}", self.key()));
        let writes = memory.into_platform().writes;
        let (mut chip, mut cases) = (Box::new(torn_once.clone()), 0);
        images.booted.clear();
        for write in &writes {
            images.torn.clear();
            for tear in tears(chip.technology(), write.interrupted(&chip)) {
                let weak = first.is_weak() || tear.is_weak();
                self.verify(torn(&chip, write, tear), write, either, weak, images, &(first, tear, write));
                cases += 1;
            }
            images.booted.clear();
            write.apply(&mut chip).unwrap();
        }
        cases
    }
}

/// Where a test was when it panicked.
struct Context<'d, 's, S: Subject>(&'d Deed<'s, S>, &'d dyn Debug);

impl<S: Subject> Drop for Context<'_, '_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in {}, {:?}", self.0.key(), self.1);
        }
    }
}

/// Digests of images of one torn write that have been looked at.
#[derive(Default)]
struct Images {
    torn: HashSet<u64>,
    booted: HashSet<u64>,
}

/// The chip after power failed in the middle of a write.
pub fn torn(chip: &Chip, write: &Write, tear: Tear) -> Box<Chip> {
    let mut torn = Box::new(chip.clone());
    torn.tear_after(0, tear);
    assert!(write.apply(&mut torn).is_err());
    torn.power_up();
    torn
}

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
