//! Somebody in the middle between terminal and purse, as in "Chip and PIN is broken": he
//! rewrites every status word and every byte of every answer. He would have the terminal
//! hand over goods that nobody paid, or the holder pay for none. The terminal believes
//! MACs alone: where a debit is not proved it asks the purse, and what it cannot find out
//! stays in doubt until an honest tap.

use std::path::{Path, PathBuf};

use apdu_spec::StatusWord;
use apdu_spec::element::{Algorithm, Amount, BatchNumber, Kind, Time};
use apdu_spec::record::Outcome;
use host::card::purse::PurseCard;
use host::reader::Reader;
use host::reader::virtual_reader::VirtualReader;
use host::terminal::PaymentTerminal;
use host::terminal::journal::FileJournal;
use host::terminal::load::Funding;
use host::terminal::purchase::Payment;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use simulation::world::Limits;
use simulation::{World, day};

const NOW: Time = Time(1_768_197_600);
const PRICE: u32 = 700;

/// A rewritten answer.
#[derive(Clone, Debug)]
enum Rewrite {
    /// Another status word, the data as it was.
    Status(StatusWord),
    /// Another status word and no data.
    Bare(StatusWord),
    /// These bits of this byte turned over.
    Byte(usize, u8),
    /// Cut to this length, and "done".
    Cut(usize),
    /// What was answered to the exchange before.
    Before,
}

/// A reader with somebody in it: the answer to exchange `at` is rewritten, and the answer
/// to exchange `lost`, where there is one, never comes.
struct Middle {
    reader: VirtualReader,
    at: usize,
    lost: Option<usize>,
    rewrite: Rewrite,
    exchanges: usize,
    before: Vec<u8>,
}

