//! Memory against a model: power fails at every byte of a commit and of the
//! housekeeping behind it, and again in the recovery, and what is found is the old or the
//! new state, the same one ever after.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use card_os::kernel::memory::entry::{self, Body, RECORD};
use card_os::kernel::memory::{Change, Memory, MemoryError};
use card_os::sim::{SimulatedChip, State, Tear, Weakness};
use proptest::prelude::*;

/// Small blocks, so that short tests go round the ring.
type Chip = SimulatedChip<4, 1024>;

const LOG: u8 = RECORD;
/// The cell of counter 1.
const COUNTER: u8 = 33;
const COUNTER_START: u32 = 0x00_FFFA;

/// A new memory whose counter is set.
fn format() -> Memory<Chip> {
    let mut memory = Memory::format(Chip::new()).unwrap();
    let mut change = Change::default();
    change.set(COUNTER, &COUNTER_START.to_be_bytes()[1..]);
    memory.commit(change).map(drop).unwrap();
    memory
}

/// What memory must hold.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    cells: [Vec<u8>; 4],
    /// How often the counter was counted up; it begins just before a carry.
    ticks: u32,
    /// Records from number 1 on.
    records: Vec<Vec<u8>>,
}

/// Records that are kept; older ones are forgotten.
const KEPT: usize = 5;

#[derive(Clone, Debug)]
enum Step {
    Set { cell: usize, value: Vec<u8> },
    Append { value: Vec<u8> },
    Both { cell: usize, value: Vec<u8> },
    Tick,
    PowerCycle,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = || proptest::collection::vec(any::<u8>(), 1..60);
    let step = prop_oneof![
        3 => (0..4_usize, value()).prop_map(|(cell, value)| Step::Set { cell, value }),
        3 => value().prop_map(|value| Step::Append { value }),
        1 => (0..4_usize, value()).prop_map(|(cell, value)| Step::Both { cell, value }),
        3 => Just(Step::Tick),
        1 => Just(Step::PowerCycle),
    ];
    proptest::collection::vec(step, 1..120)
}

impl Model {
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Set { cell, value } => self.cells[*cell].clone_from(value),
            Step::Append { value } => self.records.push(value.clone()),
            Step::Both { cell, value } => {
                self.cells[*cell].clone_from(value);
                self.records.push(value.clone());
            }
            Step::Tick => self.ticks += 1,
            Step::PowerCycle => {}
        }
    }

    fn keep(&self, memory: &mut Memory<Chip>) {
        memory.keep_from(LOG, u32::try_from(self.records.len().saturating_sub(KEPT - 1)).unwrap());
    }

    fn is_in(&self, memory: &Memory<Chip>) -> bool {
        let mut buffer = [0; 256];
        let cells = self.cells.iter().enumerate().all(|(cell, value)| {
            let length = memory.cell(u8::try_from(cell).unwrap(), &mut buffer).unwrap_or(0);
            buffer[..length] == value[..]
        });
        let first = self.records.len().saturating_sub(KEPT);
        let counted = memory.cell(COUNTER, &mut buffer) == Some(3)
            && buffer[..3] == (COUNTER_START + self.ticks).to_be_bytes()[1..];
        cells
            && counted
            && memory.next(LOG) as usize == self.records.len() + 1
            && self.records.iter().enumerate().skip(first).all(|(index, value)| {
                let number = u32::try_from(index + 1).unwrap();
                memory.record(LOG, number, &mut buffer).is_some_and(|length| buffer[..length] == value[..])
            })
    }
}

fn commit(memory: &mut Memory<Chip>, step: &Step) -> Result<(), MemoryError> {
    let mut change = Change::default();
    let next = memory.next(LOG);
    match step {
        Step::Set { cell, value } => change.set(u8::try_from(*cell).unwrap(), value),
        Step::Append { value } => change.append(LOG, next, value),
        Step::Both { cell, value } => {
            change.set(u8::try_from(*cell).unwrap(), value);
            change.append(LOG, next, value);
        }
        Step::Tick => return memory.count_up(1).map(drop),
        Step::PowerCycle => return Ok(()),
    }
    memory.commit(change).map(drop)
}

