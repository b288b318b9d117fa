//! A transfer card on which somebody has put nonsense: what is whole arrives, the
//! nonsense is named and released, and no payment is lost.

use apdu_spec::download::{Parcel, TRAILER_INDEX};
use apdu_spec::element::{Algorithm, Amount, BatchNumber, Time};
use apdu_spec::wire::Octets;
use host::card::transfer::TransferCard;
use host::reader::virtual_reader::VirtualReader;
use host::terminal::load::Funding;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use simulation::world::Limits;
use simulation::{World, day};

const NOW: Time = Time(1_768_197_600);

fn random() -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(3)
}

#[test]
fn nonsense_on_board_stops_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    let data = place.path().join("data");
    let mut world = World::create(&data, day::scheme(), Algorithm::AesCmac, random(), NOW).expect("a world");
    let limits = Limits { maximum: 20_000, overdraft: 0, purchase: 5_000 };
    world.issue_purse(limits, NOW).expect("a purse");
    let amount = |minor| Amount::new(minor).expect("an amount");
    world.load(1, amount(5_000), Funding::Cash, NOW).expect("a load");
    world.pay(1, "bus-12", amount(300), NOW).expect("paid");
    let sam = world.scheme().module(3);
    drop(world);

    // A record and a trailer of nonsense: of the batch that comes next, and of another one.
    let path = data.join("transfer/800.card");
    let mut reader = VirtualReader::open(&path, Box::new(random()), false).expect("a card");
    let mut card = TransferCard::select(&mut reader).expect("selected");
    for (batch, index) in [(1, 0), (9, TRAILER_INDEX)] {
        let batch = BatchNumber::new(batch).expect("a number");
        let content = Octets::new(b"nonsense").expect("short");
        card.append_parcel(&Parcel { sam, batch, index, content }).expect("on board");
    }
    drop(reader);

    let mut world = World::open(&data, random()).expect("the world");
    world.collect("bus-12").expect("collected");
    let cleared = world.clear(NOW).expect("cleared");
    assert_eq!(cleared.stored.len(), 1);
    assert_eq!(cleared.refused.len(), 1, "{:?}", cleared.refused);
    assert!(cleared.refused[0].contains("batch 9"), "{:?}", cleared.refused);
    assert_eq!(world.equation().expect("an equation").difference(), 0);
    // It has been released: the next trip knows nothing of it.
    world.collect("bus-12").expect("collected");
    assert!(world.clear(NOW).expect("cleared").refused.is_empty());
}
