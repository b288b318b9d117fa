//! Messages between terminal and purse get lost, or are rewritten by somebody in the
//! middle; the terminal crashes, in the middle or afterwards, or goes on. Every exchange of a
//! payment is hit by every fault. Afterwards: no cent made or lost, and every debit is in the
//! books. A terminal whose journal fails debits nothing.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use apdu_spec::element::{Algorithm, Amount, Kind, SamCounter, Time};
use host::reader::Reader;
use host::reader::virtual_reader::VirtualReader;
use host::terminal::PaymentTerminal;
use host::terminal::journal::{FileJournal, Intent, Journal};
use host::terminal::load::Funding;
use host::terminal::purchase::Payment;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use simulation::world::Limits;
use simulation::{World, day};

const NOW: Time = Time(1_768_197_600);
const LIMITS: Limits = Limits { maximum: 20_000, overdraft: 0, purchase: 5_000 };

/// What happens to one exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// The command never reaches the card.
    LoseCommand,
    /// The answer never reaches the terminal.
    LoseAnswer,
    /// The card is pulled: this answer and all that follow are lost.
    Pull,
    /// The status word is rewritten: success to failure, failure to success.
    RewriteStatus,
    /// A bit of the answer's data is turned over.
    TurnBit,
    /// A bit of the command's data is turned over.
    TurnCommandBit,
    /// The terminal dies with the answer: what it has not written down by then, nobody knows.
    Die,
}

const FAULTS: [Fault; 7] = [
    Fault::LoseCommand,
    Fault::LoseAnswer,
    Fault::Pull,
    Fault::RewriteStatus,
    Fault::TurnBit,
    Fault::TurnCommandBit,
    Fault::Die,
];

/// A reader that does one thing wrong, at one exchange.
struct Faulty<R> {
    reader: R,
    fault: Fault,
    at: usize,
    exchanges: usize,
}

impl<R: Reader> Reader for Faulty<R> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, host::Error> {
        let lost = || host::Error::NoAnswer("lost".into());
        let now = self.exchanges;
        self.exchanges += 1;
        let mut command = command.to_vec();
        if now != self.at && !(self.fault == Fault::Pull && now > self.at) {
            return self.reader.transmit(&command);
        }
        match self.fault {
            Fault::LoseCommand => return Err(lost()),
            Fault::Pull if now > self.at => return Err(lost()),
            Fault::TurnCommandBit if command.len() > 5 => command[5] ^= 1,
            _ => {}
        }
        let mut answer = self.reader.transmit(&command)?;
        match self.fault {
            Fault::LoseAnswer | Fault::Pull => return Err(lost()),
            Fault::Die => resume_unwind(Box::new("the terminal has died")),
            Fault::RewriteStatus => {
                let end = answer.len() - 2;
                let other = if answer[end..] == [0x90, 0x00] { [0x69, 0x85] } else { [0x90, 0x00] };
                answer[end..].copy_from_slice(&other);
            }
            Fault::TurnBit if answer.len() > 2 => answer[0] ^= 1,
            _ => {}
        }
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), host::Error> {
        self.reader.reset()
    }
}

fn randomness(seed: u64) -> Box<ChaCha12Rng> {
    Box::new(ChaCha12Rng::seed_from_u64(seed))
}

fn terminal(data: &Path, seed: u64) -> PaymentTerminal {
    let journal = FileJournal::open(&data.join("terminals/1/journal"), false).expect("a journal");
    terminal_with(Box::new(journal), data, seed)
}

fn terminal_with(journal: Box<dyn Journal + Send>, data: &Path, seed: u64) -> PaymentTerminal {
    let sam = VirtualReader::open(&data.join("sams/1.card"), randomness(seed), false).expect("a PSAM");
    PaymentTerminal::start(Box::new(sam), journal).expect("a terminal")
}

/// A journal whose disk is full.
struct FullDisk;

impl Journal for FullDisk {
    fn intend(&mut self, _: &Intent) -> Result<(), host::Error> {
        let source = std::io::ErrorKind::StorageFull.into();
        Err(host::Error::File { path: "journal".into(), source })
    }

    fn settle(&mut self, _: SamCounter) -> Result<(), host::Error> {
        Ok(())
    }

    fn open(&self) -> Vec<Intent> {
        Vec::new()
    }
}

fn amount(minor: u32) -> Amount {
    Amount::new(minor).expect("an amount")
}