/// Plays `steps`, cutting nothing; the chip afterwards and the model.
fn play(steps: &[Step]) -> (Chip, Model) {
    let mut memory = format();
    let mut model = Model::default();
    for step in steps {
        if matches!(step, Step::PowerCycle) {
            memory = Memory::open(memory.into_platform()).unwrap();
            model.keep(&mut memory);
        } else {
            commit(&mut memory, step).unwrap();
            model.apply(step);
            model.keep(&mut memory);
            memory.housekeep().unwrap();
        }
        assert!(model.is_in(&memory), "after {step:?}");
    }
    (memory.into_platform(), model)
}

/// Cuts power after each count of bytes in `step` and its housekeeping, then after each
/// count in the recovery; returns how many cases there were.
fn tear(chip: &Chip, before: &Model, step: &Step) -> usize {
    let mut after = before.clone();
    after.apply(step);
    let mut cases = 0;
    for cut in 0.. {
        let mut chip = chip.clone();
        chip.power_up();
        let mut memory = Memory::open(chip).unwrap();
        before.keep(&mut memory);
        memory.platform().cut_after(cut);
        let committed = commit(&mut memory, step).is_ok();
        let kept = committed && memory.housekeep().is_ok();
        let torn = memory.into_platform();
        cases += 1 + recover(&torn, before, &after, committed);
        if kept {
            return cases;
        }
    }
    unreachable!()
}

/// Opens a torn chip, with a second cut in the recovery, at every seventh byte so that
/// all places within a unit of eight come up.
fn recover(torn: &Chip, before: &Model, after: &Model, committed: bool) -> usize {
    for cut in (0..).step_by(7) {
        let mut chip = torn.clone();
        chip.cut_after(cut);
        let (opened, chip) = match Memory::open(chip.clone()) {
            Ok(memory) => (true, memory.into_platform()),
            Err(_) => (false, interrupted(chip)),
        };
        let mut chip = chip;
        chip.power_up();
        let mut memory = Memory::open(chip).unwrap();
        let new = after.is_in(&memory);
        assert!(new || (!committed && before.is_in(&memory)), "cut {cut}, committed {committed}");
        let state = if new { after } else { before };
        state.keep(&mut memory);
        // The same state ever after, and memory goes on.
        let mut memory = Memory::open(memory.into_platform()).unwrap();
        assert!(state.is_in(&memory), "booted twice, cut {cut}");
        state.keep(&mut memory);
        let next = Step::Both { cell: 0, value: vec![7; 20] };
        commit(&mut memory, &next).unwrap();
        let mut state = state.clone();
        state.apply(&next);
        assert!(state.is_in(&memory), "next commit, cut {cut}");
        if opened {
            return cut + 1;
        }
    }
    unreachable!()
}

/// Powers a chip up that fails on the way; the chip, with power again.
fn interrupted(chip: Chip) -> Chip {
    let cell = std::rc::Rc::new(std::cell::RefCell::new(chip));
    drop(Memory::open(shared::Shared(cell.clone())));
    let mut chip = std::rc::Rc::try_unwrap(cell).unwrap().into_inner();
    chip.power_up();
    chip
}

/// A chip that outlives the memory that failed to open it.
mod shared {
    use card_os::platform::{ChipError, Platform};
    use std::{cell::RefCell, rc::Rc};

    pub(super) struct Shared(pub(super) Rc<RefCell<super::Chip>>);

