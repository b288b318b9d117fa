//! Personalisation data: data groups that STORE DATA brings to an application.
//!
//! Each group is written as a whole and may be written again until the last one
//! has made the application PERSONALIZED.

use crate::crypto::Key;
use crate::element::{Amount, Bcd, Currency, Date, KeyReference, ProviderId, SamId};
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
        /// [`KeyData`]
        Key = 0x8101,
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
