//! Who sits between the cashier's terminal and the purse has its PSAM cancel another payment than the
//! one that the cashier means, and keeps what comes out; or tears payments until the PSAM is full.
//! A payment is voided on the word of its own purse alone, and what was never debited takes no room.

use std::path::Path;
use std::sync::{Arc, Mutex};

use apdu_spec::element::{Counter, SamCounter};
use apdu_spec::purse::{
    DebitIep, GetBalance, GetPurseData, PreviousByNt, PreviousByNv, PreviousRequest, PreviousSignature,
    ReadRecord,
};
use apdu_spec::record::{Counterpart, Outcome};
use apdu_spec::sam::{PsamCancel, SamInformation};
use apdu_spec::{Apdu, StatusWord};
use host::Error;
use host::card::execute;
use host::reader::Reader;
use host::terminal::PaymentTerminal;
use host::terminal::journal::FileJournal;
use host::terminal::purchase::Payment;
use system_tests::relay::{Relay, is};
use system_tests::scheme::{NOW, amount, counter};
use system_tests::till::{self, Purse, Sam};

/// Taps that are torn: what had filled a PSAM that kept an entry of each, and many more.
const TORN: [usize; 2] = [475, 2_000];
/// Bytes that the PSAM programs for one of them, at most.
const PROGRAMMED: usize = 170;

/// A card that its terminal and this test share.
#[derive(Clone)]
struct Shared(Arc<Mutex<till::Reader>>);

impl Shared {
    fn new(reader: till::Reader) -> Self {
        Self(Arc::new(Mutex::new(reader)))
    }

    fn programmed(&self) -> usize {
        self.0.lock().expect("the card").programmed()
    }
}

impl Reader for Shared {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.lock().expect("the card").transmit(command)
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.0.lock().expect("the card").reset()
    }
}

/// A terminal with its PSAM, and how often a secret has left that.
struct Cashier {
    terminal: PaymentTerminal,
    psam: Shared,
    secrets: Arc<Mutex<usize>>,
}

impl Cashier {
    fn new(folder: &Path) -> Self {
        let (psam, secrets) = (Shared::new(Sam::new(1).reader), Arc::new(Mutex::new(0)));
        let count = Arc::clone(&secrets);
        let counted = Relay::new(psam.clone(), move |command, card| {
            let answer = card(command)?;
            *count.lock().expect("a count") += usize::from(is::<PsamCancel>(command) && answer.len() > 2);
            Ok(answer)
        });
        let journal = FileJournal::open(&folder.join("journal"), false).expect("a journal");
        let terminal = PaymentTerminal::start(Box::new(counted), Box::new(journal));
        Self { terminal: terminal.expect("a terminal"), psam, secrets }
    }

    fn pay(&mut self, purse: &mut dyn Reader, minor: u32) -> SamCounter {
        match self.terminal.pay(purse, amount(minor), NOW).expect("asked") {
            Payment::Paid(receipt) => receipt.nt_psam,
            other => panic!("{other:?}"),
        }
    }

    /// What a purse says of its value commit `nv`, under the challenge of this PSAM.
    fn word(&mut self, purse: &mut Shared, nv: u32) -> PreviousSignature {
        let SamInformation { sam, group, version, .. } = self.information();
        let challenge = self.terminal.sam().challenge().expect("a challenge");
        let counterpart = Counterpart { sam, challenge };
        let request = PreviousRequest { group, version, counterpart, number: counter(nv) };
        execute::<PreviousByNv>(purse, &request).expect("a word")
    }

    fn information(&mut self) -> SamInformation {
        self.terminal.sam().information().expect("information")
    }

    fn secrets(&self) -> usize {
        *self.secrets.lock().expect("a count")
    }

    /// Closes the batch: what the PSAM says of its payments.
    fn outcomes(&mut self) -> Vec<(SamCounter, Outcome)> {
        let sam = self.terminal.sam();
        let trailer = sam.close_batch().expect("closed");
        let record = |index| sam.collect(trailer.batch, index).expect("a record");
        let records = (0..trailer.count).map(record);
        records.map(|record| (record.value.entry.order.nt, record.outcome)).collect()
    }
}

