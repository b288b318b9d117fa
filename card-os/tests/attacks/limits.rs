//! What is finite: logs, receipts, tables. The attacker fills them, so that something is
//! overwritten that proves a payment. Full means refused; nothing is overwritten that
//! nobody has taken over.

use apdu_spec::StatusWord;
use apdu_spec::element::{Algorithm, Counter, Kind, SamCounter};
use apdu_spec::purse::{
    Cancel, CreditCancellation, DebitIep, LogLine, PurseInformation, ReadLog, ReadRecord,
};
use apdu_spec::record::Outcome;
use apdu_spec::sam::{GetSamData, PsamAcknowledge, ReceiptRequest, StoreReceipt};

use crate::people::{holdings, other_purse, other_sam, payable, records, worth};
use crate::support::world::World;
use crate::support::{issuer, reference};

/// Entries of the log, and receipts that a purse holds at most.
const LOG: u32 = 16;

/// The attacker wraps the log around, many times over, to lose a debit: the newest sixteen
/// are there in order, each balance follows from the one before, and the state is the
/// newest entry's, also after power has gone.
#[test]
fn a_log_wrapped_around() {
    let mut world = World::with_balance(5_000);
    for round in 1..=100 {
        let nv = world.information().nv.get();
        world.take_over_up_to(nv);
        match round % 5 {
            0 => assert!(world.load(9).is_ok()),
            _ => assert!(world.pay(1 + round % 7).is_ok()),
        }
        let balance = world.balance();
        world.purse.power_cycle().unwrap();
        assert_eq!(world.balance(), balance, "round {round}");
        check_log(&mut world);
    }
    // All of it is at the PSAM, each once.
    let paid: u32 = payable(&records(&mut world.sam)).values().sum();
    let loaded = 5_000 + 20 * 9;
    assert_eq!(i64::from(world.balance()), i64::from(loaded) - i64::from(paid));
}

fn check_log(world: &mut World) {
    let nv = world.information().nv.get();
    let held = nv.min(LOG);
    let mut lines: Vec<LogLine> = Vec::new();
    for record in 1..=u8::try_from(held).unwrap() {
        lines.push(world.purse.execute::<ReadRecord>(&ReadLog { record }).unwrap());
    }
    let newer = world.purse.execute::<ReadRecord>(&ReadLog { record: u8::try_from(held).unwrap() + 1 });
    assert_eq!(newer, Err(StatusWord::RECORD_NOT_FOUND), "a log of {held}");
    assert_eq!(lines[0].balance.0, world.balance());
    for (line, nv) in lines.iter().zip((1..=nv).rev()) {
        assert_eq!(line.nv.get(), nv);
    }
    for pair in lines.windows(2) {
        let sign = if pair[0].kind == Kind::Load { 1 } else { -1 };
        assert_eq!(pair[0].balance.0 - pair[1].balance.0, sign * pair[0].amount.signed());
    }
}

/// A purse with `held` receipts that nobody has taken over: a load, purchases, and where they are
/// as many as there can be, another load.
fn with_receipts(held: u32) -> World {
    let mut world = World::with_balance(1_000);
    (1..held.min(LOG - 1)).for_each(|_| assert!(world.pay(10).is_ok()));
    (LOG - 1..held).for_each(|_| assert!(world.load(10).is_ok()));
    assert_eq!(u32::from(world.information().receipts), held);
    world
}

/// The attacker fills the log and then orders one more of every kind, with a PSAM that
/// lies and with one that does not: at 14 receipts a purchase is served and at 15 any other kind;
/// with one more it is refused, and the oldest receipt is still there.
#[test]
fn a_full_log_refuses_every_kind_of_commit() {
    type Commit = fn(&mut World) -> Result<(), StatusWord>;
    let commits: [(&str, u32, Commit); 4] = [
        ("purchase", LOG - 1, |world| world.pay(10).map(drop)),
        ("a stolen PSAM's purchase", LOG - 1, |world| {
            let (counterpart, initialized) = world.initialize();
            let order = apdu_spec::record::Order {
                amount: crate::support::amount(10),
                time: crate::support::world::NOW,
                nt: SamCounter(999),
                taken_over: Counter::default(),
                terms: apdu_spec::record::Terms::default(),
            };
            let forged = issuer::forge_order(&initialized, counterpart, order);
            world.purse.execute::<DebitIep>(&forged).map(drop)
        }),
        ("load", LOG, |world| world.load(10).map(drop)),
        ("unload", LOG, |world| world.transfer(Kind::Unload, 10, true).map(drop)),
    ];
    for (name, full, commit) in commits {
        let mut world = with_receipts(full - 1);
        assert_eq!(commit(&mut world), Ok(()), "{name} at {}", full - 1);
        let mut world = with_receipts(full);
        let before = worth(&mut world);
        assert_eq!(commit(&mut world), Err(StatusWord::RECEIPTS_FULL), "{name} at {full}");
        assert_eq!(worth(&mut world), before, "{name}");
        assert_eq!(world.previous_by_nv(1).unwrap().found, 1, "{name}");
    }
}

