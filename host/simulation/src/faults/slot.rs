//! Cards in readers that lose power at any byte of any write ([`Fault::Tear`],
//! [`Fault::SamTear`]) and again while they recover. Purses are in [`purse`](super::purse),
//! PSAMs in [`psam`](super::psam); a transfer card, which the model does not know, is here.

use apdu_spec::Apdu;
use apdu_spec::life_cycle::LifeCycle;
use apdu_spec::{Element, StatusWord};
use card_os::kernel::Response;
use card_os::kernel::memory::MemoryError;
use host::Error;
use host::reader::Reader;

use super::fate::{Fate, Shared};
use super::rates::Fault;
use crate::weaken::Device;

/// Bytes within which power fails, once it is going to: an entry of a card is shorter.
const REACH: u32 = 180;

/// A card and whether it has power.
#[derive(Debug)]
pub struct Slot {
    device: Box<dyn Device>,
    response: Response,
    powered: bool,
    tear: Fault,
}

impl Slot {
    /// A card that loses power at the rate of this fault.
    #[must_use]
    pub fn new(device: Box<dyn Device>, tear: Fault) -> Self {
        Self { device, response: Response::new(), powered: true, tear }
    }

    /// The card.
    pub fn device(&mut self) -> &mut dyn Device {
        &mut *self.device
    }

    /// Whether it has power.
    #[must_use]
    pub const fn is_powered(&self) -> bool {
        self.powered
    }

    /// Sends a command; nothing where power failed. The answer is in `response`.
    pub(super) fn exchange(&mut self, command: &[u8], fate: &mut Fate) -> bool {
        fate.tally.apdus += 1;
        let torn = fate.happens(self.tear);
        if torn && let Some(chip) = self.device.chip() {
            chip.cut_after(fate.chance.below(REACH) as usize);
        }
        self.device.process(command, &mut self.response);
        self.after_write(fate)
    }

    /// Whether power is still there; its loss is counted once.
    fn after_write(&mut self, fate: &mut Fate) -> bool {
        if self.powered && self.failed() {
            self.powered = false;
            fate.tally.tears += 1;
            fate.tell(|| "  power has failed in a write".into());
        }
        self.powered
    }

    /// After the answer: housekeeping, in which power may fail as well.
    pub(super) fn housekeep(&mut self, fate: &mut Fate) {
        if self.powered {
            self.device.housekeep();
        }
        if self.after_write(fate) {
            self.device.chip().map(super::chip::Chip::spare);
        }
        let impossible = self.device.chip().is_some_and(|chip| chip.impossible());
        fate.truth.must(!impossible, || "a card programmed what was not erased".into());
    }

    fn failed(&mut self) -> bool {
        self.device.chip().is_none_or(|chip| chip.has_failed())
    }

    /// Power is gone.
    pub(super) fn cut(&mut self) {
        self.device.chip().map(super::chip::Chip::cut);
        self.powered = false;
    }

    /// Switches off and on, until it stays on.
    pub fn power_up(&mut self, fate: &mut Fate) {
        loop {
            let torn = fate.happens(self.tear);
            let cut = torn.then(|| fate.chance.below(REACH) as usize);
            let started = self.device.power_cycle(cut);
            fate.tally.tears += u64::from(self.failed());
            match started {
                Ok(()) if !self.failed() => break,
                Ok(()) | Err(MemoryError::Chip) if torn => {}
                _ => return fate.truth.violate(|| format!("a card does not start any more: {started:?}")),
            }
        }
        self.device.chip().map(super::chip::Chip::spare);
        self.powered = true;
    }

    /// SELECT, by the simulation itself.
    pub(super) fn select(&mut self, aid: &[u8]) {
        let mut select = vec![0x00, 0xA4, 0x04, 0x0C, 0x06];
        select.extend(aid);
        self.device.process(&select, &mut self.response);
    }

    /// A question that is no exchange: the simulation looks into the card.
    pub(super) fn ask<E: Element>(&mut self, command: &[u8]) -> Option<E> {
        self.device.process(command, &mut self.response);
        let (data, status) = self.response.split_last_chunk::<2>()?;
        (*status == StatusWord::OK.to_bytes()).then(|| E::from_bytes(data).ok())?
    }

    pub(super) fn answer(&self) -> Vec<u8> {
        self.response.to_vec()
    }

    /// The answer's data, where its status word is 9000.
    pub(super) fn data<E: Element>(&self) -> Option<E> {
        let (data, status) = self.response.split_last_chunk::<2>()?;
        (*status == StatusWord::OK.to_bytes()).then(|| E::from_bytes(data).ok())?
    }
}

pub(super) fn lost(why: &str) -> Error {
    Error::NoAnswer(why.into())
}

/// A command of this set, where it is one.
pub(super) fn decode<C>(
    command: &[u8],
    decode: impl FnOnce(&Apdu<'_>, LifeCycle) -> Option<Result<C, StatusWord>>,
) -> Option<C> {
    decode(&Apdu::parse(command).ok()?, LifeCycle::Personalized)?.ok()
}

/// A transfer card that is held to a reader.
#[derive(Debug)]
pub struct Carried<'s> {
    slot: &'s mut Slot,
    shared: &'s Shared,
}

impl<'s> Carried<'s> {
    /// Somebody brings it.
    pub const fn new(slot: &'s mut Slot, shared: &'s Shared) -> Self {
        Self { slot, shared }
    }
}

impl Reader for Carried<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let mut fate = self.shared.lock();
        if fate.crashes() {
            return Err(lost("the terminal is dead"));
        }
        if self.slot.is_powered() && fate.happens(Fault::Pull) {
            self.slot.cut();
        }
        if !self.slot.is_powered() || !self.slot.exchange(command, &mut fate) {
            return Err(lost("the transfer card has no power"));
        }
        let answer = self.slot.answer();
        self.slot.housekeep(&mut fate);
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.slot.power_up(&mut self.shared.lock());
        Ok(())
    }
}
