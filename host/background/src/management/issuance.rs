//! Issues purses, security modules and transfer cards: registers the thing, then gives
//! the data blocks that personalise it, in order.
//!
//! Who gets which key is fixed (design, Keys): a purse its own keys, a PSAM the purchase
//! keys of its group, its record key and a cancellation key that nobody else knows. No
//! load key and no certificate key is ever in a security module.

use apdu_spec::Element;
use apdu_spec::crypto::derivation::Holder;
use apdu_spec::crypto::secure_channel::KeySet;
use apdu_spec::element::{Amount, Balance, Currency, Date, IepId, KeyReference, ProviderId, SamId, Time};
use apdu_spec::personalisation::{
    DataGroup, Function, KeyData, LegacyView, PinPolicy, PurseParameters, SamParameters, TransferParameters,
};
use apdu_spec::record::Identity;
use apdu_spec::security_domain::DataBlock;
use apdu_spec::wire::{Concealed, List};
use rand_core::CryptoRng;

use super::participants::MerchantId;
use crate::background::Background;
use crate::error::Error;
use crate::store::participants::{Connection, Module, Role};
use crate::store::purses::Purse;
use crate::vault::Vault;
use crate::vault::software::random_key;

/// Version on the card of the first keys of card management, and how many there may be.
const CHANNEL_VERSION: u8 = 0x30;
pub(super) const CHANNEL_VERSIONS: u8 = 16;

/// A purse to be issued.
#[derive(Clone, Debug)]
pub struct PurseOrder {
    /// Its identity.
    pub iep: IepId,
    /// Currency.
    pub currency: Currency,
    /// Last day.
    pub expiry: Date,
    /// Greatest balance.
    pub maximum: Balance,
    /// How far below zero a purchase may take it.
    pub overdraft: Amount,
    /// Greatest amount of one purchase.
    pub purchase_limit: Amount,
    /// Groups of PSAMs that it can pay at.
    pub groups: Vec<u8>,
    /// Key versions it holds, two at most; the lowest is its floor.
    pub versions: Vec<u8>,
    /// As which older cards it can be read besides.
    pub legacy: Option<LegacyView>,
    /// The holder's PIN, where it has one.
    pub pin: Option<PinPolicy>,
}

/// A security module of a payment terminal to be issued.
#[derive(Clone, Debug)]
pub struct SamOrder {
    /// Its identity.
    pub sam: SamId,
    /// A name for reports.
    pub name: String,
    /// Whose payments it takes.
    pub merchant: MerchantId,
    /// Last day.
    pub expiry: Date,
    /// Currency.
    pub currency: Currency,
    /// Greatest amount of one purchase.
    pub purchase_limit: Amount,
    /// Its group.
    pub group: u8,
    /// Key versions it holds, two at most; its record key has the highest.
    pub versions: Vec<u8>,
    /// Issuers whose purses it accepts.
    pub providers: Vec<ProviderId>,
    /// How often its terminal speaks to the background system.
    pub connection: Connection,
}

/// A transfer card to be issued.
#[derive(Clone, Debug)]
pub struct TransferOrder {
    /// Its identity.
    pub card: SamId,
    /// A name for reports.
    pub name: String,
    /// Version of its record key.
    pub version: u8,
}

impl Background {
    /// Issues a purse.
    pub fn issue_purse(&mut self, order: &PurseOrder, now: Time) -> Result<Vec<DataBlock>, Error> {
        let blocks = self.purse_blocks(order)?;
        match self.register_purse(order, now)? {
            true => Ok(blocks),
            false => Err(Error::AlreadyRegistered(format!("purse {}", order.iep))),
        }
    }

