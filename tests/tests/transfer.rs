//! A transfer card on which somebody has put nonsense: what is whole arrives, the
//! nonsense is named and released, and no payment is lost. And one that comes while power
//! fails at the background system, or its line: nothing is released before it got an answer.

mod place;

use apdu_spec::download::{Parcel, TRAILER_INDEX};
use apdu_spec::element::BatchNumber;
use apdu_spec::wire::Octets;
use background::Background;
use host::card::transfer::TransferCard;
use host::reader::virtual_reader::VirtualReader;
use network::{Direct, Link, Request, Response};
use place::{NOW, Place, amount};
use simulation::collection::Cleared;
use simulation::delivery::HandedIn;

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
    assert!(cleared.refused[0].participant.contains("batch 9"), "{:?}", cleared.refused);
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

/// A line that loses one of the requests.
struct Lossy<'b> {
    background: &'b mut Background,
    lost: usize,
    requests: usize,
}

impl Link for Lossy<'_> {
    fn call(&mut self, request: &Request) -> Result<Response, network::Error> {
        self.requests += 1;
        if self.requests == self.lost {
            return Err(network::Error::Unreachable("no carrier".into()));
        }
        Direct(self.background.at(NOW)).call(request)
    }
}

/// One batch of two got no answer: the other one is stored and acknowledged, and both stay on
/// board until both are.
#[test]
fn what_got_no_answer_is_not_released() {
    let mut place = Place::new();
    let mut world = place.world();
    for terminal in ["bus-12", "car-park"] {
        world.pay(1, terminal, amount(100), NOW).expect("paid");
        world.collect(terminal).expect("collected");
    }
    drop(world);
    let path = place.data.join("transfer/800.card");
    for lost in [1, 2] {
        let random = Box::new(place.random());
        let mut world = place.world();
        let mut card = VirtualReader::open(&path, random, false).expect("a card");
        let background = world.background();
        let mut line = Lossy { background: &mut *background, lost, requests: 0 };
        let handed_in = HandedIn::from(&mut card, &mut line).expect("read");
        assert_eq!((handed_in.stored.len(), handed_in.unanswered.len()), (1, 1));
        handed_in.answer(&mut card, background, 512).expect("acknowledged on board");
        let information = TransferCard::select(&mut card).expect("selected").information().expect("told");
        assert_eq!(information.next_parcel - information.first_parcel, 4);
        assert_eq!(information.next_download, 1 + u32::try_from(lost).expect("small"));
    }
    let mut world = place.world();
    assert_eq!(world.clear(NOW).expect("cleared").stored.len(), 2);
    let equation = world.equation().expect("an equation");
    assert_eq!((equation.received, equation.difference()), (200, 0));
}
