//! Cards in readers, with everything that can go wrong between a card and a terminal.
//!
//! A card's power fails at any byte of any write ([`Fault::Tear`], [`Fault::SamTear`]) and
//! again while it recovers; a purse is pulled between exchanges; answers are rewritten. What
//! the cards commit and say is told to the [`Truth`](super::truth::Truth), from inside, by
//! asking the card itself; PSAMs are in `psam`.

use apdu_spec::Apdu;
use apdu_spec::aid::Aid;
use apdu_spec::element::SamId;
use apdu_spec::life_cycle::LifeCycle;
use apdu_spec::purse::{
    BalanceResponse, Executed, Initialized, PreviousSignature, PurseCommand, PurseInformation,
};
use apdu_spec::{Element, StatusWord};
use card_os::kernel::Response;
use card_os::kernel::memory::MemoryError;
use host::Error;
use host::reader::Reader;

use super::fate::{Fate, Shared};
use super::rates::Fault;
use super::truth::{Ordered, Standing, sam_of};
use crate::model::{Event, Kind};
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
    fn cut(&mut self) {
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

/// A purse.
#[derive(Debug)]
pub struct Purse {
    index: usize,
    slot: Slot,
    /// Counterpart of the session that is open.
    session: Option<SamId>,
    /// The order of which it is not known what became.
    ordered: Option<Ordered>,
}

/// GET DATA 0101.
const INFORMATION: &[u8] = &[0x00, 0xCA, 0x01, 0x01, 0x00];
/// GET BALANCE.
const BALANCE: &[u8] = &[0x90, 0x5C, 0x00, 0x00, 0x00];

impl Purse {
    /// The purse of this number, from 0.
    #[must_use]
    pub const fn new(index: usize, slot: Slot) -> Self {
        Self { index, slot, session: None, ordered: None }
    }

    /// The purse in a reader.
    pub const fn tap<'s>(&'s mut self, shared: &'s Shared) -> Tap<'s> {
        Tap { purse: self, shared, pulled: false }
    }

    /// Power is back, where it was gone, and the purse shows where it stands.
    pub fn settle(&mut self, fate: &mut Fate, off_and_on: bool) {
        if off_and_on || !self.slot.is_powered() {
            self.slot.power_up(fate);
            self.session = None;
            if !self.slot.is_powered() {
                return;
            }
            self.slot.select(Aid::PURSE);
            self.look(fate);
            fate.truth.tell(Event::SessionEnded { purse: self.index });
        }
    }

    /// The simulation looks where the purse stands.
    fn look(&mut self, fate: &mut Fate) {
        let information = self.slot.ask::<PurseInformation>(INFORMATION);
        let balance = self.slot.ask::<BalanceResponse>(BALANCE);
        let (Some(information), Some(balance)) = (information, balance) else {
            return fate.truth.violate(|| format!("purse {} does not say where it stands", self.index));
        };
        let [nt, nv] = [information.nt, information.nv].map(|number| number.get() as usize);
        let (receipts, balance) = (information.receipts.into(), balance.balance.0.into());
        fate.truth.seen(self.index, Standing { nt, nv, receipts, balance }, self.ordered.take());
    }

    /// One exchange, with what the truth hears of it.
    fn exchange(&mut self, command: &[u8], fate: &mut Fate) -> Option<Vec<u8>> {
        let decoded = decode::<PurseCommand>(command, PurseCommand::decode);
        if let Some(decoded) = &decoded {
            self.ordered = self.order_of(decoded).or(self.ordered);
        }
        let answered = self.slot.exchange(command, fate);
        let answer = answered.then(|| self.slot.answer());
        if answered && let Some(decoded) = decoded {
            self.observe(&decoded, fate);
        }
        self.slot.housekeep(fate);
        answer
    }

    /// The order in a command that moves value.
    fn order_of(&self, command: &PurseCommand) -> Option<Ordered> {
        use PurseCommand as C;
        let (kind, order) = match command {
            C::DebitIep(execute) => (Kind::Purchase, Some(execute.order)),
            C::CreditLoad(execute) => (Kind::Load, Some(execute.order)),
            C::DebitUnload(execute) => (Kind::Unload, Some(execute.order)),
            C::CreditCancellation(_) => (Kind::Cancellation, None),
            _ => return None,
        };
        let amount = order.map_or(0, |order| order.amount.get().into());
        let sam = self.session.filter(|_| kind == Kind::Purchase);
        let purchase = sam.zip(order).map(|(sam, order)| (sam_of(sam.number.get()), order.nt.get() as usize));
        Some(Ordered { kind, amount, purchase })
    }

    fn observe(&mut self, command: &PurseCommand, fate: &mut Fate) {
        use PurseCommand as C;
        let counterpart = match command {
            C::InitializeIep(request) => request.counterpart,
            C::InitializeLoad(request) | C::InitializeUnload(request) => request.counterpart,
            C::DebitIep(_) | C::CreditLoad(_) | C::DebitUnload(_) | C::CreditCancellation(_) => {
                if self.slot.data::<Executed>().is_some() {
                    fate.tally.believed += 1;
                }
                return self.look(fate);
            }
            // Whatever it answers is final, because its session is over.
            C::PreviousByNt(_) | C::PreviousByNv(_) => {
                if self.slot.data::<PreviousSignature>().is_some() {
                    fate.truth.tell(Event::SessionEnded { purse: self.index });
                }
                return;
            }
            _ => return,
        };
        if let Some(initialized) = self.slot.data::<Initialized>() {
            self.session = Some(counterpart.sam);
            fate.truth.stated(self.index, initialized.statement.position.nt.get() as usize);
        }
    }
}

/// A command of this set, where it is one.
pub(super) fn decode<C>(
    command: &[u8],
    decode: impl FnOnce(&Apdu<'_>, LifeCycle) -> Option<Result<C, StatusWord>>,
) -> Option<C> {
    decode(&Apdu::parse(command).ok()?, LifeCycle::Personalized)?.ok()
}

/// A purse that is held to a reader.
#[derive(Debug)]
pub struct Tap<'s> {
    purse: &'s mut Purse,
    shared: &'s Shared,
    pulled: bool,
}

impl Tap<'_> {
    /// The purse goes away: whether it did too early.
    fn pull(&mut self, command: &[u8], fate: &mut Fate) -> Error {
        if fate.chance.coin() {
            let _ = self.purse.exchange(command, fate);
        }
        self.purse.slot.cut();
        self.pulled = true;
        lost("the purse was pulled")
    }
}