    /// Registers a purse. False: the same one is registered already.
    pub fn register_purse(&mut self, order: &PurseOrder, now: Time) -> Result<bool, Error> {
        let PurseOrder { iep, currency, expiry, maximum, overdraft, purchase_limit, .. } = *order;
        self.store.transaction("register purse", |tx| {
            if tx.issuer(iep.provider)?.is_none() {
                return Err(Error::NotRegistered(format!("issuer {}", iep.provider)));
            }
            let purse = Purse::new(iep, currency, expiry, maximum, overdraft, purchase_limit);
            if tx.insert_purse(&purse, now)? {
                return Ok(true);
            }
            let alike = |known: Purse| {
                (known.currency, known.expiry, known.maximum, known.overdraft, known.purchase_limit)
                    == (currency, expiry, maximum, overdraft, purchase_limit)
            };
            match tx.purse(iep)? {
                Some(known) if alike(known) => Ok(false),
                _ => Err(Error::AlreadyRegistered(format!("purse {iep}"))),
            }
        })
    }

    /// Whether a purse of this number is registered.
    pub fn knows_purse(&mut self, iep: IepId) -> Result<bool, Error> {
        self.store.transaction("look a purse up", |tx| Ok(tx.purse(iep)?.is_some()))
    }

    /// The data blocks that personalise a purse; the same order gets the same ones again.
    pub fn purse_blocks(&self, order: &PurseOrder) -> Result<Vec<DataBlock>, Error> {
        let floor = lowest(&order.versions)?;
        let keys = purse_keys(&self.vault, order)?;
        let PurseOrder { iep, currency, expiry, maximum, overdraft, purchase_limit, .. } = *order;
        let identity = Identity { iep, expiry, currency, maximum };
        let parameters = PurseParameters { identity, overdraft, purchase_limit, key_floor: floor };
        let mut contents = vec![(DataGroup::Purse, content(&parameters)?)];
        if let Some(view) = &order.legacy {
            contents.push((DataGroup::View, content(view)?));
        }
        if let Some(pin) = &order.pin {
            contents.push((DataGroup::Pin, content(pin)?));
        }
        blocks(contents, &keys)
    }

    /// Issues a security module. `rng` makes the cancellation key, which is not kept.
    pub fn issue_sam(
        &mut self,
        order: &SamOrder,
        rng: &mut dyn CryptoRng,
        now: Time,
    ) -> Result<Vec<DataBlock>, Error> {
        let (keys, record_key) = sam_keys(&self.vault, order, rng)?;
        let mut providers = List::new();
        let full = |_| Error::BadOrder("a security module accepts four issuers at most; leave some out");
        order.providers.iter().try_for_each(|provider| providers.push(*provider)).map_err(full)?;
        let SamOrder { sam, expiry, currency, purchase_limit, group, .. } = *order;
        let (time, window) = (now, CLOCK_WINDOW);
        let parameters =
            SamParameters { sam, expiry, currency, purchase_limit, time, window, group, providers };
        let blocks = blocks(vec![(DataGroup::Sam, content(&parameters)?)], &keys)?;
        let (merchant, record_key, connection) = (Some(order.merchant), Some(record_key), order.connection);
        let module = Module { role: Role::Psam, merchant, record_key, connection };
        self.issue_module(sam, &module, &order.name, now)?;
        Ok(blocks)
    }

    /// Issues a transfer card.
    pub fn issue_transfer(&mut self, order: &TransferOrder, now: Time) -> Result<Vec<DataBlock>, Error> {
        let reference = self.vault.reference(Function::Record, 0, order.version)?;
        let key = self.vault.card_key_data(Holder::from(order.card), Function::Record, reference)?;
        let parameters = TransferParameters { card: order.card };
        let blocks = blocks(vec![(DataGroup::Transfer, content(&parameters)?)], &[key])?;
        let (record_key, connection) = (Some(reference), Connection::Never);
        let module = Module { role: Role::TransferCard, merchant: None, record_key, connection };
        self.issue_module(order.card, &module, &order.name, now)?;
        Ok(blocks)
    }

    /// All that a card's own keys of card management can be, newest first, each with the version
    /// that it has on the card: 30 to 3F, as SCP03 has them.
    #[must_use]
    pub fn all_channel_keys(&self, holder: impl Into<Holder>) -> Vec<(u8, KeySet)> {
        let holder = holder.into();
        let keys = |place| Some((CHANNEL_VERSION + place, self.vault.channel_keys(holder, place + 1).ok()?));
        (0..CHANNEL_VERSIONS).rev().filter_map(keys).collect()
    }

