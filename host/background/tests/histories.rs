//! Random histories of honest purses, modules and loads, whose evidence arrives late, in
//! any order and more than once. When all of it has arrived, the books say what the cards
//! say, and nobody is accused of anything.

mod support;

use apdu_spec::element::{Algorithm, Amount, Kind};
use apdu_spec::record::{Decision, Outcome, ValueRecord};
use background::MerchantId;
use network::{Batch, ResolveRequest, TransferRequest};
use proptest::prelude::*;
use proptest::sample::Index;
use support::*;

const PURSES: usize = 2;
const SAMS: usize = 3;

/// How a load or unload goes on after its S2 has been asked for.
#[derive(Clone, Copy, Debug)]
enum Transfer {
    Complete,
    /// The purse's answer reaches the background system later, perhaps after its receipt.
    Late,
    /// It is carried out, and only its receipt tells.
    Lost,
    /// It is carried out, and the purse is asked for it.
    Asked,
    /// S2 never reaches the purse.
    Unanswered,
    /// S2 never reaches the purse, which is asked.
    Denied,
    /// The request itself comes late, when the session is over.
    Delayed,
}

#[derive(Clone, Copy, Debug)]
enum Purchase {
    Credited,
    /// The purse is debited, its answer is lost.
    Unanswered,
    /// The purse never gets S2; its module claims.
    Undebited,
    /// The same, and the purse says so.
    NotDebited,
    /// Voided, and the purse takes it back; perhaps after a load that came to nothing.
    Cancelled {
        tried_to_load: bool,
    },
    /// Voided, and the purse does not get to know.
    Torn,
    /// The purse leaves before S2.
    Left,
}

#[derive(Clone, Debug)]
enum Step {
    Transfer { purse: usize, load: bool, minor: u32, how: Transfer },
    Purchase { purse: usize, sam: usize, minor: u32, how: Purchase, receipts: bool },
    TakeOver { purse: usize, sam: usize },
    Close { sam: usize },
    Deliver { which: Index, again: bool },
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    use Purchase as P;
    use Transfer as T;
    let minor = prop_oneof![1 => Just(1_u32), 1 => Just(1_000), 6 => 1_u32..3_000];
    let transfer = proptest::sample::select(vec![
        T::Complete,
        T::Complete,
        T::Late,
        T::Lost,
        T::Asked,
        T::Unanswered,
        T::Denied,
        T::Delayed,
    ]);
    let purchase = proptest::sample::select(vec![
        P::Credited,
        P::Credited,
        P::Unanswered,
        P::Undebited,
        P::NotDebited,
        P::Cancelled { tried_to_load: false },
        P::Cancelled { tried_to_load: true },
        P::Torn,
        P::Left,
    ]);
    let load = prop::bool::weighted(0.7);
    prop_oneof![
        3 => (0..PURSES, load, minor.clone(), transfer)
            .prop_map(|(purse, load, minor, how)| Step::Transfer { purse, load, minor, how }),
        6 => (0..PURSES, 0..SAMS, minor, purchase, any::<bool>()).prop_map(
            |(purse, sam, minor, how, receipts)| Step::Purchase { purse, sam, minor, how, receipts }
        ),
        1 => (0..PURSES, 0..SAMS).prop_map(|(purse, sam)| Step::TakeOver { purse, sam }),
        3 => (0..SAMS).prop_map(|sam| Step::Close { sam }),
        6 => (any::<Index>(), any::<bool>()).prop_map(|(which, again)| Step::Deliver { which, again }),
        1 => Just(Step::Settle),
    ]
}

/// What is under way to the background system.
#[derive(Clone)]
enum Evidence {
    Batch(Batch),
    Completion(ValueRecord),
    Request(TransferRequest),
}

/// The cards and what is true about them.
struct History {
    world: World,
    purses: Vec<Purse>,
    sams: Vec<Sam>,
    merchants: Vec<MerchantId>,
    /// Value commits whose receipt a purse still holds.
    held: Vec<Vec<ValueRecord>>,
    under_way: Vec<Evidence>,
    paid: Vec<i64>,
    voided: i64,
    loaded: i64,
    unloaded: i64,
    settled: bool,
}

