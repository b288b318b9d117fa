//! The steps of a simulation: what holders, merchants, couriers and operators do.
//!
//! Every step has chance of its own, drawn from seed and number alone, so that one that is
//! left out does not change what the others want to do.

use apdu_spec::element::{Counter, Kind};
use apdu_spec::purse::{Execute, PreviousSignature};
use apdu_spec::record::{Counterpart, ValueRecord};
use host::reader::Reader;
use host::terminal::load::{Funding, LoadAuthority, LoadTerminal, Resolved, Transfer, TransferRequest};

use super::audit;
use super::chance::Chance;
use super::link::Wire;
use super::rates::Fault;
use super::site::Connection;
use super::system::{MAXIMUM, System, amount, load_terminal};
use super::truth::{self, purse_of, sam_of};
use crate::Error;
use crate::authority::LinkAuthority;
use crate::model::Event;
use crate::weaken::Weakness;

/// Steps of a day.
pub const STEPS_A_DAY: u64 = 1_000;
/// Seconds between two steps.
const STEP_SECONDS: u32 = 86;
/// Greatest amount of most payments, minor units.
const PAYMENT: u32 = 200;
/// Minor units of a load; every fourth purse is loaded with more at a time, so that it
/// holds many receipts.
const LOAD: u32 = 800;
/// A purse is loaded where it has less.
const LOW: i64 = 250;
/// Payments after which a terminal is collected.
const COLLECT_AFTER: u32 = 16;

/// The issuer as a load terminal asks it; or as one does that goes on without *Accepted*.
struct Asked<A> {
    authority: A,
    awaited: bool,
}

impl<A: LoadAuthority> LoadAuthority for Asked<A> {
    fn authorise(&mut self, request: &TransferRequest) -> Result<Execute, host::Error> {
        self.authority.authorise(request)
    }

    fn complete(&mut self, record: &ValueRecord) -> Result<(), host::Error> {
        let accepted = self.authority.complete(record);
        if self.awaited { accepted } else { Ok(()) }
    }

    fn resolve(
        &mut self,
        counterpart: Counterpart,
        previous: &PreviousSignature,
        nt: Counter,
    ) -> Result<Resolved, host::Error> {
        self.authority.resolve(counterpart, previous, nt)
    }
}

impl System {
    /// The step of this number.
    pub fn step(&mut self, number: u64) -> Result<(), Error> {
        self.begin(number);
        match (self.person(), self.attack()) {
            (Some(person), _) => self.turn(person),
            (None, Some(attack)) => self.carry_out(attack),
            (None, None) => self.work(number)?,
        }
        self.end();
        Ok(())
    }

    /// Gives a step its chance, and lets time pass.
    pub(super) fn begin(&mut self, number: u64) {
        self.now.0 = self.now.0.saturating_add(STEP_SECONDS);
        let mut fate = self.shared.lock();
        fate.chance = Chance::of(self.seed, number);
        fate.crashed = false;
        fate.mortal = true;
        fate.tally.steps += 1;
    }

    /// What was left without power gets it back, and who was killed is gone.
    pub(super) fn end(&mut self) {
        let mut fate = self.shared.lock();
        let crashed = fate.crashed;
        fate.mortal = false;
        fate.crashed = false;
        drop(fate);
        for site in &mut self.sites {
            if !site.psam.is_powered() {
                site.psam.power_up(&mut self.shared.lock());
                site.stand_up();
            }
        }
        if crashed {
            self.sites.iter_mut().filter(|site| site.terminal.is_none()).for_each(|site| site.disk.crash());
        }
    }

    fn work(&mut self, number: u64) -> Result<(), Error> {
        let what = self.below(1_000);
        match what {
            0..=9 => self.cancel(),
            10..=19 => self.load_somebody(),
            20..=24 => self.unload(),
            25..=29 => self.collect_somewhere(),
            30..=89 => self.carry(number)?,
            90..=94 => self.office.deliver_late(self.now, &mut self.shared.lock(), false),
            95..=97 => self.settle(),
            98..=103 => self.switch(),
            _ => self.pay(),
        }
        Ok(())
    }

