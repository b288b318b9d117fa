//! Personalisation data: data groups that STORE DATA brings to an application.
//!
//! Each group is written as a whole and may be written again until the last one
//! has made the application PERSONALIZED. PIN, generations of keys and their floor can be
//! written afterwards as well.

use crate::crypto::Key;
use crate::crypto::secure_channel::{Scp02Variant, Scp03Variant};
use crate::element::{Amount, Bcd, Currency, Date, KeyReference, Pin, ProviderId, SamId, Time};
use crate::record::Identity;
use crate::wire::{Element, List};
use crate::{code, layout};

code! {
    /// Data grouping identifiers (project-defined; 81xx are keys).
    pub enum DataGroup: u16 {
        /// [`PurseParameters`]
        Purse = 0x0101,
        /// [`SamParameters`]
        Sam = 0x0102,
        /// [`TransferParameters`]
        Transfer = 0x0103,
        /// [`LegacyView`]
        View = 0x0104,
        /// [`PinPolicy`]
        Pin = 0x0105,
        /// [`KeyFloor`]
        KeyFloor = 0x0106,
        /// [`DomainParameters`], of the security domain itself
        Domain = 0x0107,
        /// [`KeyData`]
        Key = 0x8101,
        /// [`Generation`]
        Generation = 0x8102,
    }
}

layout! {
    /// Parameters of a purse.
    #[derive(Copy)]
    pub struct PurseParameters {
        /// Identity, expiry, currency and greatest balance.
        identity: Identity,
        /// How far below zero a purchase may take the balance, minor units.
        overdraft: Amount,
        /// Greatest amount of one purchase, minor units.
        purchase_limit: Amount,
        /// Least key version that the purse still uses.
        key_floor: u8,
    }
}

layout! {
    /// Parameters of a PSAM.
    pub struct SamParameters {
        /// Identity.
        sam: SamId,
        /// Last day on which the PSAM takes payments.
        expiry: Date,
        /// Currency of its payments.
        currency: Currency,
        /// Greatest amount of one purchase, minor units.
        purchase_limit: Amount,
        /// When it was issued: the first time that it is told under a MAC.
        time: Time,
        /// How long it takes payments without being told the time anew, seconds.
        window: u32,
        /// Key group whose purses it serves.
        group: u8,
        /// Providers whose purses it serves.
        providers: List<ProviderId, { crate::batch::PROVIDERS_MAX }>,
    }
}

layout! {
    /// Parameters of a transfer card.
    #[derive(Copy)]
    pub struct TransferParameters {
        /// Identity of the card.
        card: SamId,
    }
}

layout! {
    /// As which older cards a purse can be read besides. What a view shows of balance, limits and
    /// payments is the purse's own; this is what a purse of ours does not have.
    #[derive(Copy)]
    pub struct LegacyView {
        /// Which views: 01 Geldkarte, 02 Quick, 03 both.
        views: u8,
        /// Short bank code, of which the first digits say the group of banks.
        short_bank: Bcd<3>,
        /// Bank code of the account.
        bank: Bcd<4>,
        /// Number of the account.
        account: Bcd<5>,
        /// Country, ISO 3166 numeric.
        country: Bcd<2>,
        /// First day of the card.
        since: Date,
    }
}

impl LegacyView {
    /// The view of a Geldkarte.
    pub const GELDKARTE: u8 = 0x01;
    /// The view of a Quick card.
    pub const QUICK: u8 = 0x02;

    /// A view; or what is wrong about it, where readers would not take it for one.
    pub fn new(
        views: u8,
        short_bank: u64,
        bank: u64,
        account: u64,
        country: u64,
        since: Date,
    ) -> Result<Self, &'static str> {
        if !matches!(short_bank / 10_000, 21 | 22 | 25 | 26 | 29) {
            return Err("the short bank code has 6 digits, the first two 21, 22, 25, 26 or 29");
        }
        if country > 999 {
            return Err("the country has 3 digits at most");
        }
        Ok(Self {
            views,
            short_bank: Bcd::saturating(short_bank),
            bank: Bcd::new(bank).ok_or("the bank code has 8 digits at most")?,
            account: Bcd::new(account).ok_or("the account has 10 digits at most")?,
            country: Bcd::saturating(country),
            since,
        })
    }
}

layout! {
    /// The holder's PIN, and what it is needed for.
    pub struct PinPolicy {
        /// Wrong PINs in a row that block it, 1 to 15.
        tries: u8,
        /// Greatest load without the PIN, minor units.
        load_limit: Amount,
        /// The PIN.
        pin: Pin,
    }
}

layout! {
    /// Which generations of keys an application still uses. It only rises; keys of lower
    /// versions are erased.
    #[derive(Copy)]
    pub struct KeyFloor {
        /// Least version.
        version: u8,
    }
}

layout! {
    /// How a security domain opens secure channels.
    #[derive(Copy)]
    pub struct DomainParameters {
        /// SCP03, for AES keys.
        scp03: Scp03Variant,
        /// SCP02, for Triple DES keys.
        scp02: Scp02Variant,
        /// Wrong authentications in a row that block the card until its issuer lifts that; 00 for
        /// no limit: they cost time alone.
        attempts: u8,
    }
}

impl DomainParameters {
    /// As a card leaves its manufacturer: SCP03 with i = 70, SCP02 with i = 55, no limit of
    /// attempts.
    #[must_use]
    pub const fn initial() -> Self {
        let Ok(scp03) = Scp03Variant::new(0x70) else { unreachable!() };
        Self { scp03, scp02: Scp02Variant::PseudoRandom, attempts: 0 }
    }
}

code! {
    /// What a key is for.
    pub enum Function: u8 {
        /// KML: S1, S2, S3 of online loads and unloads.
        Load = 0x01,
        /// KMP: S1, S2, S3 of purchases.
        Purchase = 0x02,
        /// KMC: S6.
        Certificate = 0x03,
        /// Record key of a SAM or transfer card: S4, S5, acknowledgements, releases.
        Record = 0x04,
        /// Secrets that cancel purchases; known to one PSAM alone.
        Cancellation = 0x05,
        /// Card management, key 1 of a secure channel: encryption. In no application.
        ChannelEncryption = 0x11,
        /// Card management, key 2: MACs. In no application.
        ChannelMac = 0x12,
        /// Card management, key 3: keys and other sensitive data. In no application.
        ChannelData = 0x13,
    }
}

layout! {
    /// A key with what it is for: 20 bytes.
    pub struct KeyData {
        /// Function.
        function: Function,
        /// Algorithm, group and version.
        reference: KeyReference,
        /// The key.
        key: Key,
    }
}

const _: () = assert!(KeyData::MAX == 20);

layout! {
    /// All keys of one version, taken in as a whole or not at all.
    pub struct Generation {
        /// The keys.
        keys: List<KeyData, 9>,
    }
}
