//! Master keys in memory: one a function, key group and version (design, Keys).
//!
//! The algorithm belongs to the key version. Retired versions stay, for records
//! that come late.

use std::collections::BTreeMap;
use std::fmt;

use apdu_spec::crypto::Key;
use apdu_spec::crypto::derivation::{Holder, card_key};
use apdu_spec::crypto::mac::{MacKey, OneTimeKey};
use apdu_spec::crypto::online::OnlineKey;
use apdu_spec::crypto::secure_channel::{ChannelKey, KeySet};
use apdu_spec::crypto::session_key::{DerivationKey, SessionContext, StatementKey};
use apdu_spec::element::{Algorithm, BatchNumber, IepId, KeyReference, SamId};
use apdu_spec::personalisation::{Function, KeyData};
use apdu_spec::protections::{Protections, unnumbered};
use apdu_spec::record::Statement;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::memory::{KeyMemory, Place};
use super::off::Off;
use crate::error::Error;

/// The keys of card management: encryption, MACs, data.
const CHANNEL: [Function; 3] = [Function::ChannelEncryption, Function::ChannelMac, Function::ChannelData];

/// Which master key: function, group, version.
pub(crate) type Slot = (u8, u8, u8);

/// A master key: what it is for, and where it is.
pub(super) struct Master {
    pub(super) function: Function,
    pub(super) algorithm: Algorithm,
    pub(super) place: Place,
}

/// The master keys of one operator. They are erased when it is dropped.
#[derive(Default)]
pub struct Vault {
    pub(super) masters: BTreeMap<Slot, Master>,
    /// The two halves of the key of card images, where they are sealed.
    pub(super) images: Option<[Place; 2]>,
    pub(super) memory: KeyMemory,
    /// What a simulation has switched off.
    off: Off,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({} master keys, not shown)", self.masters.len())
    }
}

/// `load key, group 0, version 1`
pub(crate) fn name(function: Function, group: u8, version: u8) -> String {
    format!("{function:?} key, group {group}, version {version}").to_lowercase()
}

impl Vault {
    /// A vault without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The vault of an issuer with these protections: everything, unless a simulation says
    /// otherwise.
    #[must_use]
    pub const fn under<X: Protections>(mut self) -> Self {
        self.off = Off::under::<X>();
        self
    }

    /// Protections of the issuer that are off.
    pub(crate) const fn off(&self) -> Off {
        self.off
    }

    /// What K1 and S1 cover of a statement.
    pub(crate) fn covered(&self, statement: Statement) -> Statement {
        if self.off.numbers { unnumbered(statement) } else { statement }
    }

    /// A new version of every key: load, certificate and record keys, the keys of card
    /// management, and a purchase key for each of `groups` (from 1). Versions are never replaced.
    pub fn add_version(
        &mut self,
        version: u8,
        algorithm: Algorithm,
        groups: &[u8],
        rng: &mut dyn CryptoRng,
    ) -> Result<(), Error> {
        if groups.contains(&0) {
            return Err(Error::BadOrder("group 0 is the issuer's own; number purchase groups from 1"));
        }
        for function in [Function::Load, Function::Certificate, Function::Record] {
            self.generate(function, 0, version, algorithm, rng)?;
        }
        for function in CHANNEL {
            // Card management is AES, whatever payments are.
            self.generate(function, 0, version, Algorithm::AesCmac, rng)?;
        }
        groups.iter().try_for_each(|group| self.generate(Function::Purchase, *group, version, algorithm, rng))
    }

    fn generate(
        &mut self,
        function: Function,
        group: u8,
        version: u8,
        algorithm: Algorithm,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), Error> {
        let slot = (function as u8, group, version);
        if self.masters.contains_key(&slot) {
            return Err(Error::AlreadyRegistered(name(function, group, version)));
        }
        let place = self.draw(rng)?;
        self.masters.insert(slot, Master { function, algorithm, place });
        Ok(())
    }

    /// A fresh key, drawn into its place.
    fn draw(&mut self, rng: &mut dyn CryptoRng) -> Result<Place, Error> {
        self.memory.add(|key| {
            rng.fill_bytes(key);
            Ok(())
        })
    }

    /// A new key for card images, in the place of the one there was.
    pub fn add_image_key(&mut self, rng: &mut dyn CryptoRng) -> Result<(), Error> {
        self.images = Some([self.draw(rng)?, self.draw(rng)?]);
        Ok(())
    }

    /// The key of card images, 32 bytes; none where they are in clear.
    #[must_use]
    pub fn image_key(&self) -> Option<Zeroizing<[u8; 32]>> {
        let halves = self.images?.map(|place| self.memory.key(place));
        let mut key = Zeroizing::new([0; 32]);
        key.chunks_exact_mut(16).zip(halves).for_each(|(place, half)| place.copy_from_slice(half.expose()));
        Some(key)
    }

    /// The full reference of a key version.
    pub fn reference(&self, function: Function, group: u8, version: u8) -> Result<KeyReference, Error> {
        let master = self.masters.get(&(function as u8, group, version));
        let algorithm = master.map(|master| master.algorithm);
        let algorithm = algorithm.ok_or_else(|| Error::UnknownKey(name(function, group, version)))?;
        Ok(KeyReference { algorithm, group, version })
    }

    /// The highest version of a key.
    #[must_use]
    pub fn highest(&self, function: Function, group: u8) -> Option<KeyReference> {
        let of_group = (function as u8, group, 0)..=(function as u8, group, u8::MAX);
        let ((.., version), master) = self.masters.range(of_group).next_back()?;
        Some(KeyReference { algorithm: master.algorithm, group, version: *version })
    }

