//! Power fails at every byte of a command that moves value, and of the housekeeping behind
//! its answer: afterwards the card is in the old or the new state, in the new one if it had
//! answered, and the terminal's recovery ends with every unit of value in one place.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use apdu_spec::StatusWord;
use apdu_spec::crypto::Key;
use apdu_spec::element::{Algorithm, Counter};
use apdu_spec::purse::{Cancel, CreditCancellation, Executed};
use apdu_spec::record::{Outcome, ValueRecord};
use apdu_spec::sam::{
    CancelPurchase, CompleteRequest, GetSamData, PsamAcknowledge, PsamCancel, PsamComplete, ReceiptRequest,
    StoreReceipt,
};
use card_os::applets::AppletKind;
use support::world::World;
use support::{Chip, Device, issuer};

/// Bytes that a block takes when it is erased: more than any cut needs to reach.
const BLOCK: usize = 2_048;

/// Both cards, switched off.
#[derive(Clone)]
struct Saved {
    purse: Chip,
    sam: Chip,
}

impl Saved {
    fn of(world: World) -> Self {
        Self { purse: world.purse.power_off(), sam: world.sam.power_off() }
    }

    fn wake(&self) -> World {
        World {
            purse: Device::power_on(AppletKind::Purse, self.purse.clone()).unwrap(),
            sam: Device::power_on(AppletKind::Sam, self.sam.clone()).unwrap(),
        }
    }
}

/// Cards at several points of their life: young, at the end of a block, and in the steady
/// state, where blocks are copied and erased behind the answers.
fn lives() -> Vec<Saved> {
    let mut world = World::with_balance(15_000);
    let mut lives = Vec::new();
    for payment in 0..432 {
        if (payment < 20 && payment % 4 == 0) || payment >= 400 {
            let saved = Saved::of(world);
            world = saved.wake();
            lives.push(saved);
        }
        pay_and_relieve(&mut world, payment % 8 == 7);
    }
    lives
}

/// One payment; where asked, receipts are taken over and the batch is collected and acknowledged.
fn pay_and_relieve(world: &mut World, relieve: bool) {
    if relieve {
        let information = world.information();
        world.take_over_up_to(information.nv.get() - 1);
    }
    world.pay(10).unwrap();
    if relieve {
        let (trailer, _) = world.collect();
        let key = support::reference(Algorithm::AesCmac, 0);
        let acknowledgement = issuer::acknowledge(trailer.batch, trailer.s4, key);
        world.sam.execute::<PsamAcknowledge>(&acknowledgement).unwrap();
    }
}

/// Runs `command` with power failing after each number of bytes; `check` gets what came
/// back and the world after power is there again. How many cases there were.
fn tear<T, C: std::fmt::Debug>(
    saved: &Saved,
    which: fn(&mut World) -> &mut Device,
    prepare: impl Fn(&mut World) -> T,
    command: impl Fn(&mut World, &T) -> Result<C, StatusWord>,
    check: impl Fn(&mut World, &T, Result<C, StatusWord>),
) -> usize {
    let mut cut = 0;
    loop {
        let mut world = saved.wake();
        let prepared = prepare(&mut world);
        let used = |chip: &Chip| chip.bytes_written() + chip.blocks_erased() * BLOCK;
        let before = used(which(&mut world).chip());
        which(&mut world).chip().cut_after(cut);
        let answer = command(&mut world, &prepared);
        let whole = used(which(&mut world).chip()) - before < cut;
        if let Err(status) = &answer {
            assert_eq!(*status, StatusWord::MEMORY_FAILURE, "cut {cut}");
        }
        which(&mut world).power_cycle().unwrap();
        check(&mut world, &prepared, answer);
        cut += 1;
        if whole {
            return cut;
        }
    }
}

/// What the PSAM has of its open batch, in minor units, by evidence.
fn credited(world: &mut World) -> u32 {
    if world.sam.execute::<GetSamData>(&()).unwrap().entries == 0 {
        return 0;
    }
    let (_, records) = world.collect();
    let of = |outcome| {
        let amounts = records.iter().filter(move |record| record.outcome == outcome);
        amounts.map(|record| record.value.entry.order.amount.get()).sum::<u32>()
    };
    of(Outcome::Credited) - of(Outcome::Voided)
}

#[test]
fn debit_iep() {
    let mut cases = 0;
    for saved in lives() {
        let mut calm = saved.wake();
        let (balance, held) = (calm.balance(), credited(&mut calm));
        let prepare = |world: &mut World| {
            let (_, initialized) = world.initialize();
            (initialized, world.order(&initialized, 100).unwrap())
        };
        cases += tear(
            &saved,
            |world| &mut world.purse,
            prepare,
            |world, (_, opened)| world.debit(opened),
            |world, (initialized, opened), answer| {
                let (nt_iep, nt) = (initialized.statement.position.nt, opened.order.nt);
                let previous = world.previous_by_nt(nt_iep).unwrap();
                let debited = world.balance() == balance - 100;
                assert!(debited || world.balance() == balance);
                assert!(debited || answer.is_err(), "answered and forgot");
                assert_eq!(previous.found == 1, debited, "a receipt exactly where value moved");
                if let Some(entry) = previous.to_receipt().unwrap() {
                    let value = ValueRecord { identity: previous.statement.identity, entry };
                    assert_eq!(issuer::check_s6(&value, initialized.statement.position).0, balance - 100);
                    assert!(answer.is_err() || answer == Ok(Executed { s3: entry.s3, s6: entry.s6 }));
                    world.sam.execute::<StoreReceipt>(&ReceiptRequest { previous }).unwrap();
                } else {
                    world.sam.execute::<PsamComplete>(&CompleteRequest { nt, previous }).unwrap();
                }
                let paid = u32::try_from(balance - world.balance()).unwrap();
                world.pay(1).unwrap();
                assert_eq!(credited(world), held + paid + 1);
            },
        );
    }
    println!("DEBIT IEP: {cases} tears");
    assert!(cases > 5_000);
}