/// A loaded purse.
fn purse(number: u64) -> Shared {
    let mut purse = Purse::new(number);
    purse.load(20_000);
    Shared::new(purse.reader)
}

fn balance(purse: &mut Shared) -> i32 {
    execute::<GetBalance>(purse, &()).expect("a balance").balance.0
}

/// Whether a command is one that a purse is asked with where it stands.
fn asks(command: &[u8]) -> bool {
    is::<PreviousByNv>(command) || is::<PreviousByNt>(command)
}

/// GET PREVIOUS about another number.
fn about(command: &[u8], nv: Counter) -> Vec<u8> {
    let mut other = command.to_vec();
    let data = Apdu::parse(command).expect("a command").data.len();
    let end = 5 + data;
    other[end - 3..end].copy_from_slice(&nv.get().to_be_bytes()[1..]);
    other
}

/// What the one in the middle makes of the commands for the purse of 1.00, with that of 50.00 at hand.
type Trick = fn(Shared, Shared) -> Relay<Shared>;

/// GET PREVIOUS goes to the other purse.
fn other_answers(own: Shared, mut other: Shared) -> Relay<Shared> {
    Relay::new(own, move |command, card| if asks(command) { other.transmit(command) } else { card(command) })
}

/// All that says where the purse stands comes from the other one.
fn other_states(own: Shared, mut other: Shared) -> Relay<Shared> {
    let states = |command: &[u8]| asks(command) || is::<GetPurseData>(command) || is::<ReadRecord>(command);
    Relay::new(
        own,
        move |command, card| {
            if states(command) { other.transmit(command) } else { card(command) }
        },
    )
}

/// The other purse is asked throughout.
fn other_throughout(_: Shared, other: Shared) -> Relay<Shared> {
    Relay::new(other, |command, card| card(command))
}

/// The other purse is asked about its load, or whatever its first value commit was.
fn other_number(own: Shared, mut other: Shared) -> Relay<Shared> {
    Relay::new(own, move |command, card| match asks(command) {
        true => other.transmit(&about(command, counter(1))),
        false => card(command),
    })
}

/// The log shows the amounts and numbers of the other purse, under no MAC.
fn other_log(own: Shared, mut other: Shared) -> Relay<Shared> {
    Relay::new(own, move |command, card| match is::<ReadRecord>(command) {
        true => other.transmit(command),
        false => card(command),
    })
}

/// The cashier cancels 1.00, and the PSAM is to void 50.00; or he is told the number of the 50.00.
/// Would bring: the secret that gives a holder his 50.00 back, at the merchant's cost. Fails
/// since the PSAM takes the word of that payment's own purse, and no other.
#[test]
fn the_cashier_cancels_1_00_and_the_psam_voids_no_50_00() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cashier = Cashier::new(folder.path());
    let (mut small, mut great) = (purse(1), purse(2));
    let meant = cashier.pay(&mut small, 100);
    let other = cashier.pay(&mut great, 5_000);
    // The purse of 1.00 stands at NV 2, as the other does.
    let by_the_psam = Some(StatusWord::CONDITIONS_NOT_SATISFIED);
    let tricks: [(Trick, _); 4] = [
        (other_answers, by_the_psam),
        (other_states, by_the_psam),
        (other_throughout, by_the_psam),
        (other_number, None), // the terminal has not asked that
    ];
    for (number, (trick, refused)) in tricks.into_iter().enumerate() {
        let answer = cashier.terminal.cancel(&mut trick(small.clone(), great.clone()), meant);
        assert_eq!(answer.expect_err("another purse").status(), refused, "trick {number}");
        // Told the other number, with the purse of 1.00 as the one that is really there.
        let answer = cashier.terminal.cancel(&mut trick(great.clone(), small.clone()), other);
        assert_eq!(answer.expect_err("another purse").status(), refused, "trick {number}, the other way");
        assert_eq!(cashier.secrets(), 0, "trick {number}");
    }
    assert_eq!([&mut small, &mut great].map(balance), [19_900, 15_000]);
    // What the log shows counts for nothing: the amount is the PSAM's.
    let mut relay = other_log(small.clone(), great.clone());
    assert_eq!(cashier.terminal.cancel(&mut relay, meant).expect("cancelled").amount, amount(100));
    assert_eq!([&mut small, &mut great].map(balance), [20_000, 15_000]);
    let said = cashier.outcomes();
    assert!(
        !said.contains(&(other, Outcome::Voided)) && said.contains(&(meant, Outcome::Voided)),
        "{said:?}"
    );
    assert_eq!(cashier.secrets(), 1);
}