    /// The two newest versions of keys, oldest first: what a new card gets, so that it can pay at
    /// terminals that have not been brought the newest yet.
    #[must_use]
    pub fn newest_versions(&self) -> Vec<u8> {
        let newest = self.highest(Function::Load, 0).map(|reference| reference.version);
        let there = |version: &u8| self.reference(Function::Load, 0, *version).is_ok();
        let before = newest.and_then(|newest| (1..newest).rev().find(there));
        before.into_iter().chain(newest).collect()
    }

    /// Every key version with a value that tells keys apart and gives nothing away: the
    /// first three bytes of a MAC over zeros.
    pub(crate) fn check_values(&self) -> impl Iterator<Item = (Slot, String, [u8; 3])> {
        self.masters.iter().map(|(slot, master)| {
            let [a, b, c, ..] = MacKey::new(self.memory.key(master.place), master.algorithm).mac(&[0; 16]).0;
            (*slot, name(master.function, slot.1, slot.2), [a, b, c])
        })
    }

    /// The algorithm of a key version.
    pub(crate) fn algorithm(&self, slot: Slot) -> Option<Algorithm> {
        self.masters.get(&slot).map(|master| master.algorithm)
    }

    fn master(&self, function: Function, reference: KeyReference) -> Result<&Key, Error> {
        let known = self.masters.get(&(function as u8, reference.group, reference.version));
        let known = known.filter(|master| master.algorithm == reference.algorithm);
        let unknown = || Error::UnknownKey(name(function, reference.group, reference.version));
        known.map(|master| self.memory.key(master.place)).ok_or_else(unknown)
    }

    /// The card's own key, ready to derive from.
    fn derivation(
        &self,
        holder: Holder,
        function: Function,
        reference: KeyReference,
    ) -> Result<DerivationKey, Error> {
        let key = card_key(self.master(function, reference)?, holder, function, reference);
        Ok(DerivationKey::new(key, reference.algorithm))
    }

    /// K1 of a purse's session: a purchase where the group is above 0, else a load or unload.
    pub(crate) fn statement_key(
        &self,
        iep: IepId,
        reference: KeyReference,
        context: &SessionContext,
    ) -> Result<StatementKey, Error> {
        let function = if reference.group == 0 { Function::Load } else { Function::Purchase };
        Ok(self.derivation(iep.into(), function, reference)?.statement_key(context))
    }

    /// Key of S6, of the same version and algorithm as the session's.
    pub(crate) fn certificate_key(
        &self,
        iep: IepId,
        reference: KeyReference,
        context: &SessionContext,
    ) -> Result<OneTimeKey, Error> {
        let reference = KeyReference { group: 0, ..reference };
        Ok(self.derivation(iep.into(), Function::Certificate, reference)?.certificate_key(context))
    }

    /// Key of the answer to GET PREVIOUS IEP SIGNATURE that a purse gives its issuer.
    pub(crate) fn previous_key(
        &self,
        iep: IepId,
        reference: KeyReference,
        context: &SessionContext,
    ) -> Result<OneTimeKey, Error> {
        Ok(self.derivation(iep.into(), Function::Load, reference)?.previous_key(context))
    }

    /// Key of one batch of a module; batch 0 is the releases of a transfer card.
    pub(crate) fn record_key(
        &self,
        sam: SamId,
        reference: KeyReference,
        batch: BatchNumber,
    ) -> Result<MacKey, Error> {
        Ok(self.derivation(sam.into(), Function::Record, reference)?.record_key(batch))
    }

    /// Key of the line of a load terminal.
    pub(crate) fn online_key(&self, terminal: SamId, reference: KeyReference) -> Result<OnlineKey, Error> {
        let key = self.card_key_data(terminal.into(), Function::Record, reference)?.key;
        Ok(OnlineKey::new(key, reference, terminal))
    }

    /// A card's own key of one function, for its personalisation.
    pub(crate) fn card_key_data(
        &self,
        holder: Holder,
        function: Function,
        reference: KeyReference,
    ) -> Result<KeyData, Error> {
        let key = card_key(self.master(function, reference)?, holder, function, reference);
        Ok(KeyData { function, reference, key })
    }

    /// A card's own keys of card management.
    pub(crate) fn channel_keys(&self, holder: Holder, version: u8) -> Result<KeySet, Error> {
        let key = |function| {
            let reference = self.reference(function, 0, version)?;
            let key = card_key(self.master(function, reference)?, holder, function, reference);
            ChannelKey::aes(key.expose()).map_err(|_| Error::BadOrder("card management has AES keys"))
        };
        let [enc, mac, dek] = CHANNEL;
        Ok(KeySet { enc: key(enc)?, mac: key(mac)?, dek: key(dek)? })
    }

    /// The purchase master key of a group, for the personalisation of its PSAMs: the one
    /// master key that is ever handed out.
    pub(crate) fn purchase_master(&self, reference: KeyReference) -> Result<KeyData, Error> {
        let key = self.master(Function::Purchase, reference)?.clone();
        Ok(KeyData { function: Function::Purchase, reference, key })
    }
}

/// Sixteen fresh bytes.
pub(crate) fn random_key(rng: &mut dyn CryptoRng) -> Key {
    let mut bytes = Zeroizing::new([0; 16]);
    rng.fill_bytes(bytes.as_mut());
    Key::new(*bytes)
}
