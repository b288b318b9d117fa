//! The transfer card, against a terminal and the background system.

use apdu_spec::StatusWord;
use apdu_spec::crypto::session_key::DerivationKey;
use apdu_spec::download::{Download, Parcel, Release};
use apdu_spec::element::{Algorithm, BatchNumber, Mac};
use apdu_spec::personalisation::Function;
use apdu_spec::transfer::{
    AppendDownload, AppendParcel, DownloadRequest, GetTransferData, Number, ReadDownload, ReadParcel,
    ReleaseRecords,
};
use apdu_spec::wire::Octets;
use card_os::applets::AppletKind;

use crate::deed::{Command, Situation, Subject};
use crate::explore::{Action, explore};
use crate::personalisation;
use crate::station::Station;
use crate::support::{self, sam_id, transfer_id};

#[derive(Clone)]
pub struct Transfer;

fn parcel(byte: u8) -> Parcel {
    let (batch, content) = (BatchNumber::new(1).unwrap(), Octets::new(&[byte; 150]).unwrap());
    Parcel { sam: sam_id(), batch, index: u16::from(byte), content }
}

fn download(byte: u8) -> Download {
    Download { sam: sam_id(), content: Octets::new(&[byte; 25]).unwrap() }
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

/// Releases all parcels, and all downloads where asked.
fn release_all(station: &mut Station, downloads: bool) -> Result<(), StatusWord> {
    let now = station.execute::<GetTransferData>(&()).unwrap();
    let downloads = if downloads { now.next_download } else { now.first_download };
    station.execute::<ReleaseRecords>(&release(now.next_parcel, downloads))
}

impl Subject for Transfer {
    const KIND: AppletKind = AppletKind::Transfer;
    type Notes = ();

    fn aftermath(station: &mut Station, (): &()) -> Vec<u8> {
        let mut told = Vec::with_capacity(1024);
        let now = station.note::<GetTransferData>(&(), &mut told).unwrap();
        station.note::<ReadParcel>(&Number { number: now.first_parcel }, &mut told);
        station.note::<ReadParcel>(&Number { number: now.next_parcel - 1 }, &mut told);
        let from = now.first_download;
        station.note::<ReadDownload>(&DownloadRequest { sam: sam_id(), from }, &mut told);
        release_all(station, true).unwrap();
        let number = station.note::<AppendParcel>(&parcel(0x77), &mut told).unwrap().number;
        assert_eq!(station.execute::<ReadParcel>(&Number { number }), Ok(parcel(0x77)));
        told
    }
}

macro_rules! command {
    ($name:literal, $writes:literal, $run:expr) => {
        Command { name: $name, writes: $writes, run: $run }
    };
}

/// Every command, right and refused.
pub const COMMANDS: &[Command<Transfer>] = &[
    command!("APPEND RECORD, parcel", true, |s, ()| s.execute::<AppendParcel>(&parcel(1)).map(drop)),
    command!("APPEND RECORD, download", true, |s, ()| s.execute::<AppendDownload>(&download(2)).map(drop)),
    command!("RELEASE of parcels", true, |s, ()| release_all(s, false)),
    command!("RELEASE of all", true, |s, ()| release_all(s, true)),
    command!("RELEASE, wrong MAC", true, |s, ()| {
        s.execute::<ReleaseRecords>(&Release { mac: Mac([0; 8]), ..release(1, 1) })
    }),
    command!("READ RECORD, parcel", false, |s, ()| {
        s.execute::<ReadParcel>(&Number { number: 1 }).map(drop)
    }),
    command!("READ RECORD, download", false, |s, ()| {
        s.execute::<ReadDownload>(&DownloadRequest { sam: sam_id(), from: 1 }).map(drop)
    }),
    command!("GET DATA", false, |s, ()| s.execute::<GetTransferData>(&()).map(drop)),
];

/// Exact key for the search, and class: parcels and downloads on board, and whether any have gone.
fn key(station: &mut Station, (): &()) -> (String, String) {
    let now = station.execute::<GetTransferData>(&()).unwrap();
    let (parcels, downloads) = (now.next_parcel - now.first_parcel, now.next_download - now.first_download);
    let gone = (now.first_parcel > 1, now.first_download > 1);
    (
        format!("{parcels} {} {gone:?}", downloads.min(3)),
        format!("parcels {}, downloads {}, gone {gone:?}", parcels.min(2), downloads.min(2)),
    )
}

const ACTIONS: &[Action<Transfer>] = &[
    |s, ()| s.execute::<AppendParcel>(&parcel(3)).map(drop),
    |s, ()| s.execute::<AppendDownload>(&download(4)).map(drop),
    |s, ()| release_all(s, false),
    |s, ()| release_all(s, true),
];

/// All classes of state.
pub fn situations() -> Vec<Situation<Transfer>> {
    let chip = personalisation::whole(AppletKind::Transfer);
    explore(vec![Situation { chip, notes: (), class: "new".into() }], ACTIONS, key)
}