    pub(super) fn below(&self, bound: u32) -> u32 {
        self.shared.lock().chance.below(bound)
    }

    /// A purse that is not lost; now and then one gets lost instead.
    pub(super) fn holder(&self) -> Option<usize> {
        let mut fate = self.shared.lock();
        let purse = fate.chance.place(self.purses.len());
        if fate.truth.model.purses[purse].dead {
            return None;
        }
        if fate.happens(Fault::PurseLost) {
            fate.truth.tell(Event::PurseDestroyed { purse });
            return None;
        }
        Some(purse)
    }

    pub(super) fn tell(&self, line: impl FnOnce() -> String) {
        self.shared.lock().tell(line);
    }

    pub(super) fn balance(&self, purse: usize) -> i64 {
        self.shared.lock().truth.model.purses[purse].balance
    }

    /// A purse pays somewhere; where it has little, it is loaded instead.
    fn pay(&mut self) {
        let Some(purse) = self.holder() else { return };
        let balance = self.balance(purse);
        if balance < LOW {
            return self.load(purse, if purse % 4 == 0 { 4 * LOAD } else { LOAD });
        }
        // Now and then more than there is.
        let minor = match self.below(64) {
            0 => self.below(2 * MAXIMUM),
            _ => 1 + self.below(PAYMENT),
        };
        let site = self.place();
        self.pay_at(purse, site, minor);
    }

    /// A payment terminal.
    pub(super) fn place(&self) -> usize {
        self.shared.lock().chance.place(self.sites.len())
    }

    /// A purse pays an amount at a terminal.
    pub(super) fn pay_at(&mut self, purse: usize, place: usize, minor: u32) {
        self.tell(|| format!("purse {purse} pays {minor} at terminal {}", place + 1));
        let Self { sites, purses, shared, now, .. } = self;
        let site = &mut sites[place];
        site.drift(&mut shared.lock());
        let time = site.time(*now);
        if site.start()
            && let Some(terminal) = &mut site.terminal
        {
            let before = shared.lock().truth.orders(sam_of(site.number)).0;
            let paid = terminal.pay(&mut purses[purse].tap(shared), amount(minor), time);
            site.since += 1;
            site.hear(purse, paid, before, &mut shared.lock());
            site.set_clock(*now);
        }
        self.part(purse, place);
        if self.sites[place].since >= COLLECT_AFTER {
            self.collect(place);
        }
    }

    /// Purse and terminal part: the purse shows where it stands, a dead terminal is gone.
    pub(super) fn part(&mut self, purse: usize, place: usize) {
        let mut fate = self.shared.lock();
        self.purses[purse].settle(&mut fate, false);
        if fate.crashed {
            self.sites[place].terminal = None;
        }
    }

    /// The last payment somewhere is taken back.
    fn cancel(&mut self) {
        let place = self.place();
        let Self { sites, purses, shared, .. } = self;
        let site = &mut sites[place];
        let Some((purse, nt)) = site.last.take() else { return };
        if shared.lock().truth.model.purses[purse].dead || !site.start() {
            return;
        }
        shared
            .lock()
            .tell(|| format!("payment {nt} at terminal {} of purse {purse} is cancelled", place + 1));
        if let Some(terminal) = &mut site.terminal {
            let _ = terminal.cancel(&mut purses[purse].tap(shared), nt);
        }
        self.part(purse, place);
    }

    fn load_somebody(&mut self) {
        if let Some(purse) = self.holder() {
            let minor = 1 + self.below(LOAD);
            self.load(purse, minor);
        }
    }

    /// A purse is loaded, online.
    pub(super) fn load(&mut self, purse: usize, minor: u32) {
        self.transfer(Kind::Load, purse, minor);
    }

    fn unload(&mut self) {
        let Some(purse) = self.holder() else { return };
        let Ok(most) = u32::try_from(self.balance(purse) / 4) else { return };
        let minor = 1 + self.below(most.max(1));
        self.transfer(Kind::Unload, purse, minor);
    }

