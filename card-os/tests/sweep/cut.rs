//! The cuts: every write of a deed in every tear, and what must hold after each.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use card_os::kernel::memory::Memory;
use card_os::kernel::memory::entry::{self, OPENING, OPENING_LENGTH};
use card_os::platform::{Platform as _, UNIT};
use card_os::sim::{Tear, tears};

use crate::deed::{Context, Deed, RECOVERY_MAX, Standing, Subject, stand};
use crate::digest::{Digest, Met};
use crate::kept::hash_changed;
use crate::station::{Chip, Recorder, Write};

/// Bytes of an opening.
const OPENING_SIZE: usize = entry::size(2 + OPENING_LENGTH);

/// What was counted.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    pub deeds: usize,
    /// Deeds that write nothing.
    pub silent: usize,
    pub writes: usize,
    /// Tears; with second cuts, pairs of tears too.
    pub cases: usize,
    /// Images that were powered up, no two of them equal.
    pub powered: usize,
    /// Of these, cards that were asked on: power-up had made something else of them.
    pub asked: usize,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { deeds, silent, writes, cases, powered, asked } = self;
        write!(f, "{deeds} deeds ({silent} write nothing), {writes} writes, {cases} cases, ")?;
        write!(f, "of them {powered} powered up, {asked} asked on")
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.deeds += other.deeds;
        self.silent += other.silent;
        self.writes += other.writes;
        self.cases += other.cases;
        self.powered += other.powered;
        self.asked += other.asked;
    }
}

/// Which torn images are powered up, and what becomes of that power-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Look {
    /// One image of each shape.
    Shapes,
    /// Every image.
    Images,
    /// Every image, and the power-up is cut in turn.
    Twice,
}

/// A write that is cut, the standings before and after it, and what has been met of its
/// tears: of each image, and of each card after power-up, how many second cuts are behind it.
struct Cut<'a> {
    write: &'a Write,
    either: &'a [Standing],
    look: Look,
    /// Where openings stand in the block that is erased.
    openings: Vec<Range<usize>>,
    torn: Met<usize>,
    booted: Met<usize>,
}

impl<'a> Cut<'a> {
    fn new(chip: &mut Chip, write: &'a Write, either: &'a [Standing], look: Look) -> Self {
        let place = write.place(chip);
        let opens = |at: &usize| {
            let unit = &chip.image()[*at..*at + UNIT];
            (usize::from(unit[0]) * UNIT, unit[6]) == (OPENING_SIZE, OPENING)
        };
        let openings = place.clone().step_by(UNIT).filter(opens);
        let openings = openings.map(|at| at..(at + OPENING_SIZE).min(place.end)).collect();
        Self { write, either, look, openings, torn: Met::default(), booted: Met::default() }
    }

    /// A digest of a torn image, or of its shape where shapes are looked at.
    fn image(&self, torn: &mut Chip) -> u64 {
        if self.look == Look::Shapes {
            return self.shape(torn);
        }
        let place = self.write.place(torn);
        let mut digest = Digest::default();
        torn.hash_wavering(0..0, &mut digest);
        torn.image()[place].hash(&mut digest);
        digest.finish()
    }

    /// A digest of all that memory can tell of a torn write.
    fn shape(&self, torn: &mut Chip) -> u64 {
        let mut digest = Digest::default();
        torn.hash_wavering(0..0, &mut digest);
        let place = self.write.place(torn);
        let left = &torn.image()[place];
        match self.write {
            Write::Program { bytes, .. } => hash_units(left, bytes, &mut digest),
            Write::Erase { .. } => {
                left.iter().rposition(|byte| *byte != 0xFF).map(|last| last / UNIT).hash(&mut digest);
                self.openings.iter().for_each(|opening| torn.image()[opening.clone()].hash(&mut digest));
            }
        }
        digest.finish()
    }
}

/// Hashes of each unit whether it is as a write wanted it, and whether it is erased.
fn hash_units(left: &[u8], wanted: &[u8], digest: &mut Digest) {
    let units = left.chunks(UNIT).zip(wanted.chunks(UNIT));
    units.for_each(|(is, wanted)| (is == wanted, is == [0xFF; UNIT]).hash(digest));
}

/// What led to an image: the first tear where this is the second one, and this one.
struct Tears<'a> {
    first: Option<Tear>,
    tear: Tear,
    write: &'a Write,
}

impl Tears<'_> {
    fn are_weak(&self) -> bool {
        self.tear.is_weak() || self.first.is_some_and(Tear::is_weak)
    }
}

impl Debug for Tears<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { first, tear, write } = self;
        if let Some(first) = first {
            write!(f, "{first:?}, and in its power-up ")?;
        }
        write!(f, "{tear:?} of {write:?}")
    }
}

/// A torn chip after power-up, what that wrote, and a digest of all that the rest can depend on.
struct Booted {
    chip: Box<Chip>,
    writes: Vec<Write>,
    digest: u64,
}

