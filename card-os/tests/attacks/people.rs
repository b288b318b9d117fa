//! Who else there is: a second purse and a second PSAM of the same scheme, a word for
//! what may not change, and the payments that a PSAM would hand in.

use std::collections::BTreeMap;

use apdu_spec::element::{Algorithm, IepId, Mac, PurseNumber, SamId, SamNumber};
use apdu_spec::record::{BatchRecord, Outcome};
use apdu_spec::sam::{CollectRequest, GetSamData, PsamCollect, ReadTrailer, TrailerRequest};
use card_os::applets::AppletKind;

use crate::support::world::World;
use crate::support::{Device, Holdings, iep, issuer, load_terminal, sam_id};

/// A second purse of the same issuer.
pub(crate) fn other_iep() -> IepId {
    IepId { number: PurseNumber::new(4_712).unwrap(), ..iep() }
}

/// A second PSAM of the same acquirer and key group.
pub(crate) fn other_sam_id() -> SamId {
    SamId { number: SamNumber::new(8).unwrap(), ..sam_id() }
}

/// The second PSAM.
pub(crate) fn other_sam() -> Device {
    Device::issued(AppletKind::Sam, Algorithm::AesCmac, iep(), other_sam_id())
}

/// The second purse.
pub(crate) fn other_purse() -> Device {
    Device::issued(AppletKind::Purse, Algorithm::AesCmac, other_iep(), load_terminal())
}

/// All that both cards hold.
pub(crate) fn holdings(world: &mut World) -> [Holdings; 2] {
    [world.purse.holdings(), world.sam.holdings()]
}

/// What the purse is worth: balance, NV, receipts.
pub(crate) fn worth(world: &mut World) -> (i32, u32, u8) {
    let information = world.information();
    (world.balance(), information.nv.get(), information.receipts)
}

/// All records that a PSAM has, acknowledged batches aside.
pub(crate) fn records(sam: &mut Device) -> Vec<BatchRecord> {
    let information = sam.execute::<GetSamData>(&()).unwrap();
    let mut records = Vec::new();
    let mut batch = information.oldest;
    loop {
        let count = match batch == information.batch {
            true => information.entries,
            false => sam.execute::<ReadTrailer>(&TrailerRequest { batch }).unwrap().count,
        };
        for index in 0..count {
            records.push(sam.execute::<PsamCollect>(&CollectRequest { batch, index }).unwrap());
        }
        if batch == information.batch {
            return records;
        }
        batch = batch.next().unwrap();
    }
}

/// What the issuer would pay for: each word of a purse once, and none that was voided or
/// that the purse's certificate key did not make.
pub(crate) fn payable(records: &[BatchRecord]) -> BTreeMap<[u8; 8], u32> {
    use apdu_spec::element::Kind;
    let mut payable = BTreeMap::new();
    for record in records {
        let entry = &record.value.entry;
        let asked = matches!(record.outcome, Outcome::Credited | Outcome::Receipt);
        if asked && entry.kind == Kind::Purchase {
            issuer::check_s6(&record.value, entry.position);
            payable.insert(entry.s6.0, entry.order.amount.get());
        }
    }
    for record in records.iter().filter(|record| record.outcome == Outcome::Voided) {
        payable.remove(&record.value.entry.s6.0);
    }
    payable
}

/// Wrong values of a MAC besides the turned bits: nothing, all ones, the first bytes
/// alone, the bytes backwards, those of its neighbour.
pub(crate) fn near(mac: Mac) -> Vec<Mac> {
    let cut = |length: usize| {
        let mut bytes = mac.0;
        bytes[length..].fill(0);
        Mac(bytes)
    };
    let mut backwards = mac.0;
    backwards.reverse();
    let mut wrong: Vec<_> = (0..8).map(cut).chain([Mac([0xFF; 8]), Mac(backwards)]).collect();
    wrong.retain(|wrong| *wrong != mac);
    wrong
}