/// A cancellation is a commit as well, and a purchase leaves room for it: what the PSAM has voided,
/// the purse can always take back. Where its log is full behind the purchase, the PSAM voids nothing.
#[test]
fn a_cancellation_always_finds_room() {
    let mut world = with_receipts(LOG - 1);
    let nt = world.sam.execute::<GetSamData>(&()).unwrap().nt;
    let secret = world.void(nt).unwrap().secret;
    let before = world.balance();
    world.purse.execute::<CreditCancellation>(&Cancel { secret }).unwrap();
    assert_eq!(world.balance(), before + 10);

    let mut world = with_receipts(LOG);
    let before = holdings(&mut world);
    assert_eq!(world.void(nt).err(), Some(StatusWord::CONDITIONS_NOT_SATISFIED), "a load came after it");
    assert!(holdings(&mut world) == before);
}

/// The attacker fills the PSAM with the same receipt, so that no honest one has room.
#[test]
fn the_same_receipt_many_times() {
    let mut world = World::with_balance(1_000);
    let previous = world.previous_by_nv(1).unwrap();
    world.sam.execute::<StoreReceipt>(&ReceiptRequest { previous }).unwrap();
    let before = world.sam.chip().image().to_vec();
    for _ in 0..1_000 {
        let previous = world.previous_by_nv(1).unwrap();
        world.sam.execute::<StoreReceipt>(&ReceiptRequest { previous }).unwrap();
    }
    assert!(world.sam.chip().image() == before);
}

/// The attacker opens purchases without end and never pays. The ninth makes the oldest a
/// claim; the evidence of a real debit among them is still credited afterwards, once.
#[test]
fn a_flood_of_open_purchases() {
    let mut world = World::with_balance(1_000);
    let (_, initialized) = world.initialize();
    let opened = world.order(&initialized, 100).unwrap();
    let executed = world.debit(&opened).unwrap();
    for number in 1..=20 {
        world.tap(&mut World::another_purse(number), 1).unwrap();
    }
    let nt = opened.order.nt;
    assert_eq!(records(&mut world.sam)[0].outcome, Outcome::Unresolved);
    world.credit(nt, executed).unwrap();
    assert_eq!(world.credit(nt, executed), Err(StatusWord::RECORD_NOT_FOUND));
    let paid = payable(&records(&mut world.sam));
    assert_eq!(paid.into_values().collect::<Vec<_>>(), [100]);
}

/// The attacker fills the PSAM's memory with receipts while eight payments wait for their
/// answers: the room for their records was promised when they were opened.
#[test]
fn a_full_psam_keeps_the_room_it_has_promised() {
    let mut world = World::with_balance(1_000);
    let mut filler = World { purse: other_purse(), sam: other_sam() };
    filler.load(1_000).unwrap();
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let (_, initialized) = world.initialize();
            let opened = world.order(&initialized, 10).unwrap();
            (opened.order.nt, world.debit(&opened).unwrap())
        })
        .collect();
    // Receipts of another purse's purchases elsewhere, one after the other.
    let taken = loop {
        filler.pay(1).unwrap();
        let PurseInformation { nv, receipts, .. } = filler.information();
        let (nv, oldest) = (nv.get(), nv.get() - u32::from(receipts) + 1);
        std::mem::swap(&mut filler.sam, &mut world.sam);
        let previous = filler.previous_by_nv(oldest).unwrap();
        let stored = filler.sam.execute::<StoreReceipt>(&ReceiptRequest { previous });
        std::mem::swap(&mut filler.sam, &mut world.sam);
        if stored.is_err() {
            assert_eq!(stored, Err(StatusWord::NOT_ENOUGH_MEMORY));
            break nv;
        }
        filler.take_over_up_to(nv);
        if nv % 50 == 0 {
            settle(&mut filler);
        }
    };
    println!("the PSAM was full at the filler's NV {taken}");
    assert!(taken > 50);
    for (nt, executed) in waiting {
        world.credit(nt, executed).unwrap();
    }
    let own = payable(&records(&mut world.sam)).into_values().filter(|amount| *amount == 10);
    assert_eq!(own.count(), 8);
    let (trailer, records) = world.collect();
    issuer::check_batch(&trailer, &records, reference(Algorithm::AesCmac, 0));
}

/// The batch is collected and acknowledged.
fn settle(world: &mut World) {
    let (trailer, _) = world.collect();
    let key = reference(Algorithm::AesCmac, 0);
    let word = issuer::acknowledge_to(trailer.sam, trailer.batch, trailer.s4, key);
    world.sam.execute::<PsamAcknowledge>(&word).unwrap();
}