/// Powers a torn chip up, which must succeed and write little.
fn boot(torn: Box<Chip>, write: &Write, context: &dyn Debug) -> Booted {
    let before = torn.writes();
    let memory = Memory::open(Recorder::new(torn, true))
        .unwrap_or_else(|error| panic!("power-up: {error}: {context:?}"));
    let mut digest = Digest::default();
    hash_changed(&memory, write, &mut digest);
    let Recorder { mut chip, writes, .. } = memory.into_platform();
    assert!(writes.len() <= RECOVERY_MAX, "{} writes at power-up: {context:?}", writes.len());
    assert_eq!(chip.writes() - before, writes.len());
    chip.settle();
    writes.hash(&mut digest);
    hash_left(&mut chip, write, &writes, &mut digest);
    let digest = digest.finish();
    Booted { chip, writes, digest }
}

/// Hashes what a torn write has left, as far as the next power-ups can tell. A program that
/// misses a unit is no entry in any reading; where something was written behind it, it is passed over.
/// Else its units count where they are erased or as the write wanted them.
fn hash_left(chip: &mut Chip, write: &Write, recovery: &[Write], digest: &mut Digest) {
    let place = write.place(chip);
    let behind = place.end..(place.start / chip.block_size() + 1) * chip.block_size();
    let Write::Program { bytes, .. } = write else {
        chip.hash_wavering(0..0, digest);
        return chip.image()[place].hash(digest);
    };
    let whole = chip.image()[place.clone()] == bytes[..];
    let passed = recovery.iter().any(|next| behind.contains(&next.place(chip).start));
    if !whole && passed {
        return chip.hash_wavering(place, digest);
    }
    chip.hash_wavering(0..0, digest);
    hash_units(&chip.image()[place], bytes, digest);
}

impl<S: Subject> Deed<'_, S> {
    /// Cuts power in every write in every tear; where asked, again in every write of the
    /// power-up behind it.
    pub fn sweep(&self, standings: &[Standing], look: Look) -> Tally {
        let silent = usize::from(self.writes.is_empty());
        let mut tally = Tally { deeds: 1, silent, writes: self.writes.len(), ..Tally::default() };
        let mut chip = self.base.clone();
        for (write, either) in self.writes.iter().zip(standings.windows(2)) {
            let mut cut = Cut::new(&mut chip, write, either, look);
            for tear in tears(chip.technology(), write.interrupted(&chip)) {
                let torn = torn(&chip, write, tear);
                let tears = Tears { first: None, tear, write };
                tally.cases += 1 + self.verify(torn, &mut cut, &tears, &mut tally);
            }
            write.apply(&mut chip).unwrap();
        }
        tally
    }

    /// What a torn chip stands for; images that nobody can tell apart are looked at once.
    /// How many second cuts are behind it.
    fn verify(&self, mut torn: Box<Chip>, cut: &mut Cut<'_>, tears: &Tears<'_>, tally: &mut Tally) -> usize {
        let image = cut.image(&mut torn);
        if let Some(behind) = cut.torn.get(&image) {
            return *behind;
        }
        tally.powered += 1;
        let once = (cut.look == Look::Twice).then(|| torn.clone());
        let shape = if once.is_some() { cut.shape(&mut torn) } else { 0 };
        let Booted { chip, writes, digest } = boot(torn, cut.write, tears);
        // A second cut comes before power-up has passed over what the first one left.
        let digest = Digest::of((digest, shape));
        let behind = cut.booted.get(&digest).copied().unwrap_or_else(|| {
            tally.asked += 1;
            let _context = Context(self, tears);
            let found = stand::<S>(chip, &self.situation.notes, tears.are_weak(), tears);
            assert!(cut.either.contains(&found), "neither old nor new: {}, {tears:?}", self.key());
            once.map_or(0, |once| self.again(once, &writes, cut.either, tears.tear, tally))
        });
        cut.booted.insert(digest, behind);
        cut.torn.insert(image, behind);
        behind
    }

    /// Cuts the power-up of a torn chip in every write in every tear; how many these are.
    fn again(
        &self,
        mut chip: Box<Chip>,
        writes: &[Write],
        either: &[Standing],
        first: Tear,
        tally: &mut Tally,
    ) -> usize {
        let mut cases = 0;
        for write in writes {
            let mut cut = Cut::new(&mut chip, write, either, Look::Shapes);
            for tear in tears(chip.technology(), write.interrupted(&chip)) {
                let tears = Tears { first: Some(first), tear, write };
                self.verify(torn(&chip, write, tear), &mut cut, &tears, tally);
                cases += 1;
            }
            write.apply(&mut chip).unwrap();
        }
        cases
    }
}

/// The chip after power failed in the middle of a write.
pub fn torn(chip: &Chip, write: &Write, tear: Tear) -> Box<Chip> {
    let mut torn = Box::new(chip.clone());
    torn.tear_after(0, tear);
    assert!(write.apply(&mut torn).is_err());
    torn.power_up();
    torn
}