#[test]
fn credit_psam() {
    let mut cases = 0;
    for saved in lives() {
        let held = credited(&mut saved.wake());
        let prepare = |world: &mut World| {
            let (_, initialized) = world.initialize();
            let opened = world.order(&initialized, 100).unwrap();
            (opened.order.nt, world.debit(&opened).unwrap())
        };
        cases += tear(
            &saved,
            |world| &mut world.sam,
            prepare,
            |world, (nt, executed)| world.credit(*nt, *executed),
            |world, (nt, executed), answer| {
                let open = world.sam.execute::<GetSamData>(&()).unwrap().open;
                assert!(open == 0 || (open == 1 && answer.is_err()), "answered and forgot");
                let again = world.credit(*nt, *executed);
                let expected = if open == 1 { None } else { Some(StatusWord::RECORD_NOT_FOUND) };
                assert_eq!(again.err(), expected);
                assert_eq!(credited(world), held + 100);
            },
        );
    }
    println!("CREDIT PSAM: {cases} tears");
    assert!(cases > 1_000);
}

#[test]
fn initialize_psam() {
    let mut cases = 0;
    for saved in lives() {
        let prepare = |world: &mut World| world.initialize().1;
        cases += tear(
            &saved,
            |world| &mut world.sam,
            prepare,
            |world, initialized| world.order(initialized, 100),
            |world, initialized, answer| {
                // An order that left is known to the PSAM.
                let open = world.sam.execute::<GetSamData>(&()).unwrap().open;
                assert!(open == 1 || (open == 0 && answer.is_err()));
                if open == 1 {
                    let previous = world.previous_by_nt(initialized.statement.position.nt).unwrap();
                    let nt = world.sam.execute::<GetSamData>(&()).unwrap().nt;
                    world.sam.execute::<PsamComplete>(&CompleteRequest { nt, previous }).unwrap();
                }
                world.pay(1).unwrap();
            },
        );
    }
    println!("INITIALIZE PSAM: {cases} tears");
    assert!(cases > 3_000);
}

#[test]
fn load_and_session_number() {
    let mut cases = 0;
    let saved = Saved::of(World::with_balance(1_000));
    cases += tear(
        &saved,
        |world| &mut world.purse,
        |_| (),
        |world, ()| world.load(500),
        |world, (), answer| {
            let balance = world.balance();
            assert!(balance == 1_500 || (balance == 1_000 && answer.is_err()));
            // The session's number is used up or was never seen outside.
            let nt = world.information().nt;
            assert!(nt >= Counter::new(1).unwrap() && nt <= Counter::new(2).unwrap());
            world.pay(1).unwrap();
        },
    );
    println!("INITIALIZE IEP and CREDIT IEP for Load: {cases} tears");
    assert!(cases > 100);
}

#[test]
fn cancellation_at_the_psam_and_at_the_purse() {
    let mut cases = 0;
    let mut world = World::with_balance(1_000);
    let nt = world.pay(400).unwrap().opened.order.nt;
    let saved = Saved::of(world);
    let reveal = |world: &mut World| world.sam.execute::<PsamCancel>(&CancelPurchase { nt });
    cases += tear(
        &saved,
        |world| &mut world.sam,
        |_| (),
        |world, ()| reveal(world),
        |world, (), answer| {
            let voided = credited(&mut Saved::of(std::mem::replace(world, saved.wake())).wake()) == 0;
            assert!(voided || answer.is_err(), "the secret left before the void");
        },
    );
    let credit = |world: &mut World, secret: &Key| {
        world.purse.execute::<CreditCancellation>(&Cancel { secret: secret.clone() })
    };
    let prepare = |world: &mut World| reveal(world).unwrap().secret;
    cases += tear(
        &saved,
        |world| &mut world.purse,
        prepare,
        credit,
        |world, secret, answer| {
            let balance = world.balance();
            assert!(balance == 1_000 || (balance == 600 && answer.is_err()));
            let again = credit(world, secret).err();
            let expected = if balance == 600 { None } else { Some(StatusWord::CONDITIONS_NOT_SATISFIED) };
            assert_eq!((again, world.balance()), (expected, 1_000));
        },
    );
    println!("PSAM CANCEL and CREDIT IEP for Cancellation: {cases} tears");
    assert!(cases > 100);
}