/// A purse that has gone on says under its MAC that the payment was its last but one: it takes nothing
/// back, and nothing is voided.
#[test]
fn a_payment_before_the_last_is_not_voided() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cashier = Cashier::new(folder.path());
    let mut purse = purse(1);
    let first = cashier.pay(&mut purse, 5_000);
    let last = cashier.pay(&mut purse, 100);
    // Asked about its last commit, it is asked about the one before.
    let mut relay = Relay::new(purse.clone(), |command, card| match asks(command) {
        true => card(&about(command, counter(2))),
        false => card(command),
    });
    for nt in [first, last] {
        let answer = cashier.terminal.cancel(&mut relay, nt);
        assert!(answer.is_err(), "{nt:?}: {answer:?}");
    }
    let answer = cashier.terminal.cancel(&mut purse, first).expect_err("not its last");
    assert_eq!(answer.status(), Some(StatusWord::CONDITIONS_NOT_SATISFIED));
    assert_eq!((cashier.secrets(), balance(&mut purse)), (0, 14_900));
    assert_eq!(cashier.outcomes(), [(first, Outcome::Credited), (last, Outcome::Credited)]);
}

/// The terminal is his who cheats: each word of each purse on each of its value commits, given to the
/// PSAM for each payment. A secret leaves for the last payment of a purse, on that purse's word on it.
#[test]
fn every_word_on_every_payment() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cashier = Cashier::new(folder.path());
    let mut purses = [purse(1), purse(2)];
    let mut payments = Vec::new();
    for nv in 2..=3 {
        for (at, purse) in purses.iter_mut().enumerate() {
            payments.push((cashier.pay(purse, 100), at, nv));
        }
    }
    let (mut given, mut tried) = (Vec::new(), 0);
    for &(nt, at, nv) in &payments {
        for (word_of, asked) in [0, 1].into_iter().flat_map(|at| (1..=3).map(move |asked| (at, asked))) {
            let previous = cashier.word(&mut purses[word_of], asked);
            let answer = cashier.terminal.sam().cancel(nt, previous);
            if answer.is_ok() {
                given.push((nt, word_of, asked));
            }
            assert_eq!(answer.is_ok(), (word_of, asked) == (at, nv) && nv == 3, "{nt:?}: {word_of}, {asked}");
            tried += 1;
        }
    }
    assert_eq!((given, tried), (payments[2..].to_vec(), 24));
    assert_eq!(cashier.secrets(), 2);
}

/// Payments of honest purses that a PSAM takes until it has no room.
fn room(cashier: &mut Cashier) -> usize {
    let mut paid = 0;
    loop {
        // Ten of each purse, which then holds fewer receipts than a terminal takes over.
        let mut purse = purse(100 + paid as u64);
        for _ in 0..10 {
            match cashier.terminal.pay(&mut purse, amount(1), NOW) {
                Ok(Payment::Paid(_)) => paid += 1,
                Err(error) if error.status() == Some(StatusWord::NOT_ENOUGH_MEMORY) => return paid,
                other => panic!("after {paid} payments: {other:?}"),
            }
        }
    }
}

/// Taps are torn, and nobody asks the purse what became of them.
fn torn(cashier: &mut Cashier, purse: &mut Shared) {
    let stated = cashier.terminal.prepare().expect("ready").meet(purse).expect("a purse");
    stated.order(amount(100), NOW).expect("an order");
}

