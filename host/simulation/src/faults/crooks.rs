//! Who is dishonest. What they gain must be zero.
//!
//! A terminal that replays recorded orders and answers; one that orders another amount than
//! its PSAM; one that tells its PSAM of debits that were never made, or of acknowledgements
//! that were never given. Who has opened a PSAM is in [`opened`](super::opened).

use apdu_spec::batch::Acknowledgement;
use apdu_spec::element::{Kind, Mac, Time};
use apdu_spec::purse::{Execute, Executed};
use apdu_spec::record::{Counterpart, Order};
use apdu_spec::sam::{CreditRequest, OpenPurchase, Opened};
use apdu_spec::wire::List;
use host::card::purse::PurseCard;
use host::terminal::PaymentTerminal;
use host::terminal::load::{Funding, LoadAuthority, TransferRequest};
use rand_core::Rng;

use super::chance::Chance;
use super::link::Wire;
use super::purse::Tap;
use super::rates::Fault;
use super::system::{System, VERSION, amount, load_terminal};
use crate::authority::LinkAuthority;

/// Attacks that a step may be.
const ATTACKS: [Fault; 5] = [Fault::Replay, Fault::Swap, Fault::Forge, Fault::Claim, Fault::Acknowledge];

/// A dishonest terminal with a purse.
struct Scene<'s> {
    terminal: &'s mut PaymentTerminal,
    tap: Tap<'s>,
    chance: Chance,
    time: Time,
}

impl System {
    /// Whether somebody is dishonest in this step, and how.
    pub(super) fn attack(&self) -> Option<Fault> {
        let mut fate = self.shared.lock();
        ATTACKS.into_iter().find(|fault| fate.happens(*fault))
    }

    /// Somebody is dishonest. Whatever comes of it shows in what is true.
    pub(super) fn carry_out(&mut self, attack: Fault) {
        let Some(purse) = self.holder() else { return };
        let place = self.place();
        self.tell(|| format!("attack: {} with purse {purse} at terminal {}", attack.name(), place + 1));
        self.shared.lock().tally.attacks += 1;
        let replays = self.below(2);
        match attack {
            Fault::Forge => self.forge(purse),
            Fault::Replay if replays == 0 => self.replay_load(purse, place),
            _ => drop(self.at_terminal(attack, purse, place)),
        }
        self.part(purse, place);
    }

    fn at_terminal(&mut self, attack: Fault, purse: usize, place: usize) -> Result<(), host::Error> {
        if attack == Fault::Replay {
            return self.replay_payment(purse, place);
        }
        let answers = core::mem::take(&mut self.answers);
        let Some(mut scene) = self.scene(purse, place) else { return Ok(()) };
        let made = match attack {
            Fault::Swap => scene.swap(),
            Fault::Claim => scene.claim(&answers).map(|()| None),
            _ => scene.acknowledge().map(|()| None),
        };
        self.answers = answers;
        self.answers.extend(made?);
        Ok(())
    }

    fn scene(&mut self, purse: usize, place: usize) -> Option<Scene<'_>> {
        let Self { sites, purses, shared, now, .. } = self;
        let site = &mut sites[place];
        let (time, chance) = (site.time(*now), shared.lock().chance.clone());
        site.start();
        let terminal = site.terminal.as_mut()?;
        Some(Scene { terminal, tap: purses[purse].tap(shared), chance, time })
    }

    /// A holder records a load, spends as much, and sends the recorded order again: with
    /// a generator that repeats itself the purse might be where it was.
    fn replay_load(&mut self, purse: usize, place: usize) {
        let minor = 1 + self.below(100);
        let mut chance = self.shared.lock().chance.clone();
        let counterpart = Counterpart { sam: load_terminal(), challenge: random(&mut chance) };
        let Ok(order) = self.recorded_load(purse, counterpart, minor) else { return };
        self.purses[purse].settle(&mut self.shared.lock(), false);
        self.pay_at(purse, place, minor);
        let mut tap = self.purses[purse].tap(&self.shared);
        let Ok(mut card) = PurseCard::select(&mut tap) else { return };
        let opened = card.initialize_transfer(Kind::Load, VERSION, counterpart, amount(minor));
        if opened.is_ok() {
            let _ = card.execute(Kind::Load, &order);
        }
    }

    fn recorded_load(
        &mut self,
        purse: usize,
        counterpart: Counterpart,
        minor: u32,
    ) -> Result<Execute, host::Error> {
        let Self { office, purses, shared, now, load_key, .. } = self;
        let mut tap = purses[purse].tap(shared);
        let mut card = PurseCard::select(&mut tap)?;
        let initialized = card.initialize_transfer(Kind::Load, VERSION, counterpart, amount(minor))?;
        let (kind, funding, time) = (Kind::Load, Funding::Account, *now);
        let request =
            TransferRequest { kind, funding, initialized, counterpart, amount: amount(minor), time };
        let order = LinkAuthority::new(Wire::new(office, shared, *now), load_key).authorise(&request)?;
        card.execute(Kind::Load, &order)?;
        Ok(order)
    }

    /// A terminal records a payment, waits until the purse has as much as before, and sends
    /// challenge and order again.
    fn replay_payment(&mut self, purse: usize, place: usize) -> Result<(), host::Error> {
        let minor = 1 + self.below(100);
        let Some(mut scene) = self.scene(purse, place) else { return Ok(()) };
        let (counterpart, order) = scene.recorded_payment(minor)?;
        self.purses[purse].settle(&mut self.shared.lock(), false);
        self.load(purse, minor);
        let Some(mut scene) = self.scene(purse, place) else { return Ok(()) };
        scene.replay(counterpart, &order)
    }
}

