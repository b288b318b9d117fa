//! Attacks with and on the transfer card. It is in the hands of a courier who can read
//! it, write on it, copy it, lose it and swap it. He would have batches booked twice, or
//! disappear, or a PSAM forget what nobody has stored. Everything on board is
//! sealed end to end, a PSAM keeps its batch until the background system's own word comes
//! back, and what a courier has written himself stops nobody for longer than one trip.

mod place;

use std::path::PathBuf;

use apdu_spec::Element;
use apdu_spec::batch::{Acknowledgement, Trailer};
use apdu_spec::download::{Download, Parcel, TRAILER_INDEX};
use apdu_spec::element::{BatchNumber, Mac, SamId, Time};
use apdu_spec::wire::{List, Octets};
use host::card::transfer::TransferCard;
use host::reader::virtual_reader::VirtualReader;
use place::{NOW, Place, amount};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use simulation::World;
use simulation::collection::Cleared;

const BUS: &str = "bus-12";

/// A world whose purse has paid 3.00 in the bus, which is never connected.
struct Scene(Place);

impl Scene {
    fn new() -> Self {
        let mut place = Place::new();
        place.world().pay(1, BUS, amount(300), NOW).expect("paid");
        Self(place)
    }

    fn world(&mut self) -> World {
        self.0.world()
    }

    /// The transfer card comes to the bus.
    fn collect(&mut self) {
        self.world().collect(BUS).expect("collected");
    }

    /// It comes to the background system.
    fn clear(&mut self) -> Cleared {
        let mut world = self.world();
        let cleared = world.clear(NOW).expect("cleared");
        assert_eq!(world.equation().expect("an equation").difference(), 0);
        cleared
    }

    fn paid(&mut self) -> i64 {
        let merchants = self.world().background().merchant_statements().expect("statements");
        merchants.iter().map(|statement| statement.total.minor).sum()
    }

    fn sam(&mut self) -> SamId {
        self.world().scheme().module(3)
    }

    fn image(&self) -> PathBuf {
        self.0.data.join("transfer/800.card")
    }

    fn copy(&self) -> Vec<u8> {
        std::fs::read(self.image()).expect("an image")
    }

    fn put(&self, image: &[u8]) {
        std::fs::write(self.image(), image).expect("written");
    }