impl History {
    fn new(algorithm: Algorithm) -> Self {
        let mut world = World::with(algorithm);
        let kiosk = world.background.register_merchant("Kiosk", acquirer()).expect("merchant");
        let merchants = vec![world.merchant, kiosk, kiosk];
        let purses = (1..=PURSES).map(|number| world.purse(number as u64)).collect();
        let sams =
            merchants.iter().zip(1..).map(|(merchant, number)| world.sam_of(number, *merchant)).collect();
        Self {
            world,
            purses,
            sams,
            merchants,
            held: vec![Vec::new(); PURSES],
            under_way: Vec::new(),
            paid: vec![0; SAMS],
            voided: 0,
            loaded: 0,
            unloaded: 0,
            settled: false,
        }
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Transfer { purse, load, minor, how } => self.transfer(*purse, *load, *minor, *how),
            Step::Purchase { purse, sam, minor, how, receipts } => {
                self.purchase(*purse, *sam, *minor, *how, *receipts);
            }
            Step::TakeOver { purse, sam } => self.take_over(*purse, *sam),
            Step::Close { sam } => self.close(*sam),
            Step::Deliver { which, again } => self.deliver(*which, *again),
            Step::Settle => {
                self.world.background.settle(NOW).expect("settled");
                self.settled = true;
            }
        }
    }

    fn transfer(&mut self, at: usize, load: bool, minor: u32, how: Transfer) {
        let kind = if load { Kind::Load } else { Kind::Unload };
        self.state_receipts(at);
        let request = self.world.ask(&mut self.purses[at], kind, minor);
        if matches!(how, Transfer::Delayed) {
            return self.under_way.push(Evidence::Request(request));
        }
        let answer = self.world.background.authorise(&request, NOW).expect("answered");
        if answer.order.terms.to_decision() == Ok(Decision::Refused) {
            return;
        }
        match how {
            Transfer::Denied => assert!(!self.resolve(at, None)),
            Transfer::Unanswered | Transfer::Delayed => {}
            Transfer::Complete | Transfer::Late | Transfer::Lost | Transfer::Asked => {
                let freed = answer.order.taken_over;
                self.held[at].retain(|value| value.entry.nv() > Some(freed));
                let value = self.purses[at].execute(&request, &answer);
                self.held[at].push(value);
                *if load { &mut self.loaded } else { &mut self.unloaded } += i64::from(minor);
                match how {
                    Transfer::Complete => self.world.background.complete(value, NOW).expect("complete"),
                    Transfer::Late => self.under_way.push(Evidence::Completion(value)),
                    Transfer::Asked => assert!(self.resolve(at, Some(value))),
                    _ => {}
                }
            }
        }
    }

    /// GET PREVIOUS IEP SIGNATURE about the last session.
    fn resolve(&mut self, at: usize, found: Option<ValueRecord>) -> bool {
        let counterpart = self.world.counterpart(sam_id(900));
        let nt = self.purses[at].position.nt;
        let previous = self.purses[at].previous(counterpart, nt, found.map(|value| value.entry));
        let request = ResolveRequest { counterpart, previous, nt };
        self.world.background.resolve(&request, NOW).expect("resolved")
    }

    fn purchase(&mut self, at: usize, sam: usize, minor: u32, how: Purchase, receipts: bool) {
        self.state_receipts(at);
        let affordable = i64::from(self.purses[at].position.balance.0) + i64::from(OVERDRAFT);
        if i64::from(minor) > affordable {
            return;
        }
        // A purse whose log is full must be relieved of its receipts.
        if receipts || self.held[at].len() > 6 {
            self.take_over(at, sam);
        }
        match how {
            Purchase::Undebited => return self.undebited(at, sam, minor, Outcome::Unresolved),
            Purchase::NotDebited => return self.undebited(at, sam, minor, Outcome::NotDebited),
            Purchase::Left => {
                let counterpart = self.world.counterpart(self.sams[sam].id);
                self.purses[at].initialize(Kind::Purchase, counterpart, Amount::default());
                return;
            }
            _ => {}
        }
        let value = self.world.pay(&mut self.purses[at], &mut self.sams[sam], minor);
        self.held[at].push(value);
        let entries = &mut self.sams[sam].entries;
        match how {
            Purchase::Unanswered => entries.push((Outcome::Unresolved, unanswered(&value))),
            Purchase::Cancelled { .. } | Purchase::Torn => {
                entries.extend([(Outcome::Credited, value), (Outcome::Voided, value)]);
            }
            _ => entries.push((Outcome::Credited, value)),
        }
        match how {
            Purchase::Torn => self.voided += i64::from(minor),
            Purchase::Cancelled { tried_to_load } => self.cancel(at, &value, tried_to_load),
            _ => self.paid[sam] += i64::from(minor),
        }
    }

    fn cancel(&mut self, at: usize, value: &ValueRecord, tried_to_load: bool) {
        if tried_to_load {
            self.transfer(at, true, 10, Transfer::Delayed);
        }
        let nt = self.purses[at].position.nt;
        let back = self.purses[at].cancel(value);
        self.purses[at].position.nt = nt;
        self.held[at].push(back);
    }

    /// What a module says of a purchase that its purse never got to know.
    fn undebited(&mut self, at: usize, sam: usize, minor: u32, outcome: Outcome) {
        let mut ghost = self.purses[at].clone();
        let value = self.world.pay(&mut ghost, &mut self.sams[sam], minor);
        self.purses[at].position.nt = ghost.position.nt;
        self.sams[sam].entries.push((outcome, unanswered(&value)));
    }

    fn state_receipts(&mut self, at: usize) {
        self.purses[at].position.receipts = u8::try_from(self.held[at].len()).expect("few");
    }

    fn take_over(&mut self, at: usize, sam: usize) {
        let held = core::mem::take(&mut self.held[at]);
        self.sams[sam].entries.extend(held.into_iter().map(|value| (Outcome::Receipt, value)));
        self.state_receipts(at);
    }

    fn close(&mut self, sam: usize) {
        if !self.sams[sam].entries.is_empty() {
            let batch = self.sams[sam].close();
            self.under_way.push(Evidence::Batch(batch));
        }
    }

    fn deliver(&mut self, which: Index, again: bool) {
        if self.under_way.is_empty() {
            return;
        }
        let place = which.index(self.under_way.len());
        let evidence = self.under_way[place].clone();
        if !again {
            self.under_way.swap_remove(place);
        }
        match evidence {
            Evidence::Batch(batch) => self.world.submit(&batch),
            Evidence::Completion(value) => self.world.background.complete(value, NOW).expect("complete"),
            Evidence::Request(request) => {
                self.world.background.authorise(&request, NOW).expect("answered");
            }
        }
        let books = self.world.books();
        assert!(books.holds(), "{books:?}");
    }

    /// Every purse pays once more and gives its receipts away; everything is delivered.
    fn end(&mut self, order: &[Index]) {
        for at in 0..PURSES {
            // What a purse cannot pay, it is loaded: it says where it stands.
            let nv = self.purses[at].position.nv;
            self.purchase(at, at, 1, Purchase::Credited, false);
            if self.purses[at].position.nv == nv {
                self.transfer(at, true, 1, Transfer::Complete);
            }
            self.take_over(at, SAMS - 1);
        }
        (0..SAMS).for_each(|sam| self.close(sam));
        let mut order = order.iter().cycle();
        let twice = 2 * self.under_way.len();
        (0..twice).for_each(|_| self.deliver(*order.next().expect("an order"), true));
        while !self.under_way.is_empty() {
            self.deliver(*order.next().expect("an order"), false);
        }
    }

    fn check(&mut self) {
        let books = self.world.check();
        assert_eq!(self.world.look().findings, [], "nobody has changed anything");
        for purse in &self.purses {
            let line = self.world.line(purse);
            assert_eq!(line.shadow.minor, i64::from(purse.position.balance.0), "{line:?}");
            assert_eq!(line.complete, purse.position.nv.get(), "{line:?}");
            assert!(!line.hotlisted && !line.doubts, "{line:?}");
        }
        assert_eq!((books.loaded, books.unloaded), (self.loaded, self.unloaded));
        assert_eq!((books.claims, books.loads_pending), (0, 0));
        assert_eq!((books.unconfirmed, books.withheld), (0, 0), "every PSAM has handed in what it took");
        assert!(self.world.background.transfers_in_doubt().expect("transfers").is_empty());
        // What was voided or taken back after its settlement is for a person to recover.
        let late = |reason: &String| ["voided-late", "cancelled-late"].contains(&reason.as_str());
        let (late, wrong): (Vec<_>, Vec<_>) = self.world.reasons().into_iter().partition(late);
        assert_eq!(wrong, [""; 0]);
        assert!(late.is_empty() || self.settled, "{late:?}");
        if late.is_empty() {
            self.check_payments(books.voided);
        }
    }

    fn check_payments(&mut self, voided: i64) {
        assert_eq!(voided, self.voided);
        let statements = self.world.background.merchant_statements().expect("statements");
        for merchant in [self.merchants[0], self.merchants[1]] {
            let paid = self.merchants.iter().zip(&self.paid).filter(|(of, _)| **of == merchant);
            let stated = statements.iter().find(|statement| statement.merchant == merchant.0);
            let total: i64 = paid.map(|(_, paid)| paid).sum();
            assert_eq!(stated.map_or(0, |statement| statement.total.minor), total);
        }
    }
}

proptest! {
    // A quarter of PROPTEST_CASES: each case makes a database.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..Default::default() })]

    #[test]
    fn what_is_true_is_booked_once_whatever_the_order(
        retail in any::<bool>(),
        steps in prop::collection::vec(step(), 1..50),
        order in prop::collection::vec(any::<Index>(), 1..40),
    ) {
        let algorithm = if retail { Algorithm::RetailMac } else { Algorithm::AesCmac };
        let mut history = History::new(algorithm);
        steps.iter().for_each(|step| history.run(step));
        history.end(&order);
        history.check();
    }
}