    impl Platform for Shared {
        fn block_size(&self) -> usize {
            self.0.borrow().block_size()
        }
        fn blocks(&self) -> usize {
            self.0.borrow().blocks()
        }
        fn read(&self, address: usize, buffer: &mut [u8]) -> Result<(), ChipError> {
            self.0.borrow().read(address, buffer)
        }
        fn program(&mut self, address: usize, bytes: &[u8]) -> Result<(), ChipError> {
            self.0.borrow_mut().program(address, bytes)
        }
        fn erase(&mut self, block: usize) -> Result<(), ChipError> {
            self.0.borrow_mut().erase(block)
        }
        fn sync(&mut self) -> Result<(), ChipError> {
            self.0.borrow_mut().sync()
        }
        fn random(&mut self, buffer: &mut [u8]) {
            self.0.borrow_mut().random(buffer);
        }
        fn delay(&mut self, milliseconds: u32) {
            self.0.borrow_mut().delay(milliseconds);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn every_cut_leaves_the_old_or_the_new_state(steps in steps(), last in steps()) {
        let (chip, mut model) = play(&steps);
        let mut chip = chip;
        for step in last.iter().take(2) {
            tear(&chip, &model, step);
            let mut memory = Memory::open(chip).unwrap();
            model.keep(&mut memory);
            commit(&mut memory, step).unwrap();
            model.apply(step);
            model.keep(&mut memory);
            memory.housekeep().unwrap();
            chip = memory.into_platform();
        }
    }
}

/// Power fails at every byte of reclaiming, and memory goes round the ring as if it had not:
/// what is left in a block takes no room from it, and nothing is written over it.
#[test]
fn a_cut_in_reclaiming_costs_no_block() {
    /// Commits that are sure to open every block again.
    const ROUND: usize = 100;
    let step = Step::Both { cell: 1, value: vec![3; 40] };
    let live = |memory: &mut Memory<Chip>, model: &mut Model| {
        commit(memory, &step)?;
        model.apply(&step);
        model.keep(memory);
        Ok::<_, MemoryError>(())
    };
    // Answered, and a block is to be reclaimed.
    let due = |steps| {
        let (chip, mut model) = play(&vec![step.clone(); steps]);
        let mut memory = Memory::open(chip).unwrap();
        live(&mut memory, &mut model).unwrap();
        let erased = memory.platform().blocks_erased();
        memory.housekeep().unwrap();
        memory.platform().blocks_erased() > erased
    };
    let steps = (1..ROUND).find(|steps| due(*steps)).unwrap();
    let (chip, before) = play(&vec![step.clone(); steps]);
    for cut in 0.. {
        let (mut memory, mut model) = (Memory::open(chip.clone()).unwrap(), before.clone());
        live(&mut memory, &mut model).unwrap();
        memory.platform().cut_after(cut);
        let whole = memory.housekeep().is_ok();
        let mut chip = memory.into_platform();
        chip.power_up();
        let mut memory = Memory::open(chip).unwrap();
        model.keep(&mut memory);
        for after in 0..ROUND {
            let lived = live(&mut memory, &mut model).and_then(|()| memory.housekeep());
            assert_eq!(lived, Ok(()), "cut {cut}, {after} commits later");
        }
        assert!(model.is_in(&memory), "cut {cut}");
        if whole {
            assert!(cut > 1024, "the erasure was cut, too");
            return;
        }
    }
}

/// Power fails between two copies of a full log: the copies that are there count once, and the
/// commit that needed the room finds it after all.
#[test]
fn what_was_copied_takes_no_room_twice() {
    const LIVE: u32 = 16;
    let begin = |chip: Box<SimulatedChip<8, 2048>>| {
        let mut memory = Memory::open(*chip).unwrap();
        let floor = memory.next(LOG).saturating_sub(LIVE);
        memory.keep_from(LOG, floor);
        memory
    };
    let append = |memory: &mut Memory<SimulatedChip<8, 2048>>| {
        let mut change = Change::default();
        change.append(LOG, memory.next(LOG), &[7; 96]);
        memory.commit(change).map(drop)
    };
    let mut memory = Memory::format(SimulatedChip::new()).unwrap();
    (0..LIVE).for_each(|_| append(&mut memory).unwrap());
    let mut cuts = 0;
    // The other records of all blocks die, and these come to stand in the oldest one.
    for _ in 0..500 {
        let mut change = Change::default();
        change.set(2, &[3; 40]);
        memory.commit(change).map(drop).unwrap();
        let chip = Box::new(memory.into_platform());
        for write in 1.. {
            let mut torn = begin(chip.clone());
            torn.platform().tear_after(write, Tear::Front { piece: 0, state: State::Prefix(0) });
            if append(&mut torn).is_ok() {
                break;
            }
            let mut chip = torn.into_platform();
            chip.power_up();
            append(&mut begin(Box::new(chip))).unwrap();
            cuts += 1;
        }
        memory = begin(chip);
    }
    assert!(cuts > LIVE, "{cuts} cuts, none among copies");
}

/// Whatever lives in the oldest block, what a power-up writes never takes the room that is
/// needed to reclaim it: a terminal that only opens sessions cannot fill a card.
#[test]
fn power_ups_do_not_fill_memory() {
    for live in 1..=18 {
        let mut memory = Memory::format(SimulatedChip::<8, 2048>::new()).unwrap();
        let mut change = Change::default();
        change.set(COUNTER, &[0, 0, 1]);
        memory.commit(change).map(drop).unwrap();
        for number in 1..=live {
            let mut change = Change::default();
            change.append(LOG, number, &[7; 96]);
            memory.commit(change).map(drop).unwrap();
            memory.housekeep().unwrap();
        }
        for session in 0..1_200 {
            let counted = memory.count_up(1).map(drop);
            assert_eq!(counted, Ok(()), "{live} live records, session {session}");
            memory = Memory::open(memory.into_platform()).unwrap();
            memory.keep_from(LOG, 1);
        }
    }
}

/// At the end of a block the last entry may follow again in the next one. Whatever a weak entry
/// behind its first writing reads as later, it is the same entry, and counts once.
#[test]
fn what_follows_again_in_the_next_block_counts_once() {
    let weak = [Weakness::Fading(0), Weakness::Fading(2), Weakness::Rising(1), Weakness::Noise(3)];
    let lasts =
        [Step::Append { value: vec![7; LAST] }, Step::Tick, Step::Set { cell: 0, value: vec![4; LAST] }];
    // A tick is one unit: the end of a block comes by in every place.
    for filling in 60..95 {
        let (chip, model) = play(&vec![Step::Tick; filling]);
        for (weakness, last) in weak.iter().flat_map(|weak| lasts.iter().map(move |last| (*weak, last))) {
            for cut in second_cuts() {
                let case = format!("{filling} ticks, {last:?}, {weakness:?}, then {cut:?}");
                for opened in 1..=2 {
                    follow_again((chip.clone(), model.clone()), last, weakness, cut, opened, &case);
                }
            }
        }
    }
}

/// Bytes of the value that follows again, longer than the one that is torn behind it: the next
/// block is opened for it.
const LAST: usize = 110;

/// Cuts in a power-up: its first write misses a piece, or its second one stays weak at the end.
fn second_cuts() -> impl Iterator<Item = (usize, Tear)> {
    let pieces = entry::size(5 + LAST) / 8;
    let first = (0..=pieces).map(|piece| (0, Tear::Front { piece, state: State::Prefix(1) }));
    let weak = [Weakness::Fading(0), Weakness::Fading(5), Weakness::Fading(7), Weakness::Rising(2)];
    let piece = pieces - 1;
    first.chain(weak.map(|weakness| (1, Tear::Front { piece, state: State::Weak(weakness) })))
}

/// Commits `last`; the commit behind it stays weak, and the power-up behind that is cut. Then
/// life goes on, powered up so often between commits that the weak entry reads one way or another.
fn follow_again(
    (chip, mut model): (Chip, Model),
    last: &Step,
    weakness: Weakness,
    (write, tear): (usize, Tear),
    opened: usize,
    case: &str,
) {
    let torn = Step::Set { cell: 1, value: vec![5; 45] };
    let weak = Tear::Front { piece: entry::size(2 + 45) / 8 - 1, state: State::Weak(weakness) };
    let mut memory = Memory::open(chip).unwrap();
    model.keep(&mut memory);
    commit(&mut memory, last).unwrap();
    model.apply(last);
    memory.platform().tear_after(0, weak);
    if commit(&mut memory, &torn).is_ok() {
        return; // It was the opening of a block that was torn.
    }
    let mut chip = memory.into_platform();
    chip.power_up();
    // What is as short as a tick comes to the end of a block only when it was torn again and again.
    for _ in 0..if matches!(last, Step::Tick) { 7 } else { 1 } {
        chip.tear_after(write, tear);
        chip = interrupted(chip);
    }
    let mut new = model.clone();
    new.apply(&torn);
    live_on(chip, model, new, opened, case);
}

/// A card with power again is in one of two states, and stays in it while its ring goes round.
fn live_on(chip: Chip, old: Model, new: Model, opened: usize, case: &str) {
    let mut memory = Memory::open(chip).unwrap_or_else(|error| panic!("{error}: {case}"));
    let mut state = if new.is_in(&memory) { new } else { old };
    for round in 0..40 {
        assert!(state.is_in(&memory), "{case}, {round} commits later");
        state.keep(&mut memory);
        let next = Step::Both { cell: 2, value: vec![round; 40] };
        commit(&mut memory, &next).unwrap();
        state.apply(&next);
        memory.housekeep().unwrap();
        for _ in 0..opened {
            memory = Memory::open(memory.into_platform())
                .unwrap_or_else(|error| panic!("{error}: {case}, {round} commits later"));
        }
    }
}

/// A block's opening is torn, and again the one that the power-up writes behind it: whichever of
/// them a reading sees, the block holds nothing.
#[test]
fn openings_that_were_torn_hold_nothing() {
    let piece = entry::size(2 + entry::OPENING_LENGTH) / 8 - 1;
    let weak = [Weakness::Fading(0), Weakness::Fading(1), Weakness::Rising(1), Weakness::Noise(3)];
    let tears = weak.map(|weakness| Tear::Front { piece, state: State::Weak(weakness) });
    // So long that one commit reclaims a block and opens the next.
    let (long, short) =
        (Step::Set { cell: 0, value: vec![4; 220] }, Step::Set { cell: 1, value: vec![5; 20] });
    let (mut chip, mut model) = play(&vec![short.clone(); 100]);
    for filling in 0..32 {
        let mut new = model.clone();
        new.apply(&long);
        let pairs = tears.iter().flat_map(|first| tears.iter().map(move |second| (*first, *second)));
        for (write, (first, second)) in (0..6).flat_map(|write| pairs.clone().map(move |pair| (write, pair)))
        {
            let mut memory = Memory::open(chip.clone()).unwrap();
            memory.platform().tear_after(write, first);
            if commit(&mut memory, &long).is_ok() {
                break;
            }
            let mut torn = memory.into_platform();
            torn.power_up();
            torn.tear_after(0, second);
            let case = format!("{filling} entries, {first:?} in write {write}, then {second:?}");
            live_on(interrupted(torn), model.clone(), new.clone(), 1, &case);
        }
        // Nothing is reclaimed behind a commit.
        let mut memory = Memory::open(chip).unwrap();
        commit(&mut memory, &short).unwrap();
        model.apply(&short);
        chip = memory.into_platform();
    }
}

#[test]
fn a_long_life_goes_round_the_ring_and_wears_evenly() {
    let step = Step::Both { cell: 1, value: vec![3; 40] };
    let mut memory = format();
    let mut model = Model::default();
    // A cell that is never written again must survive every turn of the ring.
    let first = Step::Set { cell: 0, value: vec![9; 50] };
    commit(&mut memory, &first).unwrap();
    model.apply(&first);
    for _ in 0..2_000 {
        for step in [&step, &Step::Tick] {
            commit(&mut memory, step).unwrap();
            model.apply(step);
        }
        model.keep(&mut memory);
        memory.housekeep().unwrap();
    }
    assert!(model.is_in(&memory));
    let memory = Memory::open(memory.into_platform()).unwrap();
    assert!(model.is_in(&memory));
    assert!(memory.into_platform().blocks_erased() > 100);
}

#[test]
fn a_full_memory_refuses_and_goes_on_when_something_dies() {
    let mut memory = Memory::format(Chip::new()).unwrap();
    let append = |memory: &mut Memory<Chip>| commit(memory, &Step::Append { value: vec![1; 40] });
    while append(&mut memory).is_ok() {
        memory.housekeep().unwrap();
    }
    let stored = memory.next(LOG);
    assert!(stored > 15, "{stored} records in 4 KiB");
    let erased = memory.platform().blocks_erased();
    assert_eq!(append(&mut memory), Err(MemoryError::Full));
    assert_eq!(memory.platform().blocks_erased(), erased, "a full memory is not turned over in vain");
    memory.keep_from(LOG, stored - 2);
    append(&mut memory).unwrap();
}

/// Live records fill one block, dead entries all others: the block is copied in time.
#[test]
fn a_block_full_of_live_records_does_not_stop_the_ring() {
    for (records, length) in [(60, 20), (28, 60), (16, 100), (11, 150), (8, 200), (7, 230)] {
        let mut memory = Memory::format(SimulatedChip::<8, 2048>::new()).unwrap();
        let commit = |memory: &mut Memory<SimulatedChip<8, 2048>>, change| {
            let _ = memory.commit(change).unwrap();
            memory.housekeep().unwrap();
        };
        for number in 1..=records {
            let mut change = Change::default();
            change.append(LOG, number, &[7; 256][..length]);
            commit(&mut memory, change);
        }
        for _ in 0..4_000 {
            let mut change = Change::default();
            change.set(1, &[5; 3]);
            commit(&mut memory, change);
        }
        let kept = |number| memory.record(LOG, number, &mut [0; 256]) == Some(length);
        assert!((1..=records).all(kept), "{records} records of {length} bytes");
    }
}

/// A log is kept from its floor on: the record there outlives many turns of the ring, the one
/// before it does not.
#[test]
fn the_record_at_the_floor_is_kept_and_the_one_before_it_forgotten() {
    let mut memory = Memory::format(SimulatedChip::<8, 2048>::new()).unwrap();
    for number in 1..=4 {
        let mut change = Change::default();
        change.append(LOG, number, &[7; 100]);
        let _ = memory.commit(change).unwrap();
    }
    memory.keep_from(LOG, 3);
    for _ in 0..4_000 {
        let mut change = Change::default();
        change.set(1, &[5; 3]);
        let _ = memory.commit(change).unwrap();
        memory.housekeep().unwrap();
    }
    let kept = [1, 2, 3, 4].map(|number| memory.record(LOG, number, &mut [0; 256]).is_some());
    assert_eq!(kept, [false, false, true, true]);
}

#[test]
fn damage_is_refused_or_does_not_show() {
    let steps: Vec<Step> =
        (0..30_u8).map(|n| Step::Both { cell: usize::from(n % 4), value: vec![n; 30] }).collect();
    let (chip, model) = play(&steps);
    let size = chip.clone().image().len();
    let (mut refused, mut unseen) = (0, 0);
    for place in 0..size {
        let mut chip = chip.clone();
        chip.image()[place] ^= 0x10;
        match Memory::open(chip) {
            Err(MemoryError::Damaged(_) | MemoryError::NotFormatted) => refused += 1,
            Ok(memory) => {
                assert!(model.is_in(&memory), "byte {place} changed and another state was opened");
                unseen += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused > 0 && unseen > 0);
}

#[test]
fn what_is_no_image_is_refused() {
    assert_eq!(Memory::open(Chip::new()).map(drop), Err(MemoryError::NotFormatted));
    let mut chip = Chip::new();
    chip.image().fill(0);
    assert_eq!(Memory::open(chip).map(drop), Err(MemoryError::NotFormatted));
}

/// An opening that proves itself, and a seal behind it, as only a forged image has them.
fn forge(chip: &mut Chip, sequence: u32, number: u32, sealed: bool) {
    const SALT: u32 = 0x0017_5A17;
    let base = sequence as usize % 4 * 1024;
    let mut value = [0; entry::OPENING_LENGTH];
    value[..3].copy_from_slice(&sequence.to_be_bytes()[1..]);
    value[3..6].copy_from_slice(&SALT.to_be_bytes()[1..]);
    value[6..10].copy_from_slice(&number.to_be_bytes());
    let mut body = Body::default();
    body.put(entry::OPENING, &[], &value);
    let bytes = body.finish(chip, number, sequence ^ SALT, 0).to_vec();
    let seal = entry::unit(chip, entry::SEAL, number, sequence ^ SALT, bytes.len());
    let image = chip.image();
    image[base..][..bytes.len()].copy_from_slice(&bytes);
    if sealed {
        image[base + bytes.len()..][..seal.len()].copy_from_slice(&seal);
    }
}

#[test]
fn a_forged_image_at_the_end_of_all_numbers_is_refused() {
    for (sequence, number) in [(0x00FF_FFFF, 1), (0x00FF_FFFE, u32::MAX), (5, u32::MAX)] {
        for sealed in [false, true] {
            let mut chip = Chip::new();
            forge(&mut chip, sequence - 1, number.wrapping_sub(1), sealed);
            forge(&mut chip, sequence, number, sealed);
            assert!(Memory::open(chip).is_err(), "sequence {sequence}, number {number}, {sealed}");
        }
    }
}

#[test]
fn two_blocks_that_hold_nothing_are_damage() {
    let mut chip = Chip::new();
    forge(&mut chip, 8, 20, false);
    forge(&mut chip, 9, 21, false);
    assert!(matches!(Memory::open(chip), Err(MemoryError::Damaged(_))));
}
