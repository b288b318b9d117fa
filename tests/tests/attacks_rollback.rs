//! Rolled-back memory, seen by the whole system: the attacker copies the image of a card,
//! spends or settles, and puts the copy back. Terminals take it (no counter in a chip
//! survives that; `card-os/tests/attacks/rollback.rs`); the background system finds it by
//! (provider, purse, NV) and (acquirer, SAM, NT), books one, keeps both, and hotlists.

mod place;

use std::path::{Path, PathBuf};

use host::terminal::load::Funding;
use place::{NOW, Place, amount};
use simulation::World;

fn purse(place: &Place) -> PathBuf {
    place.data.join("cards/purse-1.card")
}

fn sam(place: &Place) -> PathBuf {
    place.data.join("sams/1.card")
}

/// A copy of an image, and its way back.
struct Copy(PathBuf, Vec<u8>);

impl Copy {
    fn of(path: &Path) -> Self {
        Self(path.into(), std::fs::read(path).expect("an image"))
    }

    fn back(&self) {
        std::fs::write(&self.0, &self.1).expect("written");
    }
}

/// Collects and clears everything; the reasons of the open exceptions.
fn clear(world: &mut World) -> Vec<String> {
    for terminal in ["kiosk", "bakery"] {
        world.collect(terminal).expect("collected");
    }
    world.clear(NOW).expect("cleared");
    let exceptions = world.background().exceptions().expect("exceptions");
    exceptions.into_iter().filter(|line| line.open).map(|line| line.reason).collect()
}

fn paid(world: &mut World) -> i64 {
    let merchants = world.background().merchant_statements().expect("statements");
    merchants.iter().map(|statement| statement.total.minor).sum()
}

/// The holder spends the same 40.00 at two terminals. One payment is booked; the other is an
/// exception with both words of the purse; from then on the purse gets no value.
#[test]
fn a_purse_that_spends_twice_is_paid_for_once() {
    let mut place = Place::new();
    let copy = Copy::of(&purse(&place));
    place.world().pay(1, "kiosk", amount(4_000), NOW).expect("paid");
    copy.back();
    let mut world = place.world();
    world.pay(1, "bakery", amount(4_000), NOW).expect("no terminal can know");
    assert_eq!(clear(&mut world), ["clone"]);
    assert_eq!(paid(&mut world), 4_000);
    let purse = &world.background().purses().expect("purses")[0];
    assert!(purse.hotlisted && purse.shadow.minor == 1_000, "{purse:?}");
    assert!(world.load(1, amount(100), Funding::Cash, NOW).is_err(), "hotlisted");
}

/// The holder unloads his money and puts the image back. At the next visit to a load
/// terminal the purse states an NV that the issuer has passed: nothing, and hotlisted.
#[test]
fn a_purse_from_before_its_unload_gets_nothing() {
    let mut place = Place::new();
    let copy = Copy::of(&purse(&place));
    place.world().unload(1, amount(5_000), Funding::Cash, NOW).expect("unloaded");
    copy.back();
    let mut world = place.world();
    // NT comes again with another statement, and then goes on to where it was.
    for _ in 0..3 {
        assert!(world.unload(1, amount(5_000), Funding::Cash, NOW).is_err());
    }
    let reasons: Vec<_> =
        world.background().exceptions().expect("exceptions").into_iter().map(|e| e.reason).collect();
    assert!(reasons.iter().any(|reason| reason == "rolled-back"), "{reasons:?}");
    let purse = &world.background().purses().expect("purses")[0];
    assert!(purse.hotlisted && purse.shadow.minor == 0, "{purse:?}");
}

/// The merchant cancels a purchase, so that the holder has his money back, and puts the
/// PSAM's image back to be paid as well. The purse's own word takes the payment back,
/// and names the PSAM.
#[test]
fn a_psam_from_before_its_cancellation_is_not_paid() {
    let mut place = Place::new();
    let mut world = place.world();
    let receipt = world.pay(1, "kiosk", amount(4_000), NOW).expect("paid");
    drop(world);
    let copy = Copy::of(&sam(&place));
    place.world().cancel(1, "kiosk", receipt.nt_psam).expect("cancelled");
    copy.back();
    std::fs::remove_file(place.data.join("terminals/1/journal")).expect("his journal as well");
    let mut world = place.world();
    // The purse goes on paying elsewhere; its receipts travel.
    for _ in 0..14 {
        world.pay(1, "bakery", amount(1), NOW).expect("paid");
    }
    assert_eq!(clear(&mut world), ["cancelled-but-submitted"]);
    assert_eq!(paid(&mut world), 14, "not the 40.00");
    let purse = &world.background().purses().expect("purses")[0];
    assert_eq!(purse.shadow.minor, 5_000 - 14);
}

/// The merchant puts his PSAM's image back after its batch was stored, and takes other
/// payments under the same numbers: the second batch of that number is refused and kept,
/// byte for byte, and the purses' receipts still bring the payments to him.
#[test]
fn a_psam_from_before_its_batch_contradicts_itself() {
    let mut place = Place::new();
    let copy = Copy::of(&sam(&place));
    let mut world = place.world();
    world.pay(1, "kiosk", amount(100), NOW).expect("paid");
    assert_eq!(clear(&mut world), [""; 0]);
    drop(world);
    copy.back();
    let mut world = place.world();
    world.pay(1, "kiosk", amount(200), NOW).expect("paid");
    assert_eq!(clear(&mut world), ["batch-differs"]);
    assert_eq!(paid(&mut world), 100, "the second is an exception, and a receipt in the purse");
    assert_eq!(world.equation().expect("an equation").difference(), 0);
}
