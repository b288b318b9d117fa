//! Cards are issued: PSAMs and the transfer card with the world, purses one by one.

use std::path::Path;

use apdu_spec::crypto::derivation::Holder;
use apdu_spec::element::{Amount, Balance, Date, Pin, Time};
use apdu_spec::personalisation::DomainParameters;
use apdu_spec::security_domain::DataBlock;
use background::{PurseOrder, SamOrder, TransferOrder};
use card_os::applets::AppletKind;
use host::card::domain::Access;
use host::reader::Reader;
use host::reader::virtual_reader::VirtualReader;
use host::terminal::personalise::{Personalisation, Personalised};
use host::trace::CardKind;

use super::{AnyReader, GROUP, VERSION, World, private};
use crate::Error;
use crate::issuance::job::{known, synchronise};
use crate::issuance::{CardOrder, PinOrder};

/// Cards and PSAMs are issued for five years.
const LIFE_DAYS: u16 = 5 * 365;

/// Limits of a purse, minor units.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Greatest balance.
    pub maximum: u32,
    /// How far below zero a purchase may take it.
    pub overdraft: u32,
    /// Greatest amount of one purchase.
    pub purchase: u32,
}

impl World {
    /// Who takes part, and the cards of terminals and couriers.
    pub(super) fn register(&mut self, now: Time) -> Result<(), Error> {
        let transfer_card = self.scheme.transfer_card;
        let (provider, acquirer) = (self.scheme.provider(), self.scheme.acquirer());
        self.background.register_issuer(provider, "Demonstration Bank")?;
        self.background.register_acquirer(acquirer, "Demonstration Acquirer")?;
        self.register_load_terminal(now)?;
        for terminal in self.scheme.terminals.clone() {
            self.issue_sam(&terminal.name, terminal.sam, now)?;
        }
        let card = self.scheme.module(transfer_card);
        let order = TransferOrder { card, name: "transfer card".into(), version: VERSION };
        let blocks = self.background.issue_transfer(&order, now)?;
        let path = self.transfer_path();
        self.make_card(&path, AppletKind::Transfer, (transfer_card.into(), card.into()), &blocks)
    }

    fn issue_sam(&mut self, name: &str, number: u32, now: Time) -> Result<(), Error> {
        let merchant = self.background.register_merchant(name, self.scheme.acquirer())?;
        let order = SamOrder {
            sam: self.scheme.module(number),
            name: name.into(),
            merchant,
            expiry: expiry(now),
            currency: self.scheme.currency(),
            purchase_limit: Amount::MAX,
            group: GROUP,
            versions: vec![VERSION],
            providers: vec![self.scheme.provider()],
            connection: background::store::participants::Connection::Periodic,
        };
        let blocks = self.background.issue_sam(&order, &mut self.random, now)?;
        let home = self.terminal_home(number);
        private::directory(&home)?;
        self.make_card(&self.sam_path(number), AppletKind::Sam, (number.into(), order.sam.into()), &blocks)
    }

