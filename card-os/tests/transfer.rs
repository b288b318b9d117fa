//! The transfer card: what was taken on board is given out, survives a power cut at any
//! byte, and is forgotten for the background system's word alone.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use apdu_spec::StatusWord;
use apdu_spec::crypto::session_key::DerivationKey;
use apdu_spec::download::{CONTENT_MAX, Download, Parcel, Release};
use apdu_spec::element::{Algorithm, BatchNumber, Mac};
use apdu_spec::personalisation::Function;
use apdu_spec::transfer::{
    AppendDownload, AppendParcel, DownloadRequest, GetTransferData, Number, ReadDownload, ReadParcel,
    ReleaseRecords, TransferInformation,
};
use apdu_spec::wire::Octets;
use card_os::applets::AppletKind;
use support::{Device, load_terminal, sam_id, transfer_id};

fn card() -> Device {
    Device::personalised(AppletKind::Transfer, Algorithm::AesCmac)
}

fn parcel(index: u16) -> Parcel {
    let [high, low] = index.to_be_bytes();
    let content: Vec<u8> = (0..CONTENT_MAX).map(|at| if at % 2 == 0 { high } else { low }).collect();
    let batch = BatchNumber::new(1).unwrap();
    Parcel { sam: sam_id(), batch, index, content: Octets::new(&content).unwrap() }
}

fn append(device: &mut Device, index: u16) -> Result<u32, StatusWord> {
    device.execute::<AppendParcel>(&parcel(index)).map(|answer| answer.number)
}

/// The background system's word that everything below these numbers has arrived.
fn release(parcels: u32, downloads: u32) -> Release {
    let reference = support::reference(Algorithm::AesCmac, 0);
    let key = support::key_of(transfer_id(), Function::Record, reference);
    let key = DerivationKey::new(key, reference.algorithm).record_key(BatchNumber::default());
    let mut release = Release { parcels, downloads, mac: Mac::default() };
    release.mac = key.sign(&release.input(transfer_id(), reference));
    release
}

fn numbers(device: &mut Device) -> [u32; 4] {
    let TransferInformation { first_parcel, next_parcel, first_download, next_download, .. } =
        device.execute::<GetTransferData>(&()).unwrap();
    [first_parcel, next_parcel, first_download, next_download]
}

#[test]
fn parcels_come_out_as_they_went_in() {
    let mut device = card();
    for index in 0..20 {
        assert_eq!(append(&mut device, index), Ok(u32::from(index) + 1));
    }
    device.power_cycle().unwrap();
    for index in 0..20 {
        let number = u32::from(index) + 1;
        assert_eq!(device.execute::<ReadParcel>(&Number { number }).unwrap(), parcel(index));
    }
    for number in [0, 21, u32::MAX] {
        let beyond = device.execute::<ReadParcel>(&Number { number });
        assert_eq!(beyond.err(), Some(StatusWord::RECORD_NOT_FOUND));
    }
}

#[test]
fn each_psam_finds_its_own_downloads() {
    let mut device = card();
    let mut send = |sam, byte| {
        let content = Octets::new(&[byte; 25]).unwrap();
        device.execute::<AppendDownload>(&Download { sam, content }).unwrap()
    };
    send(load_terminal(), 1);
    send(sam_id(), 2);
    send(load_terminal(), 3);
    send(sam_id(), 4);
    let mut next = |from| device.execute::<ReadDownload>(&DownloadRequest { sam: sam_id(), from });
    let first = next(1).unwrap();
    assert_eq!((first.number, first.download.content.as_slice()[0]), (2, 2));
    let second = next(first.number + 1).unwrap();
    assert_eq!((second.number, second.download.content.as_slice()[0]), (4, 4));
    assert_eq!(next(second.number + 1).err(), Some(StatusWord::RECORD_NOT_FOUND));
}

/// Only a release under this card's key, of what is on board, makes it forget; and never twice.
#[test]
fn releases() {
    let mut device = card();
    for index in 0..5 {
        append(&mut device, index).unwrap();
    }
    let before = device.holdings();
    let mut wrong = release(3, 1);
    wrong.parcels = 6;
    assert_eq!(device.execute::<ReleaseRecords>(&wrong), Err(StatusWord::WRONG_MAC));
    assert_eq!(device.execute::<ReleaseRecords>(&release(7, 1)), Err(StatusWord::WRONG_DATA), "ahead");
    assert!(device.holdings() == before);

    device.execute::<ReleaseRecords>(&release(4, 1)).unwrap();
    assert_eq!(numbers(&mut device), [4, 6, 1, 1]);
    // An older one comes late, and the same one again.
    device.execute::<ReleaseRecords>(&release(2, 1)).unwrap();
    device.execute::<ReleaseRecords>(&release(4, 1)).unwrap();
    device.power_cycle().unwrap();
    assert_eq!(numbers(&mut device), [4, 6, 1, 1]);
    let gone = device.execute::<ReadParcel>(&Number { number: 3 });
    assert_eq!(gone.err(), Some(StatusWord::RECORD_NOT_FOUND));
    assert_eq!(device.execute::<ReadParcel>(&Number { number: 4 }).unwrap(), parcel(3));
}

#[test]
fn a_full_card_refuses_keeps_all_and_is_emptied() {
    let mut device = card();
    let mut index = 0;
    for round in 0..4 {
        let first = index;
        let refused = loop {
            match append(&mut device, index) {
                Ok(_) => index += 1,
                Err(status) => break status,
            }
        };
        assert_eq!(refused, StatusWord::NOT_ENOUGH_MEMORY);
        assert!(index - first > 50, "{} parcels in 32 KiB, round {round}", index - first);
        device.power_cycle().unwrap();
        for index in first..index {
            let number = u32::from(index) + 1;
            assert_eq!(device.execute::<ReadParcel>(&Number { number }).unwrap(), parcel(index));
        }
        device.execute::<ReleaseRecords>(&release(u32::from(index) + 1, 1)).unwrap();
    }
}

#[test]
fn a_parcel_is_on_board_once_its_number_has_been_told() {
    let mut device = card();
    for index in 0..30 {
        append(&mut device, index).unwrap();
    }
    let saved = device.power_off();
    let mut cases = 0;
    loop {
        let mut device = Device::power_on(AppletKind::Transfer, saved.clone()).unwrap();
        device.chip().cut_after(cases);
        let written = device.chip().bytes_written();
        let answer = append(&mut device, 30);
        let whole = device.chip().bytes_written() - written < cases;
        device.power_cycle().unwrap();
        let [_, next, ..] = numbers(&mut device);
        assert!(next == 32 || (next == 31 && answer == Err(StatusWord::MEMORY_FAILURE)), "cut {cases}");
        for index in 0..u16::try_from(next - 1).unwrap() {
            let number = u32::from(index) + 1;
            assert_eq!(device.execute::<ReadParcel>(&Number { number }).unwrap(), parcel(index));
        }
        assert_eq!(append(&mut device, 99), Ok(next));
        cases += 1;
        if whole {
            break;
        }
    }
    println!("APPEND RECORD: {cases} tears");
    assert!(cases > 200);
}
