//! Arbitrary frames to one card, blank or personalised: to its application, to its security
//! domain, and from within the issuer's channel.

use std::sync::OnceLock;

use apdu_spec::StatusWord;
use apdu_spec::element::Algorithm;
use apdu_spec::personalisation::LegacyView;
use apdu_spec::purse::{GetBalance, GetPurseData};
use apdu_spec::sam::GetSamData;
use card_os::applets::AppletKind;

use super::{Input, check_answer};
use crate::support::office::{Line as _, Office, initial_keys};
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

/// Selects whom the frames are for; the issuer's channel, where they come through it.
fn address(device: &mut Device, choice: u8) -> Option<Office> {
    match choice / 9 % 3 {
        0 => None,
        1 => {
            assert_eq!(device.choose(&[]), StatusWord::OK);
            None
        }
        _ => Some(Office::open(device, &initial_keys()).unwrap()),
    }
}

/// Whoever has no key of the application moves no value and opens no payment, not even the issuer
/// of the card; and the card survives it.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let choice = input.byte();
    let (mut device, personalised) = card(choice);
    let mut office = address(&mut device, choice);
    while !input.is_empty() {
        let command = frame(&mut input);
        let secured = office.as_mut().and_then(|office| office.try_exchange(&mut device, command));
        let answer = secured.unwrap_or_else(|| device.transmit(command));
        check_answer(command, &answer, false);
    }
    device.power_cycle().unwrap();
    if device.choose(device.kind.aid()) != StatusWord::OK {
        return; // the issuer has locked it, or deleted what was empty
    }
    match device.kind {
        AppletKind::Purse if personalised => {
            assert_eq!(device.execute::<GetBalance>(&()).unwrap().balance.0, BALANCE);
            assert_eq!(device.execute::<GetPurseData>(&()).unwrap().nv.get(), 1);
        }
        AppletKind::Sam if personalised => {
            let information = device.execute::<GetSamData>(&()).unwrap();
            // Anybody may close a batch that is empty.
            assert_eq!((information.nt.get(), information.entries, information.open), (0, 0, 0));
        }
        _ => {}
    }
}