impl Scene<'_> {
    /// The PSAM orders one amount and the terminal another; the purse's answer, if it gave one.
    fn swap(&mut self) -> Result<Option<Executed>, host::Error> {
        let (minor, other) = (1 + self.chance.below(100), 1 + self.chance.below(2_000));
        let (mut card, opened, _) = open(self.terminal, &mut self.tap, minor, self.time)?;
        let order = Order { amount: amount(other), ..opened.order };
        let executed = card.execute(Kind::Purchase, &Execute { order, s2: opened.s2 })?;
        self.credit(&opened, executed)?;
        Ok(Some(executed))
    }

    /// The terminal says `debited` to its PSAM and has sent nothing to the purse.
    fn claim(&mut self, recorded: &[Executed]) -> Result<(), host::Error> {
        let minor = 1 + self.chance.below(100);
        let (_, opened, _) = open(self.terminal, &mut self.tap, minor, self.time)?;
        let place = self.chance.place(recorded.len() + 1);
        let made_up = Executed { s3: mac(&mut self.chance), s6: mac(&mut self.chance) };
        let answer = recorded.get(place).copied().unwrap_or(made_up);
        self.credit(&opened, answer)
    }

    fn credit(&mut self, opened: &Opened, answer: Executed) -> Result<(), host::Error> {
        let Executed { s3, s6 } = answer;
        self.terminal.sam().credit(&CreditRequest { nt: opened.order.nt, s3, s6 }).map(drop)
    }

    /// The PSAM is told that its oldest batch is stored.
    fn acknowledge(&mut self) -> Result<(), host::Error> {
        let sam = self.terminal.sam();
        let information = sam.information()?;
        if information.oldest == information.batch {
            sam.close_batch()?;
        }
        let trailer = sam.trailer(information.oldest)?;
        let (sam, batch, s4) = (trailer.sam, trailer.batch, trailer.s4);
        let (time, list_min, resolved, mac) = (self.time, 0, List::new(), mac(&mut self.chance));
        let word = Acknowledgement { sam, batch, s4, time, list_min, resolved, mac };
        self.terminal.acknowledge(&word)
    }

    /// A payment as it should be, with its challenge and its order.
    fn recorded_payment(&mut self, minor: u32) -> Result<(Counterpart, Execute), host::Error> {
        let (mut card, opened, counterpart) = open(self.terminal, &mut self.tap, minor, self.time)?;
        let order = Execute { order: opened.order, s2: opened.s2 };
        let executed = card.execute(Kind::Purchase, &order)?;
        self.credit(&opened, executed)?;
        Ok((counterpart, order))
    }

    fn replay(&mut self, counterpart: Counterpart, order: &Execute) -> Result<(), host::Error> {
        let group = self.terminal.information().group;
        let mut card = PurseCard::select(&mut self.tap)?;
        card.initialize_purchase(group, VERSION, counterpart)?;
        let executed = card.execute(Kind::Purchase, order)?;
        self.terminal.sam().credit(&CreditRequest {
            nt: order.order.nt,
            s3: executed.s3,
            s6: executed.s6,
        })?;
        Ok(())
    }
}

/// INITIALIZE IEP and INITIALIZE PSAM: the purse, the PSAM's order and its challenge.
fn open<'p>(
    terminal: &mut PaymentTerminal,
    tap: &'p mut Tap<'_>,
    minor: u32,
    time: Time,
) -> Result<(PurseCard<'p>, Opened, Counterpart), host::Error> {
    let information = *terminal.information();
    let counterpart = Counterpart { sam: information.sam, challenge: terminal.sam().challenge()? };
    let mut card = PurseCard::select(tap)?;
    let initialized = card.initialize_purchase(information.group, information.version, counterpart)?;
    let apdu_spec::purse::Initialized { key, statement, s1 } = initialized;
    let request = OpenPurchase { key, statement, s1, amount: amount(minor), time };
    Ok((card, terminal.sam().open_purchase(&request)?, counterpart))
}

/// A MAC that nobody has made.
pub(super) fn mac(chance: &mut Chance) -> Mac {
    Mac(chance.next_u64().to_be_bytes())
}

pub(super) fn random(chance: &mut Chance) -> apdu_spec::element::Random {
    apdu_spec::element::Random(chance.next_u64().to_be_bytes())
}
