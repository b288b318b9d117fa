//! Pre-play: a generator of one side is weak, as in the "chip and skim" attack on EMV,
//! and the attacker knows its next number. He has a purse in his hands for a moment,
//! harvests its answers to challenges to come, and shows them to the PSAM later without
//! the purse; or the other way round. Both sides count besides (NT of purse and PSAM are
//! in the session keys), so that no answer is good twice, whatever a generator does.

use apdu_spec::aid::Aid;
use apdu_spec::declare::Command;
use apdu_spec::element::Random;
use apdu_spec::interindustry::{FIRST_QUIET, Select, SelectRequest};
use apdu_spec::purse::{
    DebitIep, Execute, Executed, GetBalance, InitializeIep, InitializePurchase, Initialized,
};
use apdu_spec::record::{BatchRecord, Counterpart};
use apdu_spec::sam::{
    CloseBatch, CollectRequest, CreditPsam, CreditRequest, GetChallenge, InitializePsam, OpenPurchase,
    Opened, PsamCollect,
};
use apdu_spec::{Element, StatusWord};
use card_os::Card;
use card_os::kernel::Response;
use card_os::platform::{ChipError, Platform};

use crate::people::payable;
use crate::support::world::{NOW, World};
use crate::support::{Chip, Device, GROUP, VERSION, amount, sam_id, status_of};

/// What a card's generator does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Generator {
    /// The same number for ever.
    Constant,
    /// One more each time.
    Counting,
    /// Three numbers in turn.
    Repeating,
    /// As it should: no number twice.
    Good,
}

const GENERATORS: [Generator; 4] =
    [Generator::Constant, Generator::Counting, Generator::Repeating, Generator::Good];

/// A chip with such a generator.
struct Weak {
    chip: Chip,
    generator: Generator,
    drawn: u64,
}

impl Platform for Weak {
    fn block_size(&self) -> usize {
        self.chip.block_size()
    }
    fn blocks(&self) -> usize {
        self.chip.blocks()
    }
    fn read(&self, address: usize, buffer: &mut [u8]) -> Result<(), ChipError> {
        self.chip.read(address, buffer)
    }
    fn program(&mut self, address: usize, bytes: &[u8]) -> Result<(), ChipError> {
        self.chip.program(address, bytes)
    }
    fn erase(&mut self, block: usize) -> Result<(), ChipError> {
        self.chip.erase(block)
    }
    fn sync(&mut self) -> Result<(), ChipError> {
        self.chip.sync()
    }
    fn delay(&mut self, milliseconds: u32) {
        self.chip.delay(milliseconds);
    }
    fn random(&mut self, buffer: &mut [u8]) {
        self.drawn += 1;
        let number = match self.generator {
            Generator::Constant => 7,
            Generator::Counting => self.drawn,
            Generator::Repeating => self.drawn % 3,
            Generator::Good => return self.chip.random(buffer),
        };
        let bytes = number.to_be_bytes();
        buffer.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
    }
}

struct WeakCard(Card<Weak>);

impl WeakCard {
    fn new(device: Device, aid: &[u8], generator: Generator) -> Self {
        let weak = Weak { chip: device.power_off(), generator, drawn: 0 };
        let mut card = Self(Card::open(weak).unwrap());
        let aid = Aid::new(aid).unwrap();
        card.execute::<Select>(&SelectRequest { occurrence: FIRST_QUIET, aid }).unwrap();
        card
    }

    fn execute<C: Command>(&mut self, request: &C::Request) -> Result<C::Response, StatusWord> {
        let (mut buffer, mut response) = ([0; 262], Response::new());
        self.0.process(C::encode(request, &mut buffer).unwrap(), &mut response);
        self.0.housekeep();
        match status_of(&response) {
            StatusWord::OK => Ok(C::Response::from_bytes(&response[..response.len() - 2]).unwrap()),
            status => Err(status),
        }
    }
}

/// A purchase as the attacker has heard it.
#[derive(Clone, Copy)]
struct Heard {
    counterpart: Counterpart,
    initialized: Initialized,
    opened: Opened,
    executed: Executed,
}

struct Scene {
    purse: WeakCard,
    sam: WeakCard,
}

impl Scene {
    fn new(of_purse: Generator, of_sam: Generator) -> Self {
        let World { purse, sam, .. } = World::with_balance(1_000);
        Self { purse: WeakCard::new(purse, Aid::PURSE, of_purse), sam: WeakCard::new(sam, Aid::PSAM, of_sam) }
    }

    fn counterpart(&mut self) -> Counterpart {
        let challenge: Random = self.sam.execute::<GetChallenge>(&()).unwrap().challenge;
        Counterpart { sam: sam_id(), challenge }
    }

    fn state(&mut self, counterpart: Counterpart) -> Initialized {
        let request = InitializePurchase { group: GROUP, version: VERSION, counterpart };
        self.purse.execute::<InitializeIep>(&request).unwrap()
    }

    fn order(&mut self, stated: &Initialized) -> Result<Opened, StatusWord> {
        let Initialized { key, statement, s1 } = *stated;
        let request = OpenPurchase { key, statement, s1, amount: amount(10), time: NOW };
        self.sam.execute::<InitializePsam>(&request)
    }