    /// A load or unload; what is in doubt about the purse is found out first.
    fn transfer(&mut self, kind: Kind, purse: usize, minor: u32) {
        self.tell(|| format!("purse {purse}: {kind:?} {minor}"));
        let doubts = self.transfers.iter().any(|intent| purse_of(intent.iep.number.get()) == purse);
        if doubts {
            let ends = self.at_load_terminal(purse, |terminal, card| terminal.resolve(card));
            ends.into_iter().flatten().for_each(|end| self.hear(purse, &end));
        }
        let (funding, time) = (Funding::Account, self.now);
        let end = self.at_load_terminal(purse, |terminal, tap| match kind {
            Kind::Unload => terminal.unload(tap, amount(minor), funding, time),
            _ => terminal.load(tap, amount(minor), funding, time),
        });
        if let Ok(end) = end {
            self.hear(purse, &end);
        }
    }

    /// A purse meets the load terminal, and parts from it.
    fn at_load_terminal<T>(
        &mut self,
        purse: usize,
        action: impl FnOnce(&mut LoadTerminal<'_>, &mut dyn Reader) -> T,
    ) -> T {
        let mut challenge = self.shared.lock().chance.clone();
        let Self { office, purses, shared, now, load_key, transfers, off, .. } = self;
        let authority = LinkAuthority::new(Wire::new(office, shared, *now), load_key);
        let mut authority = Asked { authority, awaited: *off != Some(Weakness::EvidenceAccepted) };
        let mut terminal = LoadTerminal::new(load_terminal(), &mut authority, transfers, &mut challenge);
        let done = action(&mut terminal, &mut purses[purse].tap(shared));
        purses[purse].settle(&mut shared.lock(), false);
        done
    }

    /// What the load terminal says, which has to be so.
    fn hear(&self, purse: usize, end: &Transfer) {
        let truth = &mut self.shared.lock().truth;
        match end {
            Transfer::Done(intent) => {
                let nv = intent.nv_after().map_or(0, |nv| nv.get() as usize);
                let (kind, minor) = (truth::kind(intent.kind), intent.amount.get());
                truth.shown("load terminal", (purse, nv), kind, minor);
            }
            Transfer::Refused(intent, _) => {
                truth.not_moved((purse, intent.nt.get() as usize), intent.challenge);
            }
            Transfer::InDoubt(..) => {}
        }
    }

    fn collect_somewhere(&mut self) {
        let place = self.place();
        self.collect(place);
    }

    /// A terminal with a line collects, and delivers where it connects now.
    pub(super) fn collect(&mut self, place: usize) {
        let connects = match self.sites[place].connection {
            Connection::Online => true,
            Connection::Periodic => self.below(3) == 0,
            Connection::Never => return,
        };
        self.tell(|| format!("terminal {} is collected; connects: {connects}", place + 1));
        let Self { sites, office, shared, now, .. } = self;
        let site = &mut sites[place];
        site.since = 0;
        if site.start() {
            let _ = site.collect();
            if connects {
                site.deliver(&mut Wire::new(office, shared, *now));
            }
        }
        if self.shared.lock().crashed {
            self.sites[place].terminal = None;
        }
    }

    /// Merchants are paid.
    pub(super) fn settle(&mut self) {
        let killed = self.shared.lock().happens(Fault::Kill);
        if killed {
            let statements = self.below(40);
            self.office.background.cut_after(statements);
        }
        let _ = self.office.background.settle(self.now);
        self.office.background.power_up();
        let truth = &mut self.shared.lock().truth;
        let read = audit::paid_out(&mut self.office.background, truth);
        truth.must(read.is_ok(), || format!("the books cannot be read: {read:?}"));
    }

    /// Somebody switches something off and on: a purse, or a terminal with its PSAM.
    fn switch(&mut self) {
        let Some(purse) = self.holder() else { return };
        let place = self.place();
        let mut fate = self.shared.lock();
        self.purses[purse].settle(&mut fate, true);
        let site = &mut self.sites[place];
        if fate.chance.coin() {
            site.terminal = None;
            site.psam.power_up(&mut fate);
        }
    }
}