impl Reader for Middle {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, host::Error> {
        let mut answer = self.reader.transmit(command)?;
        let now = self.exchanges;
        self.exchanges += 1;
        if self.lost == Some(now) {
            return Err(host::Error::NoAnswer("lost".into()));
        }
        let before = std::mem::replace(&mut self.before, answer.clone());
        if now == self.at {
            let data = answer.len() - 2;
            match &self.rewrite {
                Rewrite::Status(word) => answer[data..].copy_from_slice(&word.to_bytes()),
                Rewrite::Bare(word) => answer = word.to_bytes().to_vec(),
                Rewrite::Byte(place, bits) => {
                    let place = place % answer.len();
                    answer[place] ^= bits;
                }
                Rewrite::Cut(length) => {
                    answer.truncate(*length.min(&data));
                    answer.extend([0x90, 0x00]);
                }
                Rewrite::Before => answer = before,
            }
        }
        if answer.is_empty() {
            return Err(host::Error::NoAnswer("nothing".into()));
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

fn amount(minor: u32) -> Amount {
    Amount::new(minor).expect("an amount")
}

/// Images of a loaded purse and of a PSAM.
struct Cards {
    purse: PathBuf,
    sam: PathBuf,
    _place: tempfile::TempDir,
}

fn cards() -> Cards {
    let place = tempfile::tempdir().expect("a directory");
    let data = place.path().join("data");
    let random = ChaCha12Rng::seed_from_u64(5);
    let mut world = World::create(&data, day::scheme(), Algorithm::AesCmac, random, NOW).expect("a world");
    let limits = Limits { maximum: 20_000, overdraft: 0, purchase: 5_000 };
    world.issue_purse(limits, NOW).expect("a purse");
    world.load(1, amount(10_000), Funding::Account, NOW).expect("a load");
    Cards { purse: data.join("cards/purse-1.card"), sam: data.join("sams/1.card"), _place: place }
}

fn open(from: &Path, to: &Path, seed: u64) -> VirtualReader {
    std::fs::copy(from, to).expect("copied");
    VirtualReader::open(to, randomness(seed), false).expect("a card")
}

/// Purchases of the price that the purse has made.
fn debits(reader: &mut VirtualReader) -> usize {
    let log = PurseCard::select(reader).and_then(|mut card| card.log()).expect("a log");
    log.iter().filter(|line| line.kind == Kind::Purchase && line.amount == amount(PRICE)).count()
}

/// Payments of the price that the PSAM would hand in, each once.
fn credits(terminal: &mut PaymentTerminal) -> usize {
    let sam = terminal.sam();
    let information = sam.information().expect("the PSAM");
    let mut words = Vec::new();
    for batch in information.oldest.get()..=information.batch.get() {
        let batch = BatchNumber::new(batch).expect("a number");
        for index in 0..information.entries {
            let record = sam.collect(batch, index).expect("a record");
            let entry = record.value.entry;
            let paid = matches!(record.outcome, Outcome::Credited | Outcome::Receipt);
            if paid && entry.kind == Kind::Purchase && entry.order.amount == amount(PRICE) {
                words.push(entry.s6.0);
            }
        }
    }
    words.sort_unstable();
    words.dedup();
    words.len()
}

/// One attack: the payment, then an honest tap. How many exchanges there were.
fn attack(cards: &Cards, at: usize, lost: Option<usize>, rewrite: &Rewrite) -> usize {
    let place = tempfile::tempdir().expect("a directory");
    let purse = open(&cards.purse, &place.path().join("purse"), 11);
    let sam = open(&cards.sam, &place.path().join("sam"), 12);
    let journal = FileJournal::open(&place.path().join("journal"), false).expect("a journal");
    let mut terminal = PaymentTerminal::start(Box::new(sam), Box::new(journal)).expect("a terminal");
    let mut middle =
        Middle { reader: purse, at, lost, rewrite: rewrite.clone(), exchanges: 0, before: vec![0x90, 0] };
    let outcome = terminal.pay(&mut middle, amount(PRICE), NOW);
    let (exchanges, mut purse) = (middle.exchanges, middle.reader);
    let debited = debits(&mut purse);
    let context = format!("exchange {at}, lost {lost:?}, {rewrite:?}: {outcome:?}");
    match outcome {
        Ok(Payment::Paid(_)) => assert_eq!(debited, 1, "goods for nothing: {context}"),
        Ok(Payment::Refused(_)) | Err(_) => assert_eq!(debited, 0, "nothing for money: {context}"),
        Ok(Payment::InDoubt(_)) => {}
    }
    purse.reset().expect("a reset");
    let next = terminal.pay(&mut purse, amount(1), NOW).expect("an honest tap");
    assert!(matches!(next, Payment::Paid(_)), "{context}: {next:?}");
    assert_eq!(terminal.in_doubt(), [], "{context}");
    assert_eq!(credits(&mut terminal), debited, "{context}");
    exchanges
}

/// Every status word that there is, and two that mean nothing, at every exchange.
#[test]
fn every_status_word_at_every_exchange() {
    let cards = cards();
    let mut cases = 0;
    let named = StatusWord::NAMED.iter().map(|(word, _)| *word);
    for word in named.chain([StatusWord(0x0000), StatusWord(0x61FF)]) {
        for at in 0..3 {
            for rewrite in [Rewrite::Status(word), Rewrite::Bare(word)] {
                attack(&cards, at, None, &rewrite);
                cases += 1;
            }
        }
    }
    println!("rewritten status words: {cases}");
    assert!(cases > 150);
}

/// Length of the answers to SELECT, INITIALIZE IEP and DEBIT IEP.
const ANSWERS: [usize; 3] = [2, 57 + 2, 16 + 2];

/// Every byte of every answer of a payment, its lowest and its highest bit.
#[test]
fn every_byte_of_every_answer() {
    let cards = cards();
    let mut cases = 0;
    for (at, length) in ANSWERS.into_iter().enumerate() {
        for (place, bits) in (0..length).flat_map(|place| [(place, 0x01), (place, 0x80)]) {
            attack(&cards, at, None, &Rewrite::Byte(place, bits));
            cases += 1;
        }
    }
    println!("rewritten bytes: {cases}");
}

/// Answers cut short, and the answer before in the place of each: a replay in the session.
#[test]
fn answers_cut_or_given_twice() {
    let cards = cards();
    for (at, length) in ANSWERS.into_iter().enumerate() {
        for cut in (0..length - 1).step_by(3) {
            attack(&cards, at, None, &Rewrite::Cut(cut));
        }
        attack(&cards, at, None, &Rewrite::Before);
    }
}

/// The answer to DEBIT IEP is kept back, and every byte of the purse's answer to what
/// became of it is rewritten: the word "not debited" most of all.
#[test]
fn every_byte_of_the_answer_about_a_lost_answer() {
    let cards = cards();
    let debit = 2;
    let length = 3 + 46 + 1 + 3 + 1 + 85 + 8 + 2;
    for (place, bits) in (0..length).flat_map(|place| [(place, 0x01), (place, 0x80)]) {
        let exchanges = attack(&cards, debit + 1, Some(debit), &Rewrite::Byte(place, bits));
        assert!(exchanges > debit + 1, "the purse is asked");
    }
    for (word, _) in StatusWord::NAMED {
        attack(&cards, debit + 1, Some(debit), &Rewrite::Bare(*word));
    }
    println!("rewritten bytes: {}", 2 * length);
}
