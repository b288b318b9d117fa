use std::collections::BTreeMap;
use std::fs;

use apdu_spec::crypto::secure_channel::{ChannelKey, KeySet, KeyType};
use apdu_spec::element::Algorithm;
use apdu_spec::element::Currency;
use card_os::applets::AppletKind;
use host::card::domain::SecurityDomain;
use host::card::purse::PurseCard;
use host::reader::virtual_reader::VirtualReader;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::*;
use crate::scheme::{Connection, Scheme};

const NOW: Time = Time(1_770_000_000);
const HEAD: &str = "provider,currency,maximum,limit,pin,pin_load_limit\n";
const LINE: &str = "9276,EUR,200.00,50.00,random,20.00\n";

struct Place {
    directory: tempfile::TempDir,
    world: World,
    files: Files,
}

impl Place {
    fn new(lines: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let scheme = Scheme::new(Currency::EUR, &[("kiosk", Connection::Online)]);
        let random = ChaCha12Rng::seed_from_u64(1);
        let world = World::create(&at("data"), scheme, Algorithm::AesCmac, random, NOW).unwrap();
        let files = Files { order: at("o.csv"), results: at("r.csv"), letters: at("p.csv") };
        fs::write(&files.order, HEAD.to_owned() + &LINE.repeat(lines)).unwrap();
        Self { directory, world, files }
    }

    fn line(&mut self) -> Line {
        let initial = Access::with(Access::initial().keys, 0);
        Line::open(&mut self.world, &self.files, &Columns::default(), initial, NOW).unwrap()
    }

    fn results(&self) -> Vec<String> {
        fs::read_to_string(&self.files.results).unwrap().lines().skip(1).map(str::to_owned).collect()
    }
}

/// A reader whose card is pulled after so many commands: the last is carried out, and its
/// answer lost, or it never arrives.
struct Pulled {
    reader: VirtualReader,
    left: usize,
    arrives: bool,
}

impl Reader for Pulled {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, host::Error> {
        let lost = || host::Error::NoAnswer("pulled".into());
        if self.left == 0 {
            return Err(lost());
        }
        self.left -= 1;
        if self.left == 0 {
            if self.arrives {
                let _ = self.reader.transmit(command);
            }
            return Err(lost());
        }
        self.reader.transmit(command)
    }

    fn reset(&mut self) -> Result<(), host::Error> {
        self.reader.reset()
    }
}

fn card(path: &Path, seed: u64) -> VirtualReader {
    VirtualReader::open(path, Box::new(ChaCha12Rng::seed_from_u64(seed)), false).unwrap()
}

/// Every command of a personalisation: the card is pulled there, then presented again.
#[test]
fn a_card_that_is_pulled_anywhere_is_finished() {
    let mut place = Place::new(60);
    let mut whole = 0;
    for (round, cut) in (1..30).flat_map(|cut| [(cut, false), (cut, true)]).enumerate() {
        let path = place.directory.path().join(format!("{round}.card"));
        let random = Box::new(ChaCha12Rng::seed_from_u64(round as u64));
        drop(VirtualReader::create(&path, AppletKind::Purse, random).unwrap());
        let mut line = place.line();
        let pending = line.pending().len();
        let (meant, _) = line.meet(&mut card(&path, 1)).unwrap();
        let Meant::Line(at) = meant else { panic!("{meant:?}") };
        let reader = Pulled { reader: card(&path, 2), left: cut.0, arrives: cut.1 };
        let first = line.personalise_card(&mut place.world, at, Box::new(reader)).unwrap();
        if first.outcome == Outcome::Issued {
            whole += 1;
            continue;
        }
        assert!(matches!(first.outcome, Outcome::Failed(_)), "{first:?}");
        // A new process: what was torn is known by its card, where that had said who it is.
        let mut line = place.line();
        assert_eq!(line.pending().len(), pending);
        let (meant, _) = line.meet(&mut card(&path, 3)).unwrap();
        assert_eq!(meant, Meant::Line(at), "pulled at {cut:?}");
        let reader = Box::new(card(&path, 4));
        let second = line.personalise_card(&mut place.world, at, reader).unwrap();
        assert!(second.outcome.is_done(), "pulled at {cut:?}: {second:?}");
        assert_eq!(second.purse, first.purse);
        let mut reader = card(&path, 5);
        let information = PurseCard::select(&mut reader).unwrap().information().unwrap();
        assert_eq!(information.identity.iep.number.get(), second.purse);
        assert_eq!(line.meet(&mut reader).unwrap().0, Meant::Done(at));
    }
    assert!(whole > 10, "a personalisation is longer than this test");
    // Each number once.
    let mut good = BTreeMap::new();
    for line in place.results() {
        if let Some((_, purse)) = done_in(&line) {
            *good.entry(purse).or_insert(0) += 1;
        }
    }
    assert!(good.values().all(|count| *count == 1), "{good:?}");
}

