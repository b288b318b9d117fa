//! A transfer card on which somebody has put nonsense: what is whole arrives, the
//! nonsense is named and released, and no payment is lost. And one that comes while power
//! fails at the background system: nothing is released before it is stored.

mod place;

use apdu_spec::download::{Parcel, TRAILER_INDEX};
use apdu_spec::element::BatchNumber;
use apdu_spec::wire::Octets;
use host::card::transfer::TransferCard;
use host::reader::virtual_reader::VirtualReader;
use place::{NOW, Place, amount};
use simulation::collection::Cleared;

#[test]
fn nonsense_on_board_stops_nothing() {
    let mut place = Place::new();
    let mut world = place.world();
    world.pay(1, "bus-12", amount(300), NOW).expect("paid");
    let sam = world.scheme().module(3);
    drop(world);

    // A record and a trailer of nonsense: of the batch that comes next, and of another one.
    let path = place.data.join("transfer/800.card");
    let random = Box::new(place.random());
    let mut reader = VirtualReader::open(&path, random, false).expect("a card");
    let mut card = TransferCard::select(&mut reader).expect("selected");
    for (batch, index) in [(1, 0), (9, TRAILER_INDEX)] {
        let batch = BatchNumber::new(batch).expect("a number");
        let content = Octets::new(b"nonsense").expect("short");
        card.append_parcel(&Parcel { sam, batch, index, content }).expect("on board");
    }
    drop(reader);

    let mut world = place.world();
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

/// Power fails in every statement of taking two batches in. What is on board stays there until
/// both are stored: nobody has to carry it again.
#[test]
fn what_is_not_stored_stays_on_board() {
    let mut place = Place::new();
    let mut world = place.world();
    for terminal in ["bus-12", "car-park"] {
        for minor in [100, 200] {
            world.pay(1, terminal, amount(minor), NOW).expect("paid");
        }
        world.collect(terminal).expect("collected");
    }
    let mut failures = 0;
    let stored = loop {
        let mut cleared = Cleared::default();
        world.background().cut_after(failures);
        let unloaded = world.unload_transfer_card(NOW, &mut cleared);
        world.background().power_up();
        if unloaded.is_ok() {
            break cleared.stored;
        }
        failures += 1;
    };
    assert_eq!(stored.len(), 2, "both stayed on board through {failures} failures");
    assert!(failures > 10);
    let equation = world.equation().expect("an equation");
    assert_eq!((equation.received, equation.difference()), (600, 0));
}