    /// The courier with the card in a reader of his own.
    fn courier<T>(&mut self, act: impl FnOnce(&mut TransferCard<'_>) -> T) -> T {
        let random = Box::new(self.0.random());
        let mut reader = VirtualReader::open(&self.image(), random, false).expect("a card");
        act(&mut TransferCard::select(&mut reader).expect("selected"))
    }

    /// Everything that is on board.
    fn parcels(&mut self) -> Vec<Parcel> {
        self.courier(|card| {
            let information = card.information().expect("information");
            let numbers = information.first_parcel..information.next_parcel;
            numbers.map(|number| card.parcel(number).expect("a parcel")).collect()
        })
    }

    fn append(&mut self, parcels: &[Parcel]) {
        self.courier(|card| {
            for parcel in parcels {
                card.append_parcel(parcel).expect("on board");
            }
        });
    }

    /// The card goes once more around, and after that the payment is booked, once, and the
    /// PSAM is free.
    fn settles_in_the_next_trip(&mut self) {
        self.collect();
        self.clear();
        self.collect();
        assert_eq!(self.paid(), 300);
        assert!(self.parcels().is_empty(), "the bus has nothing left to give");
    }
}

/// The card is lost with everything on it: the PSAM still has the batch.
#[test]
fn a_lost_card() {
    let mut scene = Scene::new();
    let empty = scene.copy();
    scene.collect();
    scene.put(&empty);
    assert!(scene.clear().stored.is_empty());
    assert_eq!(scene.paid(), 0);
    scene.settles_in_the_next_trip();
}

/// The courier copies the card and brings it twice, and later again: booked once.
#[test]
fn a_copied_card_and_an_old_one() {
    let mut scene = Scene::new();
    scene.collect();
    let copy = scene.copy();
    for _ in 0..3 {
        scene.put(&copy);
        assert_eq!(scene.clear().stored.len(), 1, "acknowledged like the first time");
        assert_eq!(scene.paid(), 300);
    }
    scene.world().pay(1, BUS, amount(200), NOW).expect("paid");
    scene.collect();
    scene.clear();
    assert_eq!(scene.paid(), 500);
    scene.put(&copy);
    scene.clear();
    assert_eq!(scene.paid(), 500);
}

/// The card is pulled out in the middle of the export: a piece, or the trailer, is missing.
/// Nothing of the batch is booked, and it is brought again.
#[test]
fn a_partial_export() {
    for front in [true, false] {
        let mut scene = Scene::new();
        let empty = scene.copy();
        scene.collect();
        let parcels = scene.parcels();
        assert_eq!(parcels.len(), 2, "a payment and the trailer");
        scene.put(&empty);
        scene.append(if front { &parcels[..1] } else { &parcels[1..] });
        assert_eq!(scene.clear().refused.len(), 1, "named as incomplete");
        assert_eq!(scene.paid(), 0);
        scene.settles_in_the_next_trip();
    }
}

/// The courier swaps the card in the middle: one half on this card, the other on that.
#[test]
fn a_card_swapped_in_the_middle() {
    let mut scene = Scene::new();
    let empty = scene.copy();
    scene.collect();
    let parcels = scene.parcels();
    for half in [&parcels[..1], &parcels[1..]] {
        scene.put(&empty);
        scene.append(half);
        assert!(scene.clear().stored.is_empty());
        assert_eq!(scene.paid(), 0);
    }
    scene.settles_in_the_next_trip();
}

/// The courier changes every byte of what is on board, one card for each: nothing of it is
/// booked, and the refused batch does not keep the right one away.
#[test]
fn an_altered_parcel() {
    let mut origin = Scene::new();
    let empty = origin.copy();
    origin.collect();
    let parcels = origin.parcels();
    let mut cases = 0;
    for which in 0..parcels.len() {
        for place in (0..parcels[which].content.as_slice().len()).step_by(7) {
            let mut content = parcels[which].content.as_slice().to_vec();
            content[place] ^= 0x01;
            let mut altered = parcels.clone();
            altered[which].content = Octets::new(&content).expect("as long");
            origin.put(&empty);
            origin.append(&altered);
            assert!(origin.clear().stored.is_empty(), "parcel {which}, byte {place}");
            assert_eq!(origin.paid(), 0);
            cases += 1;
        }
    }
    println!("altered parcels: {cases}");
    origin.settles_in_the_next_trip();
}

/// The courier puts a whole batch of nonsense on board under the PSAM's name and number, so that
/// the terminal thinks that its batch is on its way. It is none of the PSAM's own, byte for byte:
/// the right one goes on board behind it, and in the same trip.
#[test]
fn a_batch_of_nonsense_under_the_psam_s_name() {
    let mut scene = Scene::new();
    let sam = scene.sam();
    let batch = BatchNumber::new(1).expect("a number");
    let mut trailer = Trailer::from_bytes(&[0; Trailer::MIN]).expect("a trailer");
    (trailer.sam, trailer.batch) = (sam, batch);
    let mut buffer = [0; Trailer::MAX];
    let content = Octets::new(trailer.to_slice(&mut buffer).expect("fits")).expect("short");
    scene.append(&[Parcel { sam, batch, index: TRAILER_INDEX, content }]);
    scene.collect();
    let cleared = scene.clear();
    assert_eq!((cleared.stored.len(), cleared.refused.len()), (1, 1), "{:?}", cleared.refused);
    assert_eq!(scene.paid(), 300);
    scene.settles_in_the_next_trip();
}

/// Whoever held the card can copy the PSAM's own trailer, and put other records before it, or
/// none. Where all of the batch is not on board, it goes there again.
#[test]
fn the_psam_s_own_trailer_behind_other_records() {
    for with_record in [true, false] {
        let mut scene = Scene::new();
        let empty = scene.copy();
        scene.collect();
        let mut planted = scene.parcels();
        planted[0] = altered(&planted[0]);
        planted.drain(..usize::from(!with_record));
        scene.put(&empty);
        scene.append(&planted);
        scene.collect();
        assert_eq!(scene.parcels().len(), planted.len() + 2, "the batch has come on board");
        assert_eq!(scene.clear().stored.len(), 1);
        assert_eq!(scene.paid(), 300);
        scene.settles_in_the_next_trip();
    }
}

/// A batch that is on board as a whole is not put there twice, whatever lies around it.
#[test]
fn what_is_aboard_is_not_put_there_twice() {
    let mut scene = Scene::new();
    scene.collect();
    let parcels = scene.parcels();
    scene.append(&[altered(&parcels[0]), parcels[1].clone()]);
    scene.collect();
    assert_eq!(scene.parcels().len(), 4);
    scene.clear();
    scene.settles_in_the_next_trip();
}

/// The courier plants pieces before, between and behind the visits of two terminals, drawn at
/// random: copies of right pieces, altered ones, under other numbers and indices. No visit is
/// broken by them, and both merchants are paid in the same trip.
#[test]
fn pieces_planted_around_the_visits() {
    let seed: u64 = std::env::var("SEED").map_or(11, |seed| seed.parse().expect("a number"));
    println!("SEED={seed}");
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    for _ in 0..12 {
        let mut scene = Scene::new();
        for (terminal, minor) in [(BUS, 40), (BUS, 50), ("car-park", 20), ("car-park", 30)] {
            scene.world().pay(1, terminal, amount(minor), NOW).expect("paid");
        }
        // He has seen a card with these batches before.
        let empty = scene.copy();
        scene.collect();
        scene.world().collect("car-park").expect("collected");
        let seen = scene.parcels();
        assert_eq!(seen.len(), 7);
        scene.put(&empty);
        for terminal in [BUS, "car-park"] {
            let planted: Vec<_> = (0..random.next_u32() % 9).map(|_| drawn(&seen, &mut random)).collect();
            scene.append(&planted);
            scene.world().collect(terminal).expect("collected");
        }
        let planted: Vec<_> = (0..random.next_u32() % 9).map(|_| drawn(&seen, &mut random)).collect();
        scene.append(&planted);
        let cleared = scene.clear();
        assert_eq!(cleared.stored.len(), 2, "{:?}", cleared.refused);
        assert_eq!(scene.paid(), 440);
    }
}

/// A piece that somebody could plant who has seen these.
fn drawn(seen: &[Parcel], random: &mut ChaCha12Rng) -> Parcel {
    let mut below = |bound: usize| random.next_u32() as usize % bound;
    let parcel = seen[below(seen.len())].clone();
    match below(4) {
        0 => altered(&parcel),
        1 => Parcel { index: u16::try_from(below(4)).expect("small"), ..parcel },
        2 => Parcel { batch: BatchNumber::new(9).expect("a number"), ..parcel },
        _ => parcel,
    }
}

/// The last byte, of a MAC or a sum, is another one.
fn altered(parcel: &Parcel) -> Parcel {
    let mut content = parcel.content.as_slice().to_vec();
    *content.last_mut().expect("content") ^= 0x01;
    Parcel { content: Octets::new(&content).expect("as long"), ..parcel.clone() }
}

/// The word that a batch is stored, under this MAC.
fn acknowledgement(sam: SamId, batch: BatchNumber, s4: Mac, mac: Mac) -> Acknowledgement {
    Acknowledgement { sam, batch, s4, time: NOW, list_min: 0, resolved: List::new(), mac }
}

/// The courier writes acknowledgements himself, so that the PSAM forgets its batch: without
/// a MAC, with that of another batch, for another PSAM, and nonsense. The PSAM refuses them,
/// and takes the right one that lies behind them.
#[test]
fn forged_and_foreign_acknowledgements() {
    let mut scene = Scene::new();
    let sam = scene.sam();
    scene.collect();
    let trailer = scene.parcels().pop().expect("a trailer");
    let trailer = Trailer::from_bytes(trailer.content.as_slice()).expect("a trailer");
    let forged = |batch, s4, mac| acknowledgement(sam, batch, s4, mac);
    let next = trailer.batch.next().expect("a number");
    let words = [
        forged(trailer.batch, trailer.s4, Mac::default()),
        forged(trailer.batch, trailer.s4, trailer.s4),
        forged(next, trailer.s4, Mac([7; 8])),
        forged(BatchNumber::new(999).expect("a number"), Mac([1; 8]), Mac([1; 8])),
    ];
    scene.courier(|card| {
        for word in &words {
            let mut buffer = [0; Acknowledgement::MAX];
            let content = Octets::new(word.to_slice(&mut buffer).expect("fits")).expect("short");
            card.append_download(&Download { sam, content }).expect("on board");
        }
        let content = Octets::new(b"nonsense").expect("short");
        card.append_download(&Download { sam, content }).expect("on board");
    });
    scene.collect();
    assert_eq!(scene.parcels().len(), 2, "the PSAM has forgotten nothing");
    assert_eq!(scene.clear().stored.len(), 1);
    scene.settles_in_the_next_trip();
}

/// Whoever has read S4 on the card makes acknowledgements that only the PSAM can tell from the
/// right one. They lie before and behind it, on a card that nonsense fills besides, and the PSAM
/// takes the right one in one visit.
#[test]
fn acknowledgements_planted_around_the_right_one() {
    let mut scene = Scene::new();
    let sam = scene.sam();
    scene.collect();
    let trailer = scene.parcels().pop().expect("a trailer");
    let trailer = Trailer::from_bytes(trailer.content.as_slice()).expect("a trailer");
    let plant = |scene: &mut Scene, batch: BatchNumber, count: u8| {
        scene.courier(|card| {
            for number in 0..count {
                let word = acknowledgement(sam, batch, trailer.s4, Mac([number; 8]));
                let mut buffer = [0; Acknowledgement::MAX];
                let content = Octets::new(word.to_slice(&mut buffer).expect("fits")).expect("short");
                card.append_download(&Download { sam, content }).expect("on board");
            }
        });
    };
    plant(&mut scene, trailer.batch, 10);
    (0..3).for_each(|_| plant(&mut scene, BatchNumber::new(7).expect("a number"), 255));
    assert_eq!(scene.clear().stored.len(), 1);
    plant(&mut scene, trailer.batch, 10);
    plant(&mut scene, trailer.batch.next().expect("a number"), 255);
    assert_eq!(scene.world().collect(BUS).expect("collected").acknowledged, 1);
    assert!(scene.parcels().is_empty(), "the bus has nothing left to give");
}

/// The right word with its MAC, and another time, lies before the right one: a bit is enough, and needs no
/// courier who knows anything. Would bring: a PSAM that is never acknowledged again, because each is
/// shown it once. Fails since two words are the same where all their bytes are.
#[test]
fn the_right_word_with_another_time_in_front_of_it() {
    let word = |scene: &mut Scene| {
        let sam = scene.sam();
        let mut content = None;
        scene.courier(|card| content = card.download(sam, 1).expect("a card"));
        let content = content.expect("a download").download.content;
        Acknowledgement::from_bytes(content.as_slice()).expect("a word")
    };
    let mut scene = Scene::new();
    scene.collect();
    assert_eq!(scene.clear().stored.len(), 1);
    let right = word(&mut scene);
    let altered = Acknowledgement { time: Time(right.time.0 ^ 1), ..right.clone() };
    // Another world from the same seed.
    let mut scene = Scene::new();
    let sam = scene.sam();
    scene.collect();
    scene.courier(|card| {
        let mut buffer = [0; Acknowledgement::MAX];
        let content = Octets::new(altered.to_slice(&mut buffer).expect("fits")).expect("short");
        card.append_download(&Download { sam, content }).expect("on board");
    });
    assert_eq!(scene.clear().stored.len(), 1);
    assert_eq!(word(&mut scene), altered, "it comes first");
    assert_eq!(scene.world().collect(BUS).expect("collected").acknowledged, 1);
}

/// The courier fills the card with downloads, so that no parcel fits any more. It is emptied at
/// the background system, although it brings nothing.
#[test]
fn a_card_full_of_downloads() {
    let mut scene = Scene::new();
    let sam = scene.sam();
    scene.courier(|card| {
        let content = Octets::new(&[0x55; 180]).expect("short");
        while card.append_download(&Download { sam, content: content.clone() }).is_ok() {}
    });
    assert_eq!(scene.world().collect(BUS).expect("said so").left.len(), 1, "no room");
    assert!(scene.clear().stored.is_empty());
    scene.settles_in_the_next_trip();
}

/// The courier brings one terminal's acknowledgements to another, all at once and again.
#[test]
fn acknowledgements_replayed_and_to_another_terminal() {
    let mut scene = Scene::new();
    scene.world().pay(1, "car-park", amount(20), NOW).expect("paid");
    scene.collect();
    scene.world().collect("car-park").expect("collected");
    assert_eq!(scene.clear().stored.len(), 2);
    for _ in 0..3 {
        scene.collect();
        scene.world().collect("car-park").expect("collected");
    }
    assert_eq!(scene.paid(), 320);
    scene.world().pay(1, BUS, amount(1), NOW).expect("paid");
    scene.collect();
    assert_eq!(scene.clear().stored.len(), 1);
    assert_eq!(scene.paid(), 321);
}

/// Puts parcels of nonsense on board, as many as have room and `most` at most; how many.
fn flood(scene: &mut Scene, most: u32) -> u32 {
    let sam = scene.sam();
    scene.courier(|card| {
        let content = Octets::new(&[0x55; 180]).expect("short");
        let mut fits = |number: &u32| {
            let batch = BatchNumber::new(1 + number / 500).expect("a number");
            let index = u16::try_from(number % 500).expect("small");
            card.append_parcel(&Parcel { sam, batch, index, content: content.clone() }).is_ok()
        };
        (0..most).find(|number| !fits(number)).unwrap_or(most)
    })
}

/// The courier fills the card with nonsense. The terminal cannot export, says so, and keeps
/// everything; at the background system the card is emptied.
#[test]
fn a_flooded_card() {
    let mut scene = Scene::new();
    println!("parcels of nonsense on a 1 MiB card: {}", flood(&mut scene, u32::MAX));
    assert_eq!(scene.world().collect(BUS).expect("said so").left.len(), 1, "no room");
    assert!(!scene.clear().refused.is_empty());
    assert!(scene.parcels().is_empty(), "released");
    scene.settles_in_the_next_trip();
}

/// The card becomes full in the middle of a batch. It is full for whoever comes, and each is told
/// what to do; the piece that went on board is no batch, and after a delivery everybody's payments
/// come in.
#[test]
fn a_card_that_becomes_full_in_the_middle_of_a_batch() {
    let mut scene = Scene::new();
    scene.world().pay(1, "car-park", amount(20), NOW).expect("paid");
    for minor in 1..=6 {
        scene.world().pay(1, BUS, amount(minor), NOW).expect("paid");
    }
    let empty = scene.copy();
    let most = flood(&mut scene, u32::MAX);
    scene.put(&empty);
    flood(&mut scene, most - 3);
    let names = [BUS, "car-park"].map(String::from);
    let (collected, failed) = scene.world().collect_all(&names);
    assert!(collected.iter().all(|done| done.batches.is_empty() && done.left.len() == 1), "{collected:?}");
    for (name, failure) in names.iter().zip(&failed) {
        assert_eq!(&failure.participant, name);
        let told = ["full", "bring it to the background system", "stay in the PSAM: 1"];
        assert!(told.iter().all(|words| failure.error.contains(words)), "{failure}");
    }
    let aboard = u32::try_from(scene.parcels().len()).expect("few");
    assert!(aboard > most - 3, "a piece of the first batch is on board");
    assert!(scene.clear().stored.is_empty());
    let (collected, failed) = scene.world().collect_all(&names);
    assert!(failed.is_empty() && collected.iter().all(|done| done.batches.len() == 1), "{failed:?}");
    assert_eq!(scene.clear().stored.len(), 2);
    assert_eq!(scene.paid(), 300 + 20 + 21);
}