    /// A card from blank to personalised. It gets its name last: who is interrupted leaves
    /// no half card behind.
    fn make_card(
        &mut self,
        path: &Path,
        kind: AppletKind,
        (number, holder): (u64, Holder),
        blocks: &[DataBlock],
    ) -> Result<(), Error> {
        let label = match kind {
            AppletKind::Purse => CardKind::Purse,
            AppletKind::Sam => CardKind::Sam,
            AppletKind::Transfer => CardKind::Transfer,
        };
        let randomness = self.randomness();
        let blank = path.with_extension("blank");
        match std::fs::remove_file(&blank) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(&blank)(error))?,
            _ => {}
        }
        let reader = VirtualReader::create_with(&blank, kind, self.image_key.as_ref(), randomness)?;
        let mut reader = self.watched(label, number, reader);
        let ready = Ready { kind, holder, blocks: blocks.to_vec(), domain: None };
        self.personalise(&mut reader, &ready, &Access::initial(), &mut || Ok(()))?;
        drop(reader);
        std::fs::rename(&blank, path).map_err(Error::file(path))
    }

    /// Issues the next purse: registered, personalised, ready. Its number.
    pub fn issue_purse(&mut self, limits: Limits, now: Time) -> Result<u64, Error> {
        let too_large = || Error::Order("a limit is above 2,147,483,647 minor units".into());
        let amount = |minor| Amount::new(minor).ok_or_else(too_large);
        let order =
            CardOrder::new(amount(limits.maximum)?, amount(limits.overdraft)?, amount(limits.purchase)?);
        self.issue_card(&order, now)
    }

    /// The same, as it is ordered; a PIN must be given.
    pub fn issue_card(&mut self, order: &CardOrder, now: Time) -> Result<u64, Error> {
        let given = |pin: &PinOrder| pin.pin.clone().ok_or(Error::Order("which PIN?".into()));
        let pin = order.pin.as_ref().map(given).transpose()?;
        let number = self.free_numbers(&[None])?.into_iter().next().ok_or(Error::NoPurse(0))?;
        self.use_up(number)?;
        let Ready { blocks, holder, kind, .. } = self.prepare(number, order, pin, now)?;
        self.make_card(&self.purse_path(number), kind, (number, holder), &blocks)?;
        Ok(number)
    }

    /// Numbers for purses: the wanted ones, and where none is wanted the next that no purse and
    /// no order has.
    pub(crate) fn free_numbers(&mut self, wanted: &[Option<u64>]) -> Result<Vec<u64>, Error> {
        let (mut taken, _) = known(&self.jobs())?;
        taken.extend(wanted.iter().flatten());
        let mut next = self.scheme.purses;
        let mut numbers = Vec::new();
        for number in wanted {
            if number.is_none() {
                next += 1;
                while taken.contains(&next) || self.is_issued(next)? {
                    next += 1;
                }
            }
            numbers.push(number.unwrap_or(next));
        }
        Ok(numbers)
    }

    /// The numbers up to this one are used up: a crash leaves a gap, never two cards of one number.
    pub(crate) fn use_up(&mut self, number: u64) -> Result<(), Error> {
        if number > self.scheme.purses {
            self.scheme.purses = number;
            self.scheme.write(&self.directory.join("scheme.json"))?;
        }
        Ok(())
    }

    /// Whether there is a purse of this number already.
    pub(crate) fn is_issued(&mut self, number: u64) -> Result<bool, Error> {
        let iep = self.iep(number)?;
        Ok(self.background.knows_purse(iep)?)
    }

    /// Registers a purse as it is ordered, and gives what personalises its card. The same order
    /// again, after an interruption, gets the same.
    pub(crate) fn prepare(
        &mut self,
        number: u64,
        order: &CardOrder,
        pin: Option<Pin>,
        now: Time,
    ) -> Result<Ready, Error> {
        let versions = match &order.versions[..] {
            [] => self.background.vault().newest_versions(),
            ordered => ordered.to_vec(),
        };
        let purse = PurseOrder {
            iep: self.iep(number)?,
            currency: self.scheme.currency(),
            expiry: order.expiry.unwrap_or_else(|| expiry(now)),
            maximum: Balance(order.maximum.signed()),
            overdraft: order.overdraft,
            purchase_limit: order.limit,
            groups: vec![GROUP],
            versions,
            legacy: order.legacy,
            pin: order.pin.as_ref().zip(pin).map(|(order, pin)| order.policy(pin)),
        };
        let blocks = self.background.purse_blocks(&purse)?;
        self.background.register_purse(&purse, now)?;
        Ok(Ready { kind: AppletKind::Purse, holder: purse.iep.into(), blocks, domain: order.domain() })
    }

    /// Brings a card to what is ready for it, from whatever it is. `initial` are the keys that
    /// it came with.
    pub(crate) fn personalise(
        &mut self,
        reader: &mut dyn Reader,
        ready: &Ready,
        initial: &Access,
        begin: &mut dyn FnMut() -> Result<(), host::Error>,
    ) -> Result<Personalised, host::Error> {
        let own = self.own_access(ready.holder);
        let Ready { kind, blocks, domain, .. } = ready;
        let (name, domain) = (kind.aid(), *domain);
        let card = Personalisation { kind: *kind, name, blocks, domain, initial, own: &own };
        card.carry_out(reader, begin, &mut self.random)
    }

    /// The card that is to be a purse's image: one that an interruption has left, else a new
    /// one. It gets its name with [`name_card`].
    pub(crate) fn unnamed_card(&mut self, path: &Path, number: u64) -> Result<AnyReader, Error> {
        let blank = path.with_extension("blank");
        if path.exists() {
            let reader =
                VirtualReader::open_with(path, self.image_key.clone().as_ref(), self.randomness(), false)?;
            return Ok(self.watched(CardKind::Purse, number, reader));
        }
        let key = self.image_key.clone();
        let left = VirtualReader::open_with(&blank, key.as_ref(), self.randomness(), false);
        let reader = match left {
            Ok(left) => left,
            Err(_) => {
                match std::fs::remove_file(&blank) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        Err(Error::file(&blank)(error))?
                    }
                    _ => {}
                }
                VirtualReader::create_with(&blank, AppletKind::Purse, key.as_ref(), self.randomness())?
            }
        };
        Ok(self.watched(CardKind::Purse, number, reader))
    }
}

/// Gives an image its name, and makes it durable.
pub(crate) fn name_card(path: &Path) -> Result<(), Error> {
    let blank = path.with_extension("blank");
    if !path.exists() {
        // Writing as well: some systems synchronise no other files.
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&blank);
        file.and_then(|file| file.sync_all()).map_err(Error::file(&blank))?;
        std::fs::rename(&blank, path).map_err(Error::file(path))?;
    }
    path.parent().map_or(Ok(()), synchronise)
}

/// What personalises a card.
#[derive(Debug)]
pub(crate) struct Ready {
    kind: AppletKind,
    holder: Holder,
    blocks: Vec<DataBlock>,
    domain: Option<DomainParameters>,
}

/// Last day of what is issued now.
fn expiry(now: Time) -> Date {
    Date(now.date().0.saturating_add(LIFE_DAYS))
}
