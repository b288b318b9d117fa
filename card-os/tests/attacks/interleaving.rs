//! Interleaved sessions: two terminals (or two purses at one terminal) run at the same
//! time, and the attacker decides whose message goes next. All 252 interleavings of two
//! purchases of five messages, so every pair of prefixes; and at every pair of prefixes a
//! message delivered to the wrong session. What was debited is what was credited, or is
//! found again from the purse's receipt.

use apdu_spec::StatusWord;
use apdu_spec::element::Algorithm;
use apdu_spec::element::Counter;
use apdu_spec::purse::{
    DebitIep, Execute, Executed, GetBalance, InitializeIep, InitializePurchase, Initialized, PreviousByNv,
    PreviousRequest,
};
use apdu_spec::record::Counterpart;
use apdu_spec::sam::{
    CreditPsam, CreditRequest, GetChallenge, GetSamData, InitializePsam, OpenPurchase, Opened,
    ReceiptRequest, StoreReceipt,
};
use card_os::applets::AppletKind;

use crate::people::{other_purse, other_sam, payable, records};
use crate::support::world::{NOW, World};
use crate::support::{Chip, Device, GROUP, VERSION, amount};

/// The messages of a purchase.
const STEPS: usize = 5;

/// A terminal in the middle of a purchase: what it knows so far.
#[derive(Clone, Copy, Default)]
struct Session {
    done: usize,
    counterpart: Option<Counterpart>,
    initialized: Option<Initialized>,
    opened: Option<Opened>,
    executed: Option<Executed>,
    /// A card refused, or something was missing: the terminal gives up.
    broken: bool,
}

impl Session {
    /// The next message, between this purse and this PSAM.
    fn step(&mut self, purse: &mut Device, sam: &mut Device, minor: u32) {
        if !self.broken && self.next(purse, sam, minor).is_none() {
            self.broken = true;
        }
        self.done += 1;
    }

    fn next(&mut self, purse: &mut Device, sam: &mut Device, minor: u32) -> Option<()> {
        match self.done {
            0 => {
                let challenge = sam.execute::<GetChallenge>(&()).ok()?.challenge;
                let sam = sam.execute::<GetSamData>(&()).ok()?.sam;
                self.counterpart = Some(Counterpart { sam, challenge });
            }
            1 => {
                let counterpart = self.counterpart?;
                let request = InitializePurchase { group: GROUP, version: VERSION, counterpart };
                self.initialized = Some(purse.execute::<InitializeIep>(&request).ok()?);
            }
            2 => {
                let Initialized { key, statement, s1 } = self.initialized?;
                let request = OpenPurchase { key, statement, s1, amount: amount(minor), time: NOW };
                self.opened = Some(sam.execute::<InitializePsam>(&request).ok()?);
            }
            3 => {
                let Opened { order, s2 } = self.opened?;
                self.executed = Some(purse.execute::<DebitIep>(&Execute { order, s2 }).ok()?);
            }
            _ => {
                let (nt, Executed { s3, s6 }) = (self.opened?.order.nt, self.executed?);
                sam.execute::<CreditPsam>(&CreditRequest { nt, s3, s6 }).ok()?;
            }
        }
        Some(())
    }

    fn paid(&self) -> bool {
        self.done == STEPS && !self.broken
    }
}

/// Two purses and two PSAMs, each purse with 1,000.
struct Scene {
    purses: Vec<Device>,
    sams: Vec<Device>,
}

/// Images of the four cards, made once.
fn holdings() -> [Chip; 4] {
    let mut world = World::with_balance(1_000);
    let mut other = World { purse: other_purse(), sam: other_sam() };
    other.load(1_000).unwrap();
    for world in [&mut world, &mut other] {
        world.take_over_up_to(1);
    }
    [world.purse, other.purse, world.sam, other.sam].map(Device::power_off)
}

impl Scene {
    fn new([a, b, c, d]: &[Chip; 4]) -> Self {
        let on = |kind, chip: &Chip| Device::power_on(kind, chip.clone()).unwrap();
        Self {
            purses: vec![on(AppletKind::Purse, a), on(AppletKind::Purse, b)],
            sams: vec![on(AppletKind::Sam, c), on(AppletKind::Sam, d)],
        }
    }

    fn debited(&mut self) -> i32 {
        self.purses.iter_mut().map(|purse| 1_000 - purse.execute::<GetBalance>(&()).unwrap().balance.0).sum()
    }

    fn payable(&mut self) -> Vec<([u8; 8], u32)> {
        self.sams.iter_mut().flat_map(|sam| payable(&records(sam))).collect()
    }

    /// Both purses show their receipts to the PSAM `sam`, as they would at the next tap.
    fn recover(&mut self, sam: usize) {
        let sam = &mut self.sams[sam];
        for purse in &mut self.purses {
            let nv = purse.execute::<apdu_spec::purse::GetPurseData>(&()).unwrap().nv.get();
            for number in 1..=nv {
                let challenge = sam.execute::<GetChallenge>(&()).unwrap().challenge;
                let counterpart = Counterpart { sam: sam.execute::<GetSamData>(&()).unwrap().sam, challenge };
                let number = Counter::new(number).unwrap();
                let request = PreviousRequest { group: GROUP, version: VERSION, counterpart, number };
                let previous = purse.execute::<PreviousByNv>(&request).unwrap();
                sam.execute::<StoreReceipt>(&ReceiptRequest { previous }).unwrap();
            }
        }
    }
}

