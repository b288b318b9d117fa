//! Purses in readers. A purse is pulled between exchanges and answers are rewritten; what it
//! commits and states is told to the [`Truth`](super::truth::Truth), from inside, by asking
//! the card itself.

use apdu_spec::aid::Aid;
use apdu_spec::element::SamId;
use apdu_spec::purse::{
    BalanceResponse, Executed, Initialized, PreviousSignature, PurseCommand, PurseInformation,
};
use host::Error;
use host::reader::Reader;

use super::fate::{Fate, Shared};
use super::middle::Middle;
use super::rates::Fault;
use super::slot::{Slot, decode, lost};
use super::truth::{Ordered, Standing, sam_of};
use crate::model::{Event, Kind};
use crate::weaken::Device;

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

    /// The card itself, for who does not tell the truth.
    pub(crate) fn device(&mut self) -> &mut dyn Device {
        self.slot.device()
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
        if fate.notebook.open
            && let (Some(decoded), Some(answer)) = (&decoded, &answer)
        {
            fate.notebook.hear_purse(command, decoded, answer);
        }
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
            let nt = initialized.statement.position.nt.get() as usize;
            fate.truth.stated(self.index, nt, counterpart.challenge);
        }
    }
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
        // Commands of the purse itself, whose class is 90: what a relay would say to SELECT matters to nobody.
        if command.first() == Some(&0x90) && fate.happens(Fault::Relay) {
            let Fate { notebook, chance, .. } = &mut *fate;
            return Ok(notebook.invent(command, chance));
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
