//! The scheme of a simulation: its cards, terminals, transfer cards and background system,
//! issued and personalised as in life.

use apdu_spec::aid::Aid;
use apdu_spec::crypto::online::OnlineKey;
use apdu_spec::element::{
    AcquirerId, Algorithm, Amount, Balance, Currency, Date, IepId, ProviderId, PurseNumber, SamId, SamNumber,
    Time,
};
use apdu_spec::purse::Executed;
use apdu_spec::security_domain::DataBlock;
use background::store::load_terminals::Permissions;
use background::{Background, PurseOrder, SamOrder, TransferOrder, Vault};
use card_os::applets::AppletKind;
use host::card::domain::Access;
use host::reader::image::Geometry;
use host::terminal::personalise::personalise;
use host::terminal::transfer_journal::TransferIntent;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::chance::Chance;
use super::chip::Flash;
use super::disk::Disk;
use super::fate::Shared;
use super::link::Office;
use super::opened::Thief;
use super::people::PEOPLE;
use super::psam::Psam;
use super::purse::Purse;
use super::rates::{Fault, Rates};
use super::run::Plan;
use super::site::{Connection, Site};
use super::slot::{Carried, Slot};
use crate::Error;
use crate::model::{Event, Minor};
use crate::weaken::{self, Weakness};

/// Key group of all PSAMs.
pub(crate) const GROUP: u8 = 1;
/// Version of all keys.
pub(crate) const VERSION: u8 = 1;
/// A Monday in January 2026, six in the morning UTC.
pub(crate) const START: Time = Time(1_768_197_600);
/// Greatest balance of a purse, minor units.
pub(super) const MAXIMUM: u32 = 20_000;
/// What some purses may owe, minor units.
const OVERDRAFT: u32 = 500;
/// Number of the load terminal.
const LOAD_TERMINAL: u32 = 900;
/// Number of the first transfer card.
const COURIER: u32 = 800;
/// Number of the PSAM that has been opened.
const OPENED: u32 = 99;
/// Smaller parts than in life: they fill up, are reclaimed all the time, and are fast.
const PURSE_SIZE: Geometry = Geometry { block_size: 1 << 10, blocks: 8 };
const SAM_SIZE: Geometry = Geometry { block_size: 2 << 10, blocks: 16 };
const COURIER_SIZE: Geometry = Geometry { block_size: 4 << 10, blocks: 16 };

/// The payment terminals of every simulation.
const SITES: [Connection; 4] =
    [Connection::Online, Connection::Periodic, Connection::Never, Connection::Never];

/// A transfer card on its way.
#[derive(Debug)]
pub struct Courier {
    /// The card.
    pub slot: Slot,
    /// Does nothing before this step.
    pub late: u64,
}

/// Everything.
#[derive(Debug)]
pub struct System {
    /// What all parts share.
    pub shared: Shared,
    /// The background system.
    pub office: Office,
    /// Purses, by number from 0.
    pub purses: Vec<Purse>,
    /// Key of the load terminal.
    pub load_key: OnlineKey,
    /// Loads and unloads that are in doubt there.
    pub transfers: Vec<TransferIntent>,
    /// Payment terminals.
    pub sites: Vec<Site>,
    /// Transfer cards.
    pub couriers: Vec<Courier>,
    /// Copies of transfer cards that somebody has made.
    pub copies: Vec<Slot>,
    /// Who has opened a PSAM.
    pub thief: Option<Thief>,
    /// Answers of purses that the dishonest have recorded.
    pub answers: Vec<Executed>,
    /// The true time.
    pub now: Time,
    /// Seed of the simulation.
    pub seed: u64,
    /// A protection that is off.
    pub off: Option<Weakness>,
    issued_couriers: u32,
    keys: ChaCha12Rng,
}

impl System {
    /// Issues everything.
    pub fn new(plan: &Plan, rates: Rates, traced: bool) -> Result<Self, Error> {
        let mut keys = ChaCha12Rng::seed_from_u64(plan.seed);
        let mut vault = Vault::new();
        vault.add_version(VERSION, Algorithm::AesCmac, &[GROUP], &mut keys)?;
        let mut background = Background::in_memory(weaken::vault(vault, plan.weaken))?;
        background.register_issuer(provider(), "issuer")?;
        background.register_acquirer(acquirer(), "acquirer")?;
        let terminal = load_terminal();
        let data =
            background.register_load_terminal(terminal, "load terminal", &Permissions::HOLDERS, START)?;
        let mut system = Self {
            // Nothing goes wrong before everything is there.
            shared: Shared::new(Rates::NONE, traced),
            office: Office::new(background),
            purses: Vec::new(),
            load_key: OnlineKey::new(data.key, data.reference, terminal),
            transfers: Vec::new(),
            sites: Vec::new(),
            couriers: Vec::new(),
            copies: Vec::new(),
            thief: None,
            answers: Vec::new(),
            now: START,
            seed: plan.seed,
            off: plan.weaken,
            issued_couriers: 0,
            keys,
        };
        let broken = rates.of(Fault::Generator);
        for index in 0..plan.purses {
            system.issue_purse(index as usize, broken)?;
        }
        for (number, connection) in (1..).zip(SITES) {
            system.install(number, connection)?;
        }
        let blocks = system.issue_sam(OPENED)?;
        system.thief = Thief::open(module(OPENED), &blocks);
        for _ in 0..1 + plan.seed % 3 {
            let courier = system.issue_courier()?;
            system.couriers.push(courier);
        }
        let mut fate = system.shared.lock();
        fate.notebook.open = rates.present().any(|fault| fault == Fault::Relay || PEOPLE.contains(&fault));
        fate.rates = rates;
        drop(fate);
        Ok(system)
    }

