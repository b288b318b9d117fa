//! One purse and one PSAM live through everything there is, and somebody listens. What he
//! has heard can be played again up to any point, since the cards' generators count.

use std::rc::Rc;

use apdu_spec::StatusWord;
use apdu_spec::element::{Algorithm, Kind};
use apdu_spec::purse::{Cancel, CreditCancellation};
use apdu_spec::sam::{
    CompleteRequest, PsamAcknowledge, PsamComplete, ReceiptRequest, StoreReceipt, VerifyContact, VerifyPurse,
};
use card_os::applets::AppletKind;

use crate::support::world::{NOW, World};
use crate::support::{self, Device, Exchange, Tape, issuer, status_of};

/// Sent to a card and accepted by it.
pub(crate) fn accepted(exchange: &Exchange) -> bool {
    !exchange.command.is_empty() && status_of(&exchange.answer) == StatusWord::OK
}

/// Everything that passes while every command of purse and PSAM is accepted at least once.
pub(crate) fn tape() -> Vec<Exchange> {
    let tape = Tape::default();
    let mut world = World::new(Algorithm::AesCmac);
    for device in [&mut world.purse, &mut world.sam] {
        device.tape = Some(Rc::clone(&tape));
    }
    live(&mut world);
    drop(world);
    Rc::into_inner(tape).unwrap().into_inner()
}

fn live(world: &mut World) {
    world.load(1_000).unwrap();
    world.pay(100).unwrap();
    world.pay_and_lose_the_answer(50);
    world.take_over_up_to(3);
    cancel(world, 30);
    world.transfer(Kind::Unload, 200, true).unwrap();
    world.transfer(Kind::Load, 500, false).unwrap_err();
    contact(world);
    withdraw(world);
    collect(world);
    world.pay(7).unwrap();
    for device in [&mut world.purse, &mut world.sam] {
        device.power_cycle().unwrap();
    }
    world.pay(8).unwrap();
    world.load(1).unwrap();
}

/// A purchase that is taken back.
fn cancel(world: &mut World, minor: u32) {
    let nt = world.pay(minor).unwrap().opened.order.nt;
    let secret = world.void(nt).unwrap().secret;
    world.purse.execute::<CreditCancellation>(&Cancel { secret }).unwrap();
}

/// A contact without debit.
fn contact(world: &mut World) {
    let (_, initialized) = world.initialize();
    let apdu_spec::purse::Initialized { key, statement, s1 } = initialized;
    world.sam.execute::<VerifyPurse>(&VerifyContact { key, statement, s1, time: NOW }).unwrap();
}

/// A purchase that the purse says it has never made.
fn withdraw(world: &mut World) {
    let (_, initialized) = world.initialize();
    let nt = world.order(&initialized, 10).unwrap().order.nt;
    let previous = world.previous_by_nt(initialized.statement.position.nt).unwrap();
    world.sam.execute::<PsamComplete>(&CompleteRequest { nt, previous }).unwrap();
}

/// A batch that is collected and acknowledged, and a receipt behind it.
fn collect(world: &mut World) {
    let key = support::reference(Algorithm::AesCmac, 0);
    let (trailer, _) = world.collect();
    let acknowledgement = issuer::acknowledge(trailer.batch, trailer.s4, key);
    world.sam.execute::<PsamAcknowledge>(&acknowledgement).unwrap();
    let oldest = world.information().nv.get() - u32::from(world.information().receipts) + 1;
    let previous = world.previous_by_nv(oldest).unwrap();
    world.sam.execute::<StoreReceipt>(&ReceiptRequest { previous }).unwrap();
}

/// The world after these exchanges, sessions and all.
pub(crate) fn play(tape: &[Exchange]) -> World {
    let mut world = World::new(Algorithm::AesCmac);
    for exchange in tape {
        let device = card(&mut world, exchange.kind);
        match exchange.command.as_slice() {
            [] => device.power_cycle().unwrap(),
            command => assert_eq!(device.transmit(command), exchange.answer, "the story is not the same"),
        }
    }
    world
}

/// The card of this kind.
pub(crate) const fn card(world: &mut World, kind: AppletKind) -> &mut Device {
    match kind {
        AppletKind::Purse => &mut world.purse,
        _ => &mut world.sam,
    }
}

/// Commands that move value, or open or close a purchase: good once, at most. All others
/// ask, or may be repeated by anybody who stands before the card.
pub(crate) fn is_good_once(exchange: &Exchange) -> bool {
    let [cla, ins, p1, ..] = exchange.command[..] else { return false };
    match exchange.kind {
        AppletKind::Purse => cla == 0x90 && matches!(ins, 0x52 | 0x54),
        _ => cla == 0x90 && (matches!(ins, 0x72 | 0x74 | 0x88) || (ins == 0x70 && matches!(p1, 0 | 2))),
    }
}