impl Reader for Tap<'_> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        let mut fate = self.shared.lock();
        if fate.crashes() {
            return Err(lost("the terminal is dead"));
        }
        if self.pulled {
            return Err(lost("no purse"));
        }
        if fate.happens(Fault::Pull) {
            return Err(self.pull(command, &mut fate));
        }
        let answer = if fate.happens(Fault::Rewrite) {
            let mut middle = Middle::draw(&mut fate);
            let answer = self.purse.exchange(&middle.command(command), &mut fate);
            answer.map(|answer| middle.answer(answer))
        } else {
            self.purse.exchange(command, &mut fate)
        };
        self.pulled |= answer.is_none();
        answer.ok_or_else(|| lost("the purse has lost power"))
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.purse.settle(&mut self.shared.lock(), true);
        Ok(())
    }
}

/// Somebody between terminal and purse.
struct Middle {
    what: u32,
    bit: u32,
}

impl Middle {
    fn draw(fate: &mut Fate) -> Self {
        Self { what: fate.chance.below(3), bit: fate.chance.below(u32::MAX) }
    }

    fn turn(&self, bytes: &mut [u8]) {
        if let Some(count) = u32::try_from(bytes.len() * 8).ok().filter(|count| *count > 0) {
            let bit = self.bit % count;
            bytes[bit as usize / 8] ^= 1 << (bit % 8);
        }
    }

    fn command(&self, command: &[u8]) -> Vec<u8> {
        let mut command = command.to_vec();
        if self.what == 0 && command.len() > 5 {
            self.turn(&mut command[5..]);
        }
        command
    }

    fn answer(&mut self, mut answer: Vec<u8>) -> Vec<u8> {
        let data = answer.len() - 2;
        match self.what {
            0 => {}
            1 => self.turn(&mut answer[..data]),
            _ if answer[data..] == [0x90, 0x00] => answer[data..].copy_from_slice(&[0x69, 0x85]),
            _ => answer[data..].copy_from_slice(&[0x90, 0x00]),
        }
        answer
    }
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
