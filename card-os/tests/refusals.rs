//! What a refusal leaves behind: nothing that was not there before but a delay.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use apdu_spec::StatusWord;
use apdu_spec::download::{Parcel, Release};
use apdu_spec::element::{Algorithm, BatchNumber, KeyReference, Mac, Random};
use apdu_spec::personalisation::{DataGroup, Function, Generation, KeyData};
use apdu_spec::purse::{InitializeLoad, InitializeTransfer};
use apdu_spec::record::Counterpart;
use apdu_spec::transfer::{AppendParcel, ReleaseRecords};
use apdu_spec::wire::{List, Octets};
use card_os::applets::AppletKind;
use card_os::kernel::memory::{Change, Memory, MemoryError};
use support::office::{Line as _, Office, block, initial_keys};
use support::{Device, GROUP, amount, iep, key_of, load_terminal, reference, sam_id};

/// Keys of the purse in a version: load, certificate, and purchases in three groups.
fn generation(version: u8) -> Generation {
    let mut keys = List::new();
    let groups = [GROUP, GROUP + 1, GROUP + 2].map(|group| (Function::Purchase, group));
    for (function, group) in [(Function::Load, 0), (Function::Certificate, 0)].into_iter().chain(groups) {
        let reference = KeyReference { version, ..reference(Algorithm::AesCmac, group) };
        keys.push(KeyData { function, reference, key: key_of(iep(), function, reference) }).unwrap();
    }
    Generation { keys }
}

#[test]
fn a_generation_that_finds_no_room_is_not_half_taken_in() {
    let mut device = Device::personalised(AppletKind::Purse, Algorithm::AesCmac);
    let mut office = Office::open(&mut device, &initial_keys()).unwrap();
    office.address(&mut device, AppletKind::Purse.aid()).unwrap();
    let mut store = |device: &mut Device, version| {
        office.store(device, &block(false, DataGroup::Generation, &generation(version)))
    };
    // Three keys of the first, five of the second; then there is room for four.
    assert_eq!(store(&mut device, 2), Ok(()));
    assert_eq!(store(&mut device, 3), Err(StatusWord::NOT_ENOUGH_MEMORY));
    assert_eq!(device.choose(AppletKind::Purse.aid()), StatusWord::OK);
    let counterpart = Counterpart { sam: load_terminal(), challenge: Random([1; 8]) };
    let request = InitializeTransfer { version: 9, counterpart, amount: amount(1_000) };
    assert_eq!(device.execute::<InitializeLoad>(&request).unwrap().key.version, 2);
}

#[test]
fn guesses_at_a_release_are_slowed_down_whatever_is_put_on_board_in_between() {
    let mut device = Device::personalised(AppletKind::Transfer, Algorithm::AesCmac);
    let parcel = Parcel {
        sam: sam_id(),
        batch: BatchNumber::new(1).unwrap(),
        index: 1,
        content: Octets::new(&[7; 150]).unwrap(),
    };
    let guess = Release { parcels: 2, downloads: 1, mac: Mac([0; 8]) };
    let mut waits = Vec::new();
    for _ in 0..4 {
        let before = device.chip().delayed();
        assert_eq!(device.execute::<ReleaseRecords>(&guess), Err(StatusWord::WRONG_MAC));
        waits.push(device.chip().delayed() - before);
        device.execute::<AppendParcel>(&parcel).unwrap();
        device.power_cycle().unwrap();
    }
    assert_eq!(waits, [0, 100, 200, 400]);
}

/// An image that somebody has made up: its checksums are right, its registry is not.
#[test]
fn logs_that_begin_behind_their_end_are_damage() {
    let chip = Device::personalised(AppletKind::Purse, Algorithm::AesCmac).power_off();
    let mut memory = Memory::open(chip).unwrap();
    let mut change = Change::default();
    // Cell 2 of the kernel: what the logs of the first application had had before it, its name.
    change.set(2, &[&[0, 0, 0, 9, 0, 0, 0, 0], AppletKind::Purse.aid()].concat());
    let _ = memory.commit(change).unwrap();
    assert!(matches!(
        Device::power_on(AppletKind::Purse, memory.into_platform()),
        Err(MemoryError::Damaged(_))
    ));
}
