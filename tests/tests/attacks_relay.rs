//! Who sits between the load terminal and the purse, or on the line to the issuer, has no key and
//! says whatever suits him. He would have cash paid out that stays in the purse, or cash given back
//! that was loaded. What the terminal is not told under a MAC stays in doubt.

use std::path::PathBuf;

use apdu_spec::Element as _;
use apdu_spec::crypto::online::OnlineKey;
use apdu_spec::element::{Algorithm, Amount, Currency, Mac, Random, Time};
use apdu_spec::personalisation::KeyData;
use apdu_spec::purse::{CreditLoad, DebitUnload, InitializeUnload, PreviousByNt};
use apdu_spec::record::{Decision, Terms};
use host::card::purse::PurseCard;
use host::reader::Reader;
use host::reader::virtual_reader::VirtualReader;
use host::terminal::load::{Funding, LoadTerminal, Transfer};
use host::terminal::transfer_journal::{TransferIntent, TransferJournal as _};
use network::{
    Acceptance, Direct, Fate, Link, Rejection, RejectionCode, Request, Resolution, Response, Signed,
};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use simulation::authority::LinkAuthority;
use simulation::world::Limits;
use simulation::{World, day};
use system_tests::relay::{Relay, is};

const NOW: Time = Time(1_768_197_600);
const AMOUNT: u32 = 5_000;

fn amount(minor: u32) -> Amount {
    Amount::new(minor).expect("an amount")
}

/// Sixteen random bytes, and "done".
fn random_answer(seed: u64) -> Vec<u8> {
    let mut answer = vec![0; 18];
    ChaCha12Rng::seed_from_u64(seed).fill_bytes(&mut answer[..16]);
    answer[16..].copy_from_slice(&[0x90, 0x00]);
    answer
}

/// What somebody on the line makes of an answer.
type Forgery = fn(&Request, Response) -> Response;

fn as_it_is(_: &Request, answer: Response) -> Response {
    answer
}

/// The line to the issuer, with somebody on it.
struct Line<'w> {
    world: &'w mut World,
    forge: Forgery,
}

impl Link for Line<'_> {
    fn call(&mut self, request: &Request) -> Result<Response, network::Error> {
        let answer = Direct(self.world.background().at(NOW)).call(request)?;
        Ok((self.forge)(request, answer))
    }
}

/// A scheme with its load terminal, and a purse that is a card in this process.
struct Hall {
    _folder: tempfile::TempDir,
    world: World,
    key: OnlineKey,
    journal: Vec<TransferIntent>,
    random: ChaCha12Rng,
    card: PathBuf,
}

impl Hall {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (data, random) = (folder.path().join("data"), ChaCha12Rng::seed_from_u64(seed));
        let mut world =
            World::create(&data, day::scheme(), Algorithm::AesCmac, random, NOW).expect("a world");
        let limits = Limits { maximum: 50_000, overdraft: 0, purchase: 20_000 };
        for _ in 1..=2 {
            world.issue_purse(limits, NOW).expect("issued");
        }
        let bytes = std::fs::read_to_string(data.join("terminals/900/key")).expect("the terminal's key");
        let data = KeyData::from_bytes(&hex::decode(bytes).expect("hexadecimal")).expect("a key");
        let key = OnlineKey::new(data.key, data.reference, world.scheme().module(900));
        let card = world.purse_path(1);
        let random = ChaCha12Rng::seed_from_u64(!seed);
        let mut hall = Self { _folder: folder, world, key, journal: Vec::new(), random, card };
        let loaded = hall.load(&mut hall.purse(), as_it_is);
        assert!(matches!(loaded, Transfer::Done(_)), "{loaded:?}");
        hall
    }

    /// The card as it is: everything it has committed is in its image.
    fn purse(&self) -> VirtualReader {
        let random = Box::new(ChaCha12Rng::seed_from_u64(3));
        VirtualReader::open(&self.card, random, false).expect("the card")
    }

    fn at_terminal<T>(
        &mut self,
        forge: Forgery,
        action: impl FnOnce(&mut LoadTerminal<'_>) -> Result<T, host::Error>,
    ) -> T {
        let Self { world, key, journal, random, .. } = self;
        let id = world.scheme().module(900);
        let mut authority = LinkAuthority::new(Line { world, forge }, key);
        action(&mut LoadTerminal::new(id, &mut authority, journal, random)).expect("asked")
    }

    fn load(&mut self, purse: &mut dyn Reader, forge: Forgery) -> Transfer {
        self.at_terminal(forge, |terminal| terminal.load(purse, amount(AMOUNT), Funding::Cash, NOW))
    }

    fn unload(&mut self, purse: &mut dyn Reader, forge: Forgery) -> Transfer {
        self.at_terminal(forge, |terminal| terminal.unload(purse, amount(AMOUNT), Funding::Cash, NOW))
    }

    fn resolve(&mut self, purse: &mut dyn Reader) -> Vec<Transfer> {
        self.at_terminal(as_it_is, |terminal| terminal.resolve(purse))
    }

    fn in_doubt(&self) -> usize {
        let iep = self.world.iep(1).expect("purse 1");
        self.journal.open(iep).expect("read").len()
    }

    fn balance(&self) -> i32 {
        let mut purse = self.purse();
        PurseCard::select(&mut purse).expect("a purse").balance().expect("a balance").balance.0
    }

    fn unloaded(&mut self) -> i64 {
        let provider = self.world.scheme().provider();
        let books = self.world.background().books(provider, Currency::EUR).expect("books");
        assert!(books.holds(), "{books:?}");
        books.unloaded
    }
}