    fn debit(&mut self, opened: &Opened) -> Result<Executed, StatusWord> {
        self.purse.execute::<DebitIep>(&Execute { order: opened.order, s2: opened.s2 })
    }

    fn credit(&mut self, opened: &Opened, executed: Executed) -> Result<(), StatusWord> {
        let request = CreditRequest { nt: opened.order.nt, s3: executed.s3, s6: executed.s6 };
        self.sam.execute::<CreditPsam>(&request).map(drop)
    }

    fn pay(&mut self) -> Heard {
        let counterpart = self.counterpart();
        let initialized = self.state(counterpart);
        let opened = self.order(&initialized).unwrap();
        let executed = self.debit(&opened).unwrap();
        self.credit(&opened, executed).unwrap();
        Heard { counterpart, initialized, opened, executed }
    }

    fn balance(&mut self) -> i32 {
        self.purse.execute::<GetBalance>(&()).unwrap().balance.0
    }

    fn records(&mut self) -> Vec<BatchRecord> {
        let trailer = self.sam.execute::<CloseBatch>(&()).unwrap();
        let batch = trailer.batch;
        let record = |index| self.sam.execute::<PsamCollect>(&CollectRequest { batch, index }).unwrap();
        (0..trailer.count).map(record).collect()
    }
}

/// The attacker plays the purse from what he has heard. He may get as far as an order
/// (S2), which is worth nothing without the purse; how often he did.
fn play_the_purse(scene: &mut Scene, heard: &[Heard]) -> u32 {
    let mut orders = 0;
    for attempt in 0..12 {
        let stated = &heard[attempt % heard.len()].initialized;
        scene.counterpart();
        let Ok(opened) = scene.order(stated) else { continue };
        orders += 1;
        for old in heard {
            assert_eq!(scene.credit(&opened, old.executed), Err(StatusWord::WRONG_MAC));
        }
    }
    orders
}

/// The attacker plays the PSAM to the purse from what he has heard.
fn play_the_psam(scene: &mut Scene, heard: &[Heard]) {
    for asked in heard {
        for ordered in heard {
            scene.state(asked.counterpart);
            assert_eq!(scene.debit(&ordered.opened), Err(StatusWord::WRONG_MAC));
        }
    }
}

/// Three purchases are heard, then both sides are played, for every pair of generators.
#[test]
fn both_sides_with_every_pair_of_generators() {
    for of_purse in GENERATORS {
        for of_sam in GENERATORS {
            let mut scene = Scene::new(of_purse, of_sam);
            let heard: Vec<_> = (0..3).map(|_| scene.pay()).collect();
            let orders = play_the_purse(&mut scene, &heard);
            play_the_psam(&mut scene, &heard);
            // A challenge that comes again is answered by what was heard: so far it works.
            let repeats = matches!(of_sam, Generator::Constant | Generator::Repeating);
            assert_eq!(orders > 0, repeats, "{of_purse:?} {of_sam:?}");
            assert_eq!(scene.balance(), 1_000 - 3 * 10, "{of_purse:?} {of_sam:?}");
            assert_eq!(payable(&scene.records()).into_values().sum::<u32>(), 3 * 10);
        }
    }
}

/// The harvest: the attacker has the purse for a moment and knows the PSAM's next
/// challenges. The purse answers each of them, and later all the answers are shown.
#[test]
fn answers_harvested_for_challenges_to_come() {
    for of_purse in GENERATORS {
        for of_sam in [Generator::Constant, Generator::Counting, Generator::Repeating] {
            let mut scene = Scene::new(of_purse, of_sam);
            let mut foreseen = Weak { chip: Chip::new(), generator: of_sam, drawn: 0 };
            let harvest: Vec<_> = (0..6)
                .map(|_| {
                    let mut challenge = [0; 8];
                    foreseen.random(&mut challenge);
                    scene.state(Counterpart { sam: sam_id(), challenge: Random(challenge) })
                })
                .collect();
            let mut orders = Vec::new();
            for stated in &harvest {
                scene.counterpart();
                orders.extend(scene.order(stated));
            }
            assert_eq!(orders.len(), harvest.len(), "the PSAM cannot know: the purse is not there");
            // Back at the purse, before its next session and in it: the orders are late.
            for opened in orders.split_last().unwrap().1 {
                assert!(scene.debit(opened).is_err());
            }
            assert_eq!(scene.balance(), 1_000);
            assert_eq!(payable(&scene.records()), [].into(), "claims, not payments");
        }
    }
}

/// Both generators stand still, and the purse is asked 2,000 times: no two statements have the
/// same S1, since NT is in it.
#[test]
fn no_statement_comes_twice_from_a_constant_generator() {
    let mut scene = Scene::new(Generator::Constant, Generator::Constant);
    let mut seen = std::collections::BTreeSet::new();
    let counterpart = scene.counterpart();
    for _ in 0..2_000 {
        assert!(seen.insert(scene.state(counterpart).s1.0));
    }
}