#[test]
fn cards_that_are_not_meant_are_left_alone() {
    let mut place = Place::new(1);
    let foreign = {
        let mut other = Place::new(1);
        let mut line = other.line();
        line.make_image(&mut other.world, 0, Some(place.directory.path())).unwrap();
        place.directory.path().join("purse-1.card")
    };
    let line = place.line();
    assert_eq!(line.meet(&mut card(&foreign, 1)).unwrap().0, Meant::Foreign);
    let mut line = place.line();
    line.make_image(&mut place.world, 0, None).unwrap();
    let path = place.directory.path().join("blank.card");
    drop(VirtualReader::create(&path, AppletKind::Purse, Box::new(ChaCha12Rng::seed_from_u64(3))).unwrap());
    assert_eq!(line.meet(&mut card(&path, 1)).unwrap().0, Meant::Spare);
}

/// Some card of somebody else's in the reader, by mistake.
#[test]
fn a_card_that_lets_nobody_in_takes_no_line() {
    let mut place = Place::new(1);
    let make = |name: &str, seed| {
        let path = place.directory.path().join(name);
        let random = Box::new(ChaCha12Rng::seed_from_u64(seed));
        drop(VirtualReader::create(&path, AppletKind::Purse, random).unwrap());
        path
    };
    let (other, blank) = (make("other.card", 1), make("blank.card", 2));
    let key = || ChannelKey::new(KeyType::Aes, &[7; 16]).unwrap();
    let keys = KeySet { enc: key(), mac: key(), dek: key() };
    let access = Access::with(keys, 0x55);
    let (mut strange, mut random) = (card(&other, 3), ChaCha12Rng::seed_from_u64(4));
    let mut domain = SecurityDomain::open(&mut strange, &Access::initial(), &mut random).unwrap();
    domain.put_keys(0, 0x55, &access.keys).unwrap();
    SecurityDomain::open(&mut strange, &access, &mut random).unwrap();
    drop(strange);
    let mut line = place.line();
    assert_eq!(line.meet(&mut card(&other, 5)).unwrap().0, Meant::Line(0));
    let refused = line.personalise_card(&mut place.world, 0, Box::new(card(&other, 6))).unwrap();
    assert!(matches!(refused.outcome, Outcome::Failed(_)), "{refused:?}");
    assert!(!line.is_begun(0));
    let mut line = place.line();
    assert_eq!(line.meet(&mut card(&blank, 7)).unwrap().0, Meant::Line(0));
    let done = line.personalise_card(&mut place.world, 0, Box::new(card(&blank, 8))).unwrap();
    assert_eq!((done.outcome, done.purse), (Outcome::Issued, refused.purse));
}

#[test]
fn an_order_is_done_once() {
    let mut place = Place::new(2);
    let mut line = place.line();
    for at in line.pending() {
        assert_eq!(line.make_image(&mut place.world, at, None).unwrap().outcome, Outcome::Issued);
    }
    assert!(place.line().pending().is_empty());
    // Neither results nor job are there: the cards say it themselves.
    fs::remove_file(&place.files.results).unwrap();
    let job = fs::read_dir(place.world.jobs()).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&job).unwrap();
    fs::write(&job, text.lines().next().unwrap().to_owned() + "\n{\"card").unwrap();
    let mut line = place.line();
    for at in line.pending() {
        assert_eq!(line.make_image(&mut place.world, at, None).unwrap().outcome, Outcome::Already);
    }
    assert_eq!(place.world.purse_numbers(), [1, 2]);
    assert_eq!(fs::read_to_string(&place.files.letters).unwrap().lines().count(), 3, "two PINs");
}

#[test]
fn numbers_are_given_out_once() {
    let mut place = Place::new(1);
    let explicit = |number: u64| format!("number,{HEAD}{number},{LINE}");
    place.world.issue_purse(crate::world::Limits { maximum: 1, overdraft: 0, purchase: 1 }, NOW).unwrap();
    fs::write(&place.files.order, explicit(3)).unwrap();
    place.line();
    fs::write(&place.files.order, HEAD.to_owned() + &LINE.repeat(2)).unwrap();
    let line = place.line();
    assert_eq!([line.number(0).unwrap(), line.number(1).unwrap()], [2, 4], "3 is ordered, not issued yet");
    for taken in [1, 2, 3] {
        fs::write(&place.files.order, explicit(taken) + "# again\n").unwrap();
        let initial = Access::initial();
        let error =
            Line::open(&mut place.world, &place.files, &Columns::default(), initial, NOW).unwrap_err();
        assert!(error.to_string().contains("line 2: card number"), "{error}");
    }
}