/// A card behind somebody who keeps these commands from it, and answers at random.
fn behind(card: VirtualReader, seed: u64, kept: fn(&[u8]) -> bool) -> Relay<VirtualReader> {
    Relay::new(card, move |command, card| if kept(command) { Ok(random_answer(seed)) } else { card(command) })
}

#[test]
fn no_cash_for_random_bytes() {
    let mut hall = Hall::new(1);
    for seed in 0..30 {
        let end = hall.unload(&mut behind(hall.purse(), seed, is::<DebitUnload>), as_it_is);
        assert!(matches!(end, Transfer::Refused(..)), "seed {seed}: {end:?}");
        assert_eq!((hall.balance(), hall.unloaded(), hall.in_doubt()), (5_000, 0, 0), "seed {seed}");
    }
}

/// The card does what it is told, and its answer does not come through.
#[test]
fn a_true_unload_behind_random_bytes_is_paid() {
    let mut hall = Hall::new(2);
    let mut relay = Relay::new(hall.purse(), |command, card| {
        let answer = card(command)?;
        Ok(if is::<DebitUnload>(command) { random_answer(1) } else { answer })
    });
    let end = hall.unload(&mut relay, as_it_is);
    drop(relay);
    assert!(matches!(end, Transfer::Done(_)), "{end:?}");
    assert_eq!((hall.balance(), hall.unloaded()), (0, 5_000));
}

/// Who keeps the purse's word back as well gains a doubt, which ends once.
#[test]
fn a_silent_relay_leaves_a_doubt_that_the_purse_ends_once() {
    let mut hall = Hall::new(3);
    let kept = |command: &[u8]| is::<DebitUnload>(command) || is::<PreviousByNt>(command);
    let end = hall.unload(&mut behind(hall.purse(), 7, kept), as_it_is);
    assert!(matches!(end, Transfer::InDoubt(..)), "{end:?}");
    assert_eq!(hall.in_doubt(), 1);
    let ends = hall.resolve(&mut hall.purse());
    assert!(matches!(ends[..], [Transfer::Refused(..)]), "{ends:?}");
    assert_eq!(hall.resolve(&mut hall.purse()), []);
    assert_eq!((hall.balance(), hall.unloaded()), (5_000, 0));
}

/// A session that was paid once is stated again, word for word, and the purse itself says that it
/// took place.
#[test]
fn a_session_that_was_paid_is_not_paid_again() {
    let mut hall = Hall::new(4);
    let mut recorded = None;
    let mut relay = Relay::new(hall.purse(), move |command, card| {
        if !is::<InitializeUnload>(command) {
            return card(command);
        }
        let answer = recorded.clone().map_or_else(|| card(command), Ok)?;
        recorded = Some(answer.clone());
        Ok(answer)
    });
    let first = hall.unload(&mut relay, as_it_is);
    assert!(matches!(first, Transfer::Done(_)), "{first:?}");
    let again = hall.unload(&mut relay, as_it_is);
    assert!(matches!(again, Transfer::Refused(..)), "{again:?}");
    drop(relay);
    assert_eq!((hall.balance(), hall.unloaded()), (0, 5_000));
}