    /// A blank card with a generator of its own.
    fn blank(&self, number: u64, size: Geometry, kind: AppletKind, broken: u32) -> Result<Slot, Error> {
        let mut chance = Chance::of(self.seed, number << 32);
        let random = Chance::of(self.seed, number << 32 | 1);
        let random = if chance.hits(broken) { random.constant() } else { random };
        let device = weaken::device(Flash::erased(size, random), kind, self.off);
        let tear = if kind == AppletKind::Sam { Fault::SamTear } else { Fault::Tear };
        Ok(Slot::new(device.map_err(host::Error::from)?, tear))
    }

    fn issue_purse(&mut self, index: usize, broken: u32) -> Result<(), Error> {
        let (number, iep) = (index as u64 + 1, iep(index).ok_or(Error::NoPurse(index as u64))?);
        let overdraft = if number.is_multiple_of(3) { OVERDRAFT } else { 0 };
        let order = PurseOrder {
            iep,
            currency: Currency::EUR,
            expiry: expiry(),
            maximum: Balance(amount(MAXIMUM).signed()),
            overdraft: amount(overdraft),
            purchase_limit: amount(MAXIMUM),
            groups: vec![GROUP],
            versions: vec![VERSION],
            legacy: None,
            pin: None,
        };
        let blocks = self.office.background.issue_purse(&order, START)?;
        let range = (-Minor::from(overdraft), MAXIMUM.into());
        self.shared.lock().truth.tell(Event::PurseIssued { range });
        let mut purse = Purse::new(index, self.blank(number, PURSE_SIZE, AppletKind::Purse, broken)?);
        let mut random = Chance::of(self.seed, number << 32 | 2);
        let access = Access::initial();
        personalise(&mut purse.tap(&self.shared), &access, Aid::PURSE, &blocks, &mut random)?;
        self.purses.push(purse);
        Ok(())
    }

    fn issue_sam(&mut self, number: u32) -> Result<Vec<DataBlock>, Error> {
        let name = format!("merchant {number}");
        let merchant = self.office.background.register_merchant(&name, acquirer())?;
        let order = SamOrder {
            sam: module(number),
            name,
            merchant,
            expiry: expiry(),
            currency: Currency::EUR,
            purchase_limit: Amount::MAX,
            group: GROUP,
            versions: vec![VERSION],
            providers: vec![provider()],
            connection: background::store::participants::Connection::Periodic,
        };
        Ok(self.office.background.issue_sam(&order, &mut self.keys, START)?)
    }

    fn install(&mut self, number: u32, connection: Connection) -> Result<(), Error> {
        let blocks = self.issue_sam(number)?;
        let slot = self.blank(u64::from(number) << 16, SAM_SIZE, AppletKind::Sam, 0)?;
        self.shared.lock().truth.tell(Event::SamInstalled);
        let mut psam = Psam::new(number, slot, self.shared.clone());
        let mut random = Chance::of(self.seed, u64::from(number) << 48 | 2);
        personalise(&mut psam, &Access::initial(), Aid::PSAM, &blocks, &mut random)?;
        let disk = Disk::new(self.shared.clone());
        let mut site = Site {
            number,
            connection,
            psam,
            disk,
            terminal: None,
            offset: 0,
            refused: false,
            since: 0,
            last: None,
        };
        site.start();
        self.sites.push(site);
        Ok(())
    }

    /// A new transfer card.
    pub fn issue_courier(&mut self) -> Result<Courier, Error> {
        let number = COURIER + self.issued_couriers;
        self.issued_couriers += 1;
        let order = TransferOrder { card: module(number), name: format!("card {number}"), version: VERSION };
        let blocks = self.office.background.issue_transfer(&order, START)?;
        let mut slot = self.blank(u64::from(number) << 16, COURIER_SIZE, AppletKind::Transfer, 0)?;
        let rates = core::mem::replace(&mut self.shared.lock().rates, Rates::NONE);
        let mut carried = Carried::new(&mut slot, &self.shared);
        let mut random = Chance::of(self.seed, u64::from(number) << 48 | 2);
        let personalised = personalise(&mut carried, &Access::initial(), Aid::TRANSFER, &blocks, &mut random);
        self.shared.lock().rates = rates;
        personalised?;
        Ok(Courier { slot, late: 0 })
    }
}

/// The one currency.
pub(crate) const fn currency() -> Currency {
    Currency::EUR
}

/// The issuer.
pub(crate) fn provider() -> ProviderId {
    ProviderId::new(9_276).unwrap_or_default()
}

/// The purse of this number, from 0.
pub(crate) fn iep(index: usize) -> Option<IepId> {
    Some(IepId { provider: provider(), number: PurseNumber::new(index as u64 + 1)? })
}

/// The acquirer.
pub(crate) fn acquirer() -> AcquirerId {
    AcquirerId::new(5_001).unwrap_or_default()
}

/// A module of the acquirer.
pub(crate) fn module(number: u32) -> SamId {
    SamId { acquirer: acquirer(), number: SamNumber::new(number).unwrap_or_default() }
}

/// The PSAM at a place, from 0.
pub(crate) fn psam_at(place: usize) -> SamId {
    module(u32::try_from(place).map_or(0, |place| place + 1))
}

/// The load terminal.
pub(crate) fn load_terminal() -> SamId {
    module(LOAD_TERMINAL)
}

/// Minor units; what is too large is nothing.
pub(crate) fn amount(minor: u32) -> Amount {
    Amount::new(minor).unwrap_or_default()
}

/// Everything is issued for five years.
pub(super) fn expiry() -> Date {
    Date(START.date().0 + 5 * 365)
}