/// All ways to put two sequences of `STEPS` into one: true where the second is next.
fn interleavings() -> impl Iterator<Item = Vec<bool>> {
    (0_u32..1 << (2 * STEPS))
        .filter(|mask| mask.count_ones() as usize == STEPS)
        .map(|mask| (0..2 * STEPS).map(|place| mask >> place & 1 == 1).collect())
}

/// Each amount paid is debited once and credited once; with the receipts nothing is missing.
fn check(scene: &mut Scene, sessions: &[Session; 2], context: &str) {
    let debits: i32 = [(0, 100), (1, 30)]
        .iter()
        .filter(|(at, _)| sessions[*at].executed.is_some())
        .map(|(_, sum)| sum)
        .sum();
    assert_eq!(scene.debited(), debits, "{context}");
    let paid: u32 =
        [(0, 100), (1, 30)].iter().filter(|(at, _)| sessions[*at].paid()).map(|(_, sum)| sum).sum();
    let credited: u32 = scene.payable().iter().map(|(_, amount)| amount).sum();
    assert_eq!(credited, paid, "{context}");
    scene.recover(0);
    let all: std::collections::BTreeMap<_, _> = scene.payable().into_iter().collect();
    assert_eq!(all.into_values().sum::<u32>(), u32::try_from(debits).unwrap(), "{context}");
}

/// Runs every interleaving of a purchase of 100 by the first pair and of 30 by the second;
/// `places` are purse and PSAM of each.
fn interleave(places: [(usize, usize); 2]) -> [u32; 3] {
    let cards = holdings();
    let mut paid = [0; 3];
    for order in interleavings() {
        let mut scene = Scene::new(&cards);
        let mut sessions = [Session::default(); 2];
        for second in &order {
            let at = usize::from(*second);
            let (purse, sam) = places[at];
            sessions[at].step(&mut scene.purses[purse], &mut scene.sams[sam], [100, 30][at]);
        }
        paid[sessions.iter().filter(|session| session.paid()).count()] += 1;
        check(&mut scene, &sessions, &format!("{order:?}"));
    }
    assert_eq!(paid.iter().sum::<u32>(), 252);
    paid
}

/// The attacker holds one purse to two terminals and would be debited once for two goods.
/// A new session ends the old one; a debit without its credit is found in the receipt.
#[test]
fn one_purse_at_two_terminals() {
    let paid = interleave([(0, 0), (0, 1)]);
    println!("none, one, both paid: {paid:?}");
    assert!(paid[1] > 0 && paid[2] > 0);
}

/// Two purses at one terminal: the attacker would have the other one pay. A challenge is
/// good once, and S3 belongs to one purchase.
#[test]
fn two_purses_at_one_terminal() {
    let paid = interleave([(0, 0), (1, 0)]);
    println!("none, one, both paid: {paid:?}");
    assert!(paid[1] > 0 && paid[2] > 0);
}

/// One purse twice at one terminal.
#[test]
fn one_purse_twice_at_one_terminal() {
    let paid = interleave([(0, 0), (0, 0)]);
    println!("none, one, both paid: {paid:?}");
    assert!(paid[1] > 0 && paid[2] > 0);
}

/// Strangers do not disturb each other at all.
#[test]
fn two_purses_at_two_terminals() {
    assert_eq!(interleave([(0, 0), (1, 1)]), [0, 0, 252]);
}

/// At every pair of prefixes of two purchases, of two purses at two terminals, the
/// attacker takes what the one terminal would send next and sends it to the other pair:
/// refused, and the purse that it was not meant for is not debited.
#[test]
fn a_message_in_the_other_session() {
    let cards = holdings();
    let mut refused = 0;
    for (first, second) in (0..=STEPS).flat_map(|first| (2..STEPS).map(move |second| (first, second))) {
        let mut scene = Scene::new(&cards);
        let mut sessions = [Session::default(); 2];
        for (at, steps) in [(0, first), (1, second)] {
            for _ in 0..steps {
                sessions[at].step(&mut scene.purses[at], &mut scene.sams[at], [100, 30][at]);
            }
        }
        let before = (scene.debited(), scene.payable());
        let mut strayed = sessions[1];
        strayed.step(&mut scene.purses[0], &mut scene.sams[0], 30);
        assert!(strayed.broken, "message {second} of the second after {first} of the first");
        assert_eq!((scene.debited(), scene.payable()), before);
        refused += 1;
    }
    println!("messages in the other session: {refused}");
}

/// Reset, SELECT and a question end a session: an order from before is worth nothing.
#[test]
fn whatever_comes_between_ends_the_session() {
    let interruptions: [fn(&mut World); 4] = [
        |world| world.purse.power_cycle().unwrap(),
        |world| world.purse.select(),
        |world| assert_eq!(world.previous_by_nv(1).unwrap().found, 1),
        |world| assert_eq!(world.initialize().1.statement.position.nv.get(), 1),
    ];
    for interrupt in interruptions {
        let mut world = World::new(Algorithm::AesCmac);
        world.load(1_000).unwrap();
        let (_, initialized) = world.initialize();
        let opened = world.order(&initialized, 100).unwrap();
        interrupt(&mut world);
        let refused = [StatusWord::CONDITIONS_NOT_SATISFIED, StatusWord::WRONG_MAC];
        assert!(refused.contains(&world.debit(&opened).unwrap_err()));
        assert_eq!(world.balance(), 1_000);
    }
}