/// A world with one purse, loaded with 100.00.
fn world(data: &Path) {
    let random = ChaCha12Rng::seed_from_u64(5);
    let mut world = World::create(data, day::scheme(), Algorithm::AesCmac, random, NOW).expect("a world");
    world.issue_purse(LIMITS, NOW).expect("a purse");
    world.load(1, amount(10_000), Funding::Account, NOW).expect("a load");
}

/// What the terminal believed of the payment that was hit.
#[derive(PartialEq, Eq, Debug)]
enum Belief {
    Paid,
    NotPaid,
    InDoubt,
}

/// One payment with a fault, then one without; whether the terminal crashes in between.
fn live(data: &Path, fault: Fault, at: usize, crash: bool) -> Belief {
    let purse =
        VirtualReader::open(&data.join("cards/purse-1.card"), randomness(11), false).expect("a purse");
    let mut purse = Faulty { reader: purse, fault, at, exchanges: 0 };
    let mut running = terminal(data, 12);
    let paid = catch_unwind(AssertUnwindSafe(|| running.pay(&mut purse, amount(700), NOW)));
    if crash || paid.is_err() {
        drop(running);
        running = terminal(data, 13);
    }
    let belief = match paid {
        Ok(Ok(Payment::Paid(_))) => Belief::Paid,
        Ok(Ok(Payment::Refused(_)) | Err(_)) => Belief::NotPaid,
        Ok(Ok(Payment::InDoubt(_))) => Belief::InDoubt,
        // A terminal that died knows what it has written down.
        Err(_) if running.in_doubt().is_empty() => Belief::NotPaid,
        Err(_) => Belief::InDoubt,
    };
    let mut purse = purse.reader;
    purse.reset().expect("a reset");
    let next = running.pay(&mut purse, amount(1), NOW).expect("the next tap settles what was in doubt");
    assert!(matches!(next, Payment::Paid(_)), "{next:?}");
    assert_eq!(running.in_doubt(), [], "nothing stays in doubt");
    belief
}

/// Collects, clears, and checks the money; whether the purse was debited.
fn settle(data: &Path) -> bool {
    let mut world = World::open(data, ChaCha12Rng::seed_from_u64(6)).expect("the world");
    world.collect("kiosk").expect("collected");
    world.clear(NOW).expect("cleared");
    let equation = world.equation().expect("an equation");
    assert_eq!(equation.difference(), 0, "{equation:?}");
    assert_eq!(equation.in_receipts + equation.in_terminals, 0, "every debit is in the books: {equation:?}");
    let books = world.background().purses().expect("purses");
    assert_eq!(books[0].shadow.minor, equation.balances, "the shadow is the balance");
    let mut card = host::card::purse::PurseCard::select(world.purse(1).expect("a purse")).expect("selected");
    let log = card.log().expect("a log");
    log.iter().any(|line| line.kind == Kind::Purchase && line.amount == amount(700))
}

#[test]
fn every_exchange_of_a_payment_survives_every_fault() {
    let origin = tempfile::tempdir().expect("a directory");
    world(&origin.path().join("data"));
    let mut cases = 0;
    for (fault, at, crash) in FAULTS
        .into_iter()
        .flat_map(|fault| (0..4).flat_map(move |at| [false, true].map(|crash| (fault, at, crash))))
    {
        let place = tempfile::tempdir().expect("a directory");
        let data = place.path().join("data");
        copy(&origin.path().join("data"), &data);
        let belief = live(&data, fault, at, crash);
        let debited = settle(&data);
        let context = format!("{fault:?} at exchange {at}, crash {crash}: believed {belief:?}");
        assert!(!(debited && belief == Belief::NotPaid), "{context}, but debited");
        assert!(debited || belief != Belief::Paid, "{context}, but not debited");
        cases += 1;
    }
    println!("{cases} cases");
    assert_eq!(cases, FAULTS.len() * 4 * 2);
}

#[test]
fn without_its_journal_a_terminal_debits_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    let data = place.path().join("data");
    world(&data);
    let purse = data.join("cards/purse-1.card");
    let mut purse = VirtualReader::open(&purse, randomness(11), false).expect("a purse");
    let paid = terminal_with(Box::new(FullDisk), &data, 12).pay(&mut purse, amount(700), NOW);
    assert!(matches!(paid, Err(host::Error::File { .. })), "{paid:?}");
    drop(purse);
    assert!(!settle(&data), "debited");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (path, goal) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &goal);
        } else {
            std::fs::copy(&path, &goal).expect("copied");
        }
    }
}
