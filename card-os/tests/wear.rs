//! Wear: real purchases on parts of real sizes, erasures counted block by block.
//!
//! A purse lives as purses do: it is loaded when it is empty, pays, and is switched off after
//! each tap; where it holds twelve receipts, the terminal takes four over. The PSAM stays
//! powered for a day of payments, then its batch is collected, and acknowledged when the
//! next one has been closed. Each runs until its ring of blocks has gone round several times.
//!
//! Blocks are opened in turn, so no block is erased more than once more often than another:
//! asserted. How many purchases a part lives is computed from the erasures counted.
//!
//!     cargo test -p card-os --test wear -- --nocapture

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use apdu_spec::batch::Trailer;
use apdu_spec::element::Algorithm;
use apdu_spec::sam::{CollectRequest, PsamAcknowledge, PsamCollect};
use card_os::applets::AppletKind;
use card_os::sim::SimulatedChip;
use support::world::World;
use support::{Device, iep, issuer, reference, sam_id};

/// Erasures that a block of such parts survives.
const ENDURANCE: usize = 100_000;
/// Receipts from which on a terminal takes some over, and how many.
const FULL: u8 = 12;
const AT_ONCE: u32 = 4;
/// Payments of a day at the PSAM.
const DAY: usize = 60;
/// Value that a load brings a purse to, and the amount of a payment.
const LOAD: u32 = 5_000;
const PAYMENT: u32 = 250;

fn card<const BLOCKS: usize, const SIZE: usize>(kind: AppletKind) -> Device<SimulatedChip<BLOCKS, SIZE>> {
    Device::issued_on(kind, SimulatedChip::new(), Algorithm::AesCmac, iep(), sam_id())
}

/// Purchases between a purse and a PSAM on these parts, until the block erased least on the
/// part asked about has been erased `rounds` times.
struct Life<const PB: usize, const PS: usize, const SB: usize, const SS: usize> {
    world: World<SimulatedChip<PB, PS>, SimulatedChip<SB, SS>>,
    closed: Option<Trailer>,
    purchases: usize,
}

impl<const PB: usize, const PS: usize, const SB: usize, const SS: usize> Life<PB, PS, SB, SS> {
    fn new() -> Self {
        let world = World { purse: card(AppletKind::Purse), sam: card(AppletKind::Sam) };
        Self { world, closed: None, purchases: 0 }
    }

    /// One tap.
    fn purchase(&mut self) {
        if self.world.balance() < i32::try_from(PAYMENT).unwrap() {
            self.world.load(LOAD).unwrap();
        }
        let information = self.world.information();
        if information.receipts >= FULL {
            let oldest = information.nv.get() - u32::from(information.receipts);
            self.world.take_over_up_to(oldest + AT_ONCE);
        }
        self.world.pay(PAYMENT).unwrap();
        self.world.purse.power_cycle().unwrap();
        self.purchases += 1;
        if self.purchases.is_multiple_of(DAY) {
            self.collect();
        }
    }

    /// The batch of the day before is acknowledged, that of today is closed and read.
    fn collect(&mut self) {
        if let Some(Trailer { batch, s4, .. }) = self.closed.take() {
            let acknowledgement = issuer::acknowledge(batch, s4, reference(Algorithm::AesCmac, 0));
            self.world.sam.execute::<PsamAcknowledge>(&acknowledgement).unwrap();
        }
        let (trailer, _) = self.world.collect();
        let last = CollectRequest { batch: trailer.batch, index: trailer.count - 1 };
        self.world.sam.execute::<PsamCollect>(&last).unwrap();
        self.closed = Some(trailer);
    }
}

/// Checks that wear is spread and says how long the part lives.
fn wear<const BLOCKS: usize, const SIZE: usize>(
    name: &str,
    purchases: usize,
    begun: [usize; BLOCKS],
    chip: &SimulatedChip<BLOCKS, SIZE>,
) {
    let mut erased = *chip.erasures();
    erased.iter_mut().zip(begun).for_each(|(now, before)| *now -= before);
    let (least, most) = (erased.iter().min().unwrap(), erased.iter().max().unwrap());
    let all: usize = erased.iter().sum();
    let lives = BLOCKS * ENDURANCE * purchases / all;
    println!(
        "{name} on {} KiB: {purchases} purchases, {all} erasures, {least} to {most} a block, \
         {lives} purchases with {ENDURANCE} erasures a block",
        BLOCKS * SIZE / 1_024
    );
    assert!(*least >= 3, "the ring has not gone round");
    assert!(most - least <= 1, "wear is not spread: {erased:?}");
}

/// Lives a while and reports on the purse, the PSAM or both.
fn live<const PB: usize, const PS: usize, const SB: usize, const SS: usize>(purse: bool, sam: bool) {
    let mut life = Life::<PB, PS, SB, SS>::new();
    // Creation erases the whole part; that is before the count.
    let begun = (*life.world.purse.chip().erasures(), *life.world.sam.chip().erasures());
    while purse && life.world.purse.chip().blocks_erased() < 5 * PB
        || sam && life.world.sam.chip().blocks_erased() < 5 * SB
    {
        life.purchase();
    }
    if purse {
        wear("purse", life.purchases, begun.0, life.world.purse.chip());
    }
    if sam {
        wear("PSAM", life.purchases, begun.1, life.world.sam.chip());
    }
}

#[test]
fn purse_on_16_kib_and_psam_on_64_kib() {
    live::<8, 2_048, 16, 4_096>(true, true);
}

#[test]
fn purse_on_64_kib() {
    live::<16, 4_096, 16, 4_096>(true, false);
}
