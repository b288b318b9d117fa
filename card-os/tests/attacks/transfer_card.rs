//! Attacks on the transfer card itself: its one command under a MAC is the release, which
//! makes it forget. Attacks with it are in `tests/tests/attacks_transfer_card.rs`.

use apdu_spec::StatusWord;
use apdu_spec::declare::Command as _;
use apdu_spec::download::{CONTENT_MAX, Download, Parcel, Release, ReleaseInput};
use apdu_spec::element::{Algorithm, BatchNumber, Kind, Mac, SamId};
use apdu_spec::signature::{Heading, Name};
use apdu_spec::transfer::{
    AppendDownload, AppendParcel, GetTransferData, Number, ReadParcel, ReleaseRecords,
};
use apdu_spec::wire::Octets;
use card_os::applets::AppletKind;

use crate::support::{Device, issuer, load_terminal, reference, sam_id, transfer_id};

/// Bytes of a release.
const RELEASE: usize = 16;

/// A card with three parcels on board.
fn card() -> Device {
    let mut device = Device::personalised(AppletKind::Transfer, Algorithm::AesCmac);
    for index in 0..3 {
        device.execute::<AppendParcel>(&parcel(sam_id(), index, b"a record")).unwrap();
    }
    device
}

fn parcel(sam: SamId, index: u16, content: &[u8]) -> Parcel {
    Parcel { sam, batch: BatchNumber::new(1).unwrap(), index, content: Octets::new(content).unwrap() }
}

/// The release of the first two parcels, under this heading and the record key of `holder`.
fn release(name: Name, kind: Kind, holder: SamId, batch: u32) -> Release {
    release_below(3, name, kind, holder, batch)
}

/// The release of all parcels below this number.
fn release_below(parcels: u32, name: Name, kind: Kind, holder: SamId, batch: u32) -> Release {
    let key = reference(Algorithm::AesCmac, 0);
    let unsigned = Release { parcels, downloads: 1, mac: Mac::default() };
    let input = ReleaseInput { heading: Heading::new(name, kind, key), ..unsigned.input(transfer_id(), key) };
    let mac = issuer::record_key(holder, BatchNumber::new(batch).unwrap(), key).sign(&input);
    Release { mac, ..unsigned }
}

/// The courier makes the card forget a batch that nobody has: every bit of a release, every
/// other name and kind, the key of another card, of a PSAM, of a batch.
#[test]
fn a_forged_release() {
    let right = release(Name::Release, Kind::Purchase, transfer_id(), 0);
    let mut buffer = [0; 262];
    let command = ReleaseRecords::encode(&right, &mut buffer).unwrap().to_vec();
    let mut device = card();
    let before = device.holdings();
    for bit in 0..8 * RELEASE {
        let mut forged = command.clone();
        forged[5 + bit / 8] ^= 1 << (bit % 8);
        assert_ne!(device.status(&forged), StatusWord::OK, "bit {bit}");
    }
    for name in Name::ALL.iter().copied() {
        for kind in Kind::ALL.iter().copied() {
            if (name, kind) != (Name::Release, Kind::Purchase) {
                let forged = release(name, kind, transfer_id(), 0);
                assert_eq!(device.execute::<ReleaseRecords>(&forged), Err(StatusWord::WRONG_MAC));
            }
        }
    }
    for (holder, batch) in [(load_terminal(), 0), (sam_id(), 0), (transfer_id(), 1)] {
        let forged = release(Name::Release, Kind::Purchase, holder, batch);
        assert_eq!(device.execute::<ReleaseRecords>(&forged), Err(StatusWord::WRONG_MAC));
    }
    assert!(device.holdings() == before);
    device.execute::<ReleaseRecords>(&right).unwrap();
    assert_eq!(device.execute::<GetTransferData>(&()).unwrap().first_parcel, 3);
}

/// The courier repeats a release after new parcels have come: numbers only rise, so that
/// what came later stays.
#[test]
fn a_replayed_release() {
    let mut device = card();
    let word = release(Name::Release, Kind::Purchase, transfer_id(), 0);
    device.execute::<ReleaseRecords>(&word).unwrap();
    for index in 3..9 {
        device.execute::<AppendParcel>(&parcel(sam_id(), index, b"later")).unwrap();
        device.execute::<ReleaseRecords>(&word).unwrap();
        device.power_cycle().unwrap();
    }
    for number in 3..=9 {
        assert!(device.execute::<ReadParcel>(&Number { number }).is_ok(), "parcel {number}");
    }
    // Nor does an old one bring back what a later one has released.
    let later = release_below(7, Name::Release, Kind::Purchase, transfer_id(), 0);
    device.execute::<ReleaseRecords>(&later).unwrap();
    device.execute::<ReleaseRecords>(&word).unwrap();
    assert_eq!(device.execute::<GetTransferData>(&()).unwrap().first_parcel, 7);
}

/// The courier floods the card with parcels and downloads. It refuses when it is full, loses
/// nothing that it has taken, and the release still works.
#[test]
fn a_flood() {
    let mut device = card();
    let junk = [0x55; CONTENT_MAX];
    let mut taken = 3;
    let refused = loop {
        let download = Download { sam: load_terminal(), content: Octets::new(&junk).unwrap() };
        let flooded = device
            .execute::<AppendParcel>(&parcel(load_terminal(), 0, &junk))
            .and_then(|_| device.execute::<AppendDownload>(&download));
        match flooded {
            Ok(_) => taken += 1,
            Err(status) => break status,
        }
    };
    assert_eq!(refused, StatusWord::NOT_ENOUGH_MEMORY);
    println!("{taken} parcels and downloads of nonsense");
    device.power_cycle().unwrap();
    for number in 1..=3 {
        let found = device.execute::<ReadParcel>(&Number { number }).unwrap();
        assert_eq!(found.content.as_slice(), b"a record");
    }
    let word = release(Name::Release, Kind::Purchase, transfer_id(), 0);
    device.execute::<ReleaseRecords>(&word).unwrap();
}