    /// Whether a version on a card is one of an issuer's own keys of card management.
    #[must_use]
    pub const fn is_own_version(version: u8) -> bool {
        version >= CHANNEL_VERSION && version < CHANNEL_VERSION + CHANNEL_VERSIONS
    }

    fn issue_module(&mut self, sam: SamId, module: &Module, name: &str, now: Time) -> Result<(), Error> {
        self.store.transaction("issue module", |tx| {
            if tx.acquirer(sam.acquirer)?.is_none() {
                return Err(Error::NotRegistered(format!("acquirer {}", sam.acquirer)));
            }
            match tx.insert_module(sam, module, name, now)? {
                true => Ok(()),
                false => Err(Error::AlreadyRegistered(format!("module {sam}"))),
            }
        })
    }
}

/// How long a PSAM takes payments without being told the time anew: a year and a half, seconds, so
/// that one that is never connected may miss a visit of the transfer card.
const CLOCK_WINDOW: u32 = 548 * 86_400;

fn lowest(versions: &[u8]) -> Result<u8, Error> {
    if versions.len() > 2 {
        return Err(Error::BadOrder("a card holds two key versions at most; leave the oldest out"));
    }
    versions.iter().min().copied().ok_or(Error::BadOrder("a card needs a key version; name one"))
}

/// A purse's own keys: load and certificate, and one purchase key for each group.
fn purse_keys(vault: &Vault, order: &PurseOrder) -> Result<Vec<KeyData>, Error> {
    let issuers = [(Function::Load, 0), (Function::Certificate, 0)];
    let groups = order.groups.iter().map(|group| (Function::Purchase, *group));
    let functions: Vec<_> = issuers.into_iter().chain(groups).collect();
    let holder = Holder::from(order.iep);
    let all = order.versions.iter().flat_map(|version| functions.iter().map(move |of| (of, *version)));
    all.map(|((function, group), version)| {
        vault.card_key_data(holder, *function, vault.reference(*function, *group, version)?)
    })
    .collect()
}

/// A PSAM's keys, and the reference of its record key.
fn sam_keys(
    vault: &Vault,
    order: &SamOrder,
    rng: &mut dyn CryptoRng,
) -> Result<(Vec<KeyData>, KeyReference), Error> {
    lowest(&order.versions)?;
    let mut keys = Vec::new();
    for version in &order.versions {
        keys.push(vault.purchase_master(vault.reference(Function::Purchase, order.group, *version)?)?);
    }
    let highest = order.versions.iter().max().copied().unwrap_or_default();
    let record = vault.reference(Function::Record, 0, highest)?;
    keys.push(vault.card_key_data(Holder::from(order.sam), Function::Record, record)?);
    keys.push(KeyData { function: Function::Cancellation, reference: record, key: random_key(rng) });
    Ok((keys, record))
}

/// STORE DATA blocks: these data groups, then the keys; the last one says so.
fn blocks(mut contents: Vec<(DataGroup, Concealed<200>)>, keys: &[KeyData]) -> Result<Vec<DataBlock>, Error> {
    for key in keys {
        contents.push((DataGroup::Key, content(key)?));
    }
    let end = contents.len() - 1;
    let numbered = contents.into_iter().enumerate().map(|(number, (group, content))| {
        let block = u8::try_from(number).map_err(|_| Error::BadOrder("too many keys; name fewer groups"))?;
        let block = DataBlock::new(number == end, block, group, content.as_slice());
        block.map_err(|_| Error::BadOrder("a data group is longer than a block"))
    });
    numbered.collect()
}

/// The bytes of a data group; the buffer they are built in may have held a key.
fn content<E: Element>(element: &E) -> Result<Concealed<200>, Error> {
    let mut buffer = zeroize::Zeroizing::new([0; 200]);
    let bytes = element.to_slice(buffer.as_mut());
    bytes.and_then(Concealed::new).map_err(|_| Error::BadOrder("a data group is longer than a block"))
}
