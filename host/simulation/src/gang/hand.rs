//! Cards in somebody's own hand: nobody in between, and nobody else hears what they are told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apdu_spec::catalog;
use apdu_spec::element::{Counter, IepId, SamCounter};
use apdu_spec::life_cycle::LifeCycle;
use apdu_spec::sam::{Opened, SamCommand};
use apdu_spec::{Apdu, Element};
use card_os::kernel::Response;
use host::Error;
use host::reader::Reader;
use rand_core::Rng as _;

use super::till::Till;
use crate::faults::chance::Chance;
use crate::faults::psam::Psam;
use crate::weaken::Device;

/// What is seen of all cards, by who judges.
#[derive(Clone, Debug, Default)]
pub struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    sent: BTreeMap<&'static str, (u64, u64)>,
    /// Purse and NV of each purchase, by PSAM and number.
    opened: BTreeMap<(usize, SamCounter), (IepId, Counter)>,
    violation: Option<String>,
}

impl Watch {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts something that was sent, under its name.
    pub fn note(&self, name: &'static str, succeeded: bool) {
        let mut seen = self.seen();
        let (sent, good) = seen.sent.entry(name).or_default();
        (*sent, *good) = (*sent + 1, *good + u64::from(succeeded));
    }

    /// What was sent.
    #[must_use]
    pub fn sent(&self) -> BTreeMap<&'static str, (u64, u64)> {
        self.seen().sent.clone()
    }

    /// Tells what must not have happened.
    pub fn report(&self, till: &mut Till) {
        if let Some(text) = self.seen().violation.take() {
            till.violate(|| text);
        }
    }

    fn card(&self, command: &[u8], answer: &[u8]) {
        let row = Apdu::parse(command).ok().and_then(|apdu| catalog::find(&apdu));
        if let Some(row) = row {
            self.note(row.name, answer.ends_with(&[0x90, 0x00]));
        }
    }

    /// A PSAM voids a payment on the word of its own purse, and as that purse's last one.
    fn psam(&self, psam: usize, command: &[u8], answer: &[u8]) {
        let Some((data, [0x90, 0x00])) = answer.split_last_chunk::<2>() else { return };
        let decoded =
            Apdu::parse(command).ok().and_then(|apdu| SamCommand::decode(&apdu, LifeCycle::Personalized));
        let mut seen = self.seen();
        match decoded {
            Some(Ok(SamCommand::InitializePsam(request))) => {
                let Ok(opened) = Opened::from_bytes(data) else { return };
                let stated = request.statement;
                let nv = stated.position.nv.next().unwrap_or_default();
                seen.opened.insert((psam, opened.order.nt), (stated.identity.iep, nv));
            }
            Some(Ok(SamCommand::PsamCancel(request))) => {
                let stated = request.previous.statement;
                let word = (stated.identity.iep, stated.position.nv);
                let own = seen.opened.get(&(psam, request.nt)).copied();
                if own.is_some_and(|own| own != word) && seen.violation.is_none() {
                    let text =
                        format!("payment {} of {own:?} was voided on the word of {word:?}", request.nt);
                    seen.violation = Some(text);
                }
            }
            _ => {}
        }
    }
}

/// A purse in the hand.
#[derive(Debug)]
pub struct Hand<'d> {
    device: &'d mut dyn Device,
    watch: Watch,
}

impl<'d> Hand<'d> {
    /// Whoever holds it, tells it anything.
    pub const fn new(device: &'d mut dyn Device, watch: Watch) -> Self {
        Self { device, watch }
    }
}

impl Reader for Hand<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let answer = tell(self.device, command);
        self.watch.card(command, &answer);
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.device.power_cycle(None).map_err(Error::from)
    }
}

/// A PSAM in the hand of its merchant.
#[derive(Clone, Debug)]
pub struct Module {
    psam: Psam,
    place: usize,
    watch: Watch,
}

impl Module {
    /// The PSAM at this place.
    #[must_use]
    pub const fn new(psam: Psam, place: usize, watch: Watch) -> Self {
        Self { psam, place, watch }
    }
}

impl Reader for Module {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let answer = self.psam.with_device(|device| tell(device, command));
        self.watch.card(command, &answer);
        self.watch.psam(self.place, command, &answer);
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.psam.with_device(|device| device.power_cycle(None)).map_err(Error::from)
    }
}

fn tell(device: &mut dyn Device, command: &[u8]) -> Vec<u8> {
    let mut response = Response::new();
    device.process(command, &mut response);
    device.housekeep();
    response.to_vec()
}

/// A relay between a reader and one or two cards: it passes on, swallows, makes up, and takes the other
/// card from some exchange on.
#[derive(Debug)]
pub struct Relay<'h> {
    first: Hand<'h>,
    second: Option<Hand<'h>>,
    /// Exchanges so far.
    count: u32,
    /// The exchange at which it does something, and what.
    trick: Option<(u32, Trick)>,
    chance: Chance,
}

/// What a relay does.
#[derive(Clone, Copy, Debug)]
enum Trick {
    /// The command is swallowed, and the answer made up.
    Invents,
    /// The command is carried out, and the answer kept back.
    Keeps,
    /// The reader hears nothing any more.
    Dies,
    /// From here on it is the other card, until the exchange of this number.
    Swaps(u32),
}

/// Exchanges within which a trick begins.
const REACH: u32 = 14;

impl<'h> Relay<'h> {
    /// A relay in front of these cards, with a trick or without.
    pub fn before(first: Hand<'h>, second: Option<Hand<'h>>, chance: &mut Chance) -> Self {
        let (at, reach) = (chance.below(REACH), chance.below(REACH));
        let trick = match chance.below(6) {
            0 => Some(Trick::Invents),
            1 => Some(Trick::Keeps),
            2 => Some(Trick::Dies),
            3 | 4 => Some(Trick::Swaps(at + reach)),
            _ => None,
        };
        let trick = trick.map(|trick| (at, trick));
        Self { first, second, count: 0, trick, chance: chance.clone() }
    }
}

impl Reader for Relay<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let count = self.count;
        self.count += 1;
        let silent = || Err(Error::NoAnswer("the relay is silent".into()));
        match self.trick {
            Some((at, Trick::Invents)) if at == count => {
                let mut answer = [0; 18];
                self.chance.fill_bytes(&mut answer);
                answer[16..].copy_from_slice(&[0x90, 0x00]);
                Ok(answer.to_vec())
            }
            Some((at, Trick::Keeps)) if at == count => {
                let _ = self.first.transmit(command);
                silent()
            }
            Some((at, Trick::Dies)) if count >= at => silent(),
            Some((at, Trick::Swaps(until))) if (at..until).contains(&count) => match &mut self.second {
                Some(second) => second.transmit(command),
                None => self.first.transmit(command),
            },
            _ => self.first.transmit(command),
        }
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.first.reset()
    }
}
