//! Arbitrary frames to one card, blank or personalised.

use std::sync::OnceLock;

use apdu_spec::element::Algorithm;
use apdu_spec::personalisation::LegacyView;
use apdu_spec::purse::{GetBalance, GetPurseData};
use apdu_spec::sam::GetSamData;
use card_os::applets::AppletKind;

use super::{Input, check_answer};
use crate::support::world::World;
use crate::support::{Chip, Device};

/// What the purse holds.
const BALANCE: i32 = 1_000;

/// A card: the first byte of the input says which.
fn card(choice: u8) -> (Device, bool) {
    static PURSES: [OnceLock<Chip>; 2] = [const { OnceLock::new() }; 2];
    let kind = [AppletKind::Purse, AppletKind::Sam, AppletKind::Transfer][usize::from(choice % 3)];
    let (algorithm, place) = match choice / 3 % 3 {
        0 => return (Device::blank(kind), false),
        1 => (Algorithm::AesCmac, 0),
        _ => (Algorithm::RetailMac, 1),
    };
    if kind != AppletKind::Purse {
        return (Device::personalised(kind, algorithm), true);
    }
    let chip = PURSES[place].get_or_init(|| {
        let mut world = World::new(algorithm);
        if algorithm == Algorithm::RetailMac {
            // This one can be read as older cards, too.
            world.purse = Device::viewed(algorithm, LegacyView::GELDKARTE | LegacyView::QUICK);
        }
        world.load(BALANCE.unsigned_abs()).unwrap();
        world.purse.power_off()
    });
    (Device::power_on(kind, chip.clone()).unwrap(), true)
}

/// The next frame: a length of one byte, or FF and two.
fn frame<'a>(input: &mut Input<'a>) -> &'a [u8] {
    let length = match input.byte() {
        0xFF => usize::from(u16::from_be_bytes([input.byte(), input.byte()])),
        length => usize::from(length),
    };
    input.take(length)
}

/// Whoever has no key moves no value and opens no payment, and the card survives it.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mut device, personalised) = card(input.byte());
    while !input.is_empty() {
        let command = frame(&mut input);
        let answer = device.transmit(command);
        check_answer(command, &answer, false);
    }
    device.power_cycle().unwrap();
    match device.kind {
        AppletKind::Purse if personalised => {
            assert_eq!(device.execute::<GetBalance>(&()).unwrap().balance.0, BALANCE);
            assert_eq!(device.execute::<GetPurseData>(&()).unwrap().nv.get(), 1);
        }
        AppletKind::Sam if personalised => {
            let information = device.execute::<GetSamData>(&()).unwrap();
            assert_eq!((information.nt.get(), information.entries, information.batch.get()), (0, 0, 1));
        }
        _ => {}
    }
}
