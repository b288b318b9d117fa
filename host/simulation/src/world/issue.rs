//! Cards are issued: PSAMs and the transfer card with the world, purses one by one.

use std::path::Path;

use apdu_spec::crypto::derivation::Holder;
use apdu_spec::element::{Amount, Balance, Date, Time};
use apdu_spec::personalisation::LegacyView;
use apdu_spec::security_domain::DataBlock;
use background::{PurseOrder, SamOrder, TransferOrder};
use card_os::applets::AppletKind;
use host::card::domain::Access;
use host::reader::virtual_reader::VirtualReader;
use host::terminal::personalise::{personalise, replace_keys};
use host::trace::CardKind;

use super::{GROUP, VERSION, World};
use crate::Error;
use crate::scheme::Scheme;

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
        let Scheme { load_terminal, transfer_card, .. } = self.scheme;
        let (provider, acquirer) = (self.scheme.provider(), self.scheme.acquirer());
        self.background.register_issuer(provider, "Demonstration Bank")?;
        self.background.register_acquirer(acquirer, "Demonstration Acquirer")?;
        let load_terminal = self.scheme.module(load_terminal);
        self.background.register_load_terminal(load_terminal, "load terminal", now)?;
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
        };
        let blocks = self.background.issue_sam(&order, &mut self.random, now)?;
        let home = self.terminal_home(number);
        std::fs::create_dir_all(&home).map_err(Error::file(&home))?;
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
        let reader = VirtualReader::create(&blank, kind, randomness)?;
        let mut reader = self.watched(label, number, reader);
        let (version, keys) = self.background.channel_keys(holder)?;
        let (initial, own) = (Access::initial(), Access::with(keys, version));
        personalise(&mut reader, &initial, kind.aid(), blocks, &mut self.random)?;
        replace_keys(&mut reader, &initial, &own, &mut self.random)?;
        drop(reader);
        std::fs::rename(&blank, path).map_err(Error::file(path))
    }

    /// Issues the next purse: registered, personalised, ready. Its number.
    pub fn issue_purse(&mut self, limits: Limits, now: Time) -> Result<u64, Error> {
        self.issue_readable_purse(limits, None, now)
    }

    /// The same, for a purse that can be read as older cards besides.
    pub fn issue_readable_purse(
        &mut self,
        limits: Limits,
        legacy: Option<LegacyView>,
        now: Time,
    ) -> Result<u64, Error> {
        let too_large = || Error::Order("a limit is above 2,147,483,647 minor units".into());
        let amount = |minor| Amount::new(minor).ok_or_else(too_large);
        let number = self.scheme.purses + 1;
        let order = PurseOrder {
            iep: self.iep(number)?,
            currency: self.scheme.currency(),
            expiry: expiry(now),
            maximum: Balance(amount(limits.maximum)?.signed()),
            overdraft: amount(limits.overdraft)?,
            purchase_limit: amount(limits.purchase)?,
            groups: vec![GROUP],
            versions: vec![VERSION],
            legacy,
        };
        // The number is used up first: a crash leaves a gap, never two cards of one number.
        self.scheme.purses = number;
        self.scheme.write(&self.directory.join("scheme.json"))?;
        let blocks = self.background.issue_purse(&order, now)?;
        self.make_card(&self.purse_path(number), AppletKind::Purse, (number, order.iep.into()), &blocks)?;
        Ok(number)
    }
}

/// Last day of what is issued now.
fn expiry(now: Time) -> Date {
    Date(now.date().0.saturating_add(LIFE_DAYS))
}