/// The order of a load is kept back until the cash has been given back; then it is worth nothing,
/// in the same tap as well.
#[test]
fn an_order_that_a_relay_keeps_is_dead_once_cash_is_given_back() {
    const LATE: [u8; 4] = [0xFF; 4];
    let mut hall = Hall::new(5);
    let mut kept = Vec::new();
    let mut relay = Relay::new(hall.purse(), move |command, card| {
        if is::<CreditLoad>(command) {
            kept = command.to_vec();
            return Ok(random_answer(9));
        }
        card(if command == LATE { &kept } else { command })
    });
    let end = hall.load(&mut relay, as_it_is);
    assert!(matches!(end, Transfer::Refused(..)), "{end:?}");
    let answer = relay.transmit(&LATE).expect("an answer");
    assert_eq!(answer.len(), 2, "the purse takes the order: {answer:02X?}");
    drop(relay);
    assert_eq!(hall.balance(), 5_000);
}

/// Another purse is asked in place of the one that has been debited.
#[test]
fn the_word_of_another_purse_ends_nothing() {
    let mut hall = Hall::new(6);
    let mut other =
        VirtualReader::open(&hall.world.purse_path(2), Box::new(ChaCha12Rng::seed_from_u64(5)), false)
            .expect("purse 2");
    // It has had as many sessions as the first.
    let loaded = hall.load(&mut other, as_it_is);
    assert!(matches!(loaded, Transfer::Done(_)), "{loaded:?}");
    let loaded = hall.load(&mut other, as_it_is);
    assert!(matches!(loaded, Transfer::Done(_)), "{loaded:?}");
    let mut relay = Relay::new(hall.purse(), move |command, card| {
        if is::<PreviousByNt>(command) {
            return other.transmit(command);
        }
        let answer = card(command)?;
        Ok(if is::<DebitUnload>(command) { random_answer(1) } else { answer })
    });
    let end = hall.unload(&mut relay, as_it_is);
    drop(relay);
    assert!(matches!(end, Transfer::InDoubt(..)), "{end:?}");
    let ends = hall.resolve(&mut hall.purse());
    assert!(matches!(ends[..], [Transfer::Done(_)]), "{ends:?}");
    assert_eq!((hall.balance(), hall.unloaded()), (0, 5_000));
}

/// Every answer of the issuer, forged on the line in every way that needs no key. What the
/// terminal says is so, and what it cannot know stays in doubt until the line is whole again.
#[test]
fn forged_answers_of_the_issuer_end_nothing() {
    const MADE_UP: Mac = Mac([0x5A; 8]);
    let accepts: Forgery =
        |_, _| Response::Accepted(Signed { fields: Acceptance { time: NOW }, mac: MADE_UP });
    let moved: Forgery = |_, _| {
        let fields = Resolution { fate: Fate::Moved, challenge: Random([1; 8]), time: NOW };
        Response::Resolved(Signed { fields, mac: MADE_UP })
    };
    let not_moved: Forgery = |_, _| {
        let fields = Resolution { fate: Fate::NotMoved, challenge: Random::default(), time: NOW };
        Response::Resolved(Signed { fields, mac: MADE_UP })
    };
    let rejects: Forgery = |_, _| {
        let text = "no such purse".into();
        Response::Rejected(Rejection { code: RejectionCode::Unknown, text })
    };
    let refuses: Forgery = |_, answer| match answer {
        Response::Decision(mut decision) => {
            decision.fields.execute.order.terms = Terms::decision(Decision::Refused);
            Response::Decision(decision)
        }
        other => other,
    };
    let rejects_the_proof: Forgery = |request, answer| match request {
        Request::CompleteTransfer(_) => {
            let text = "S6 is wrong".into();
            Response::Rejected(Rejection { code: RejectionCode::WrongMac, text })
        }
        _ => answer,
    };
    let forgeries = [accepts, moved, not_moved, rejects, refuses, rejects_the_proof];
    for (number, forge) in forgeries.into_iter().enumerate() {
        for loads in [true, false] {
            let mut hall = Hall::new(10 + number as u64);
            let mut purse = hall.purse();
            let end = if loads { hall.load(&mut purse, forge) } else { hall.unload(&mut purse, forge) };
            drop(purse);
            let balance = hall.balance();
            let ends = match end {
                Transfer::InDoubt(..) => hall.resolve(&mut hall.purse()),
                end => vec![end],
            };
            let moved = if loads { balance == 10_000 } else { balance == 0 };
            match &ends[..] {
                [Transfer::Done(_)] => assert!(moved, "forgery {number}: {balance}"),
                [Transfer::Refused(..)] => assert!(!moved, "forgery {number}: {balance}"),
                other => panic!("forgery {number}: {other:?}"),
            }
            assert_eq!(hall.balance(), balance);
            assert_eq!(hall.unloaded(), if moved && !loads { 5_000 } else { 0 }, "forgery {number}");
        }
    }
}