/// Taps are torn at the debit, and the terminal asks the purse at the next one.
fn torn_and_recovered(cashier: &mut Cashier, purse: &mut Shared) {
    let mut pulled = false;
    let mut relay = Relay::new(purse.clone(), move |command, card| {
        pulled |= is::<DebitIep>(command);
        if pulled { Err(Error::NoAnswer("pulled".into())) } else { card(command) }
    });
    let ended = cashier.terminal.pay(&mut relay, amount(100), NOW).expect("asked");
    assert!(matches!(ended, Payment::InDoubt(_)), "{ended:?}");
    let ends = cashier.terminal.recover(purse).expect("asked");
    assert!(matches!(ends[..], [(_, None)]), "{ends:?}");
}

/// Ten purses are torn out in turn, so that each finds the table of open payments full of others. Would
/// bring: a terminal that takes nobody's money, with two cards more than it has room for. Fails since a
/// purse that has left three claims in a batch, none of which it can carry out, is sent away.
#[test]
fn purses_that_are_torn_in_turn_fill_no_psam() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut cashier = Cashier::new(folder.path());
    let fresh = room(&mut cashier);
    let folder = tempfile::tempdir().expect("a folder");
    let mut cashier = Cashier::new(folder.path());
    let mut purses: Vec<_> = (1..=10).map(purse).collect();
    let mut refused = 0;
    for tap in 0..475 {
        let purse = &mut purses[tap % 10];
        let stated = cashier.terminal.prepare().expect("ready").meet(purse).expect("a purse");
        match stated.order(amount(100), NOW) {
            Ok(_) => {}
            Err(error) if error.status() == Some(StatusWord::NOT_ENOUGH_MEMORY) => refused += 1,
            Err(error) => panic!("tap {tap}: {error}"),
        }
    }
    let SamInformation { entries, .. } = cashier.information();
    assert!(entries <= 10 * 3 && refused > 0, "{entries} claims, {refused} refused");
    // They pay once the batch is closed, and everybody else does before.
    cashier.pay(&mut purse(11), 100);
    cashier.terminal.sam().close_batch().expect("closed");
    for purse in &mut purses {
        cashier.pay(purse, 100);
    }
    let left = room(&mut cashier);
    println!("475 taps of 10 purses leave {entries} claims; then {left} of {fresh} payments fit");
    assert!(left + fresh / 5 >= fresh, "{left} of {fresh} payments fit");
}

/// One purse is torn out 475 times, and 2,000 times, at a PSAM that is never connected. Would bring: a
/// terminal that takes nobody's money any more. Fails since what was never debited gives its number and
/// its room to the next payment.
#[test]
fn torn_taps_fill_no_psam() {
    let folder = tempfile::tempdir().expect("a folder");
    let fresh = room(&mut Cashier::new(folder.path()));
    let ways = [("torn", torn as fn(&mut Cashier, &mut Shared)), ("recovered", torn_and_recovered)];
    for ((name, tear), taps) in ways.into_iter().flat_map(|way| TORN.map(|taps| (way, taps))) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut cashier = Cashier::new(folder.path());
        let mut purse = purse(1);
        let before = cashier.psam.programmed();
        (0..taps).for_each(|_| tear(&mut cashier, &mut purse));
        let programmed = (cashier.psam.programmed() - before) / taps;
        let SamInformation { nt, open, entries, .. } = cashier.information();
        assert_eq!((nt, entries, balance(&mut purse)), (SamCounter(1), 0, 20_000), "{name}");
        assert!(open <= 1 && programmed <= PROGRAMMED, "{name}: {open} open, {programmed} bytes");
        // The purse that was torn pays as well.
        cashier.pay(&mut purse, 100);
        let left = room(&mut cashier);
        println!("{name} {taps} times: {programmed} bytes a tap, then {left} of {fresh} payments fit");
        // How much the memory has reclaimed differs a little; it does not add up.
        assert!(left + fresh / 10 >= fresh, "{name}: {left} of {fresh} payments fit");
    }
}
