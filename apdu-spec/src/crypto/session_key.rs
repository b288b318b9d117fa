//! Session keys from card keys: NIST SP 800-108 in counter mode, with CMAC.
//!
//! Input of each block: `counter (1) | label (1) | 00 | context | length in bits (2)`.
//! AES takes one block, Triple DES two. Context and label make every session key
//! a key of its own: K1 of a session makes S1 and nothing else.

use super::Key;
use super::derivation::tdea_pair;
use super::mac::MacKey;
use crate::element::{Algorithm, BatchNumber, Counter, IepId, Kind, Random};
use crate::layout;
use crate::record::Counterpart;
use crate::wire::{Element, Writer};

/// What a derived key is for.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Label {
    Statement = 0x11,
    Order = 0x12,
    Certificate = 0x13,
    Previous = 0x14,
    Record = 0x15,
    Secret = 0x16,
}

layout! {
    /// Context of a purse session: 26 bytes.
    #[derive(Copy)]
    pub struct SessionContext {
        /// Type of transaction.
        kind: Kind,
        /// NT_IEP.
        nt: Counter,
        /// R_IEP.
        random: Random,
        /// The counterpart and its challenge.
        counterpart: Counterpart,
    }
}

layout! {
    /// Context of a cancellation secret: 15 bytes.
    #[derive(Copy)]
    pub struct SecretContext {
        /// The purse.
        iep: IepId,
        /// NT_IEP of the purchase.
        nt_iep: Counter,
        /// NT_PSAM of the purchase.
        nt_psam: Counter,
    }
}

/// A key from which other keys are derived, its schedule computed once.
#[derive(Debug)]
pub struct DerivationKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: Key,
    pub(super) mac: MacKey,
}

impl DerivationKey {
    /// Prepares `key`.
    #[must_use]
    #[inline]
    pub fn new(key: Key, algorithm: Algorithm) -> Self {
        let mac = MacKey::new(&key, algorithm);
        Self { algorithm, key, mac }
    }

    fn derive<C: Element>(&self, label: Label, context: &C) -> Key {
        const { assert!(C::MAX <= 32, "a context is longer than its buffer") };
        let mut buffer = [0; 40];
        let mut writer = Writer::new(&mut buffer);
        writer.put(&[0x01, label as u8, 0x00]);
        context.encode(&mut writer);
        writer.put(&128_u16.to_be_bytes());
        let message = writer.finish().unwrap_or_default();
        match self.mac.full_cmac(message) {
            Some(bytes) => Key::new(bytes),
            None => tdea_pair(&self.key, [0x01, 0x02], message.get(1..).unwrap_or_default()),
        }
    }

    /// K1 of a session, which makes S1 and from which KS comes.
    #[must_use]
    #[inline]
    pub fn statement_key(&self, context: &SessionContext) -> StatementKey {
        StatementKey(Self::new(self.derive(Label::Statement, context), self.algorithm))
    }

    /// Key of S6 (from the certificate key).
    #[must_use]
    #[inline]
    pub fn certificate_key(&self, context: &SessionContext) -> MacKey {
        MacKey::new(&self.derive(Label::Certificate, context), self.algorithm)
    }

    /// Key of the answer to GET PREVIOUS IEP SIGNATURE; the context's random number is zero.
    #[must_use]
    pub fn previous_key(&self, context: &SessionContext) -> MacKey {
        MacKey::new(&self.derive(Label::Previous, context), self.algorithm)
    }

    /// Key of S4, S5, the chain and the acknowledgement of one batch (from the record key).
    #[must_use]
    pub fn record_key(&self, batch: BatchNumber) -> MacKey {
        MacKey::new(&self.derive(Label::Record, &batch), self.algorithm)
    }

    /// The secret that cancels one purchase (from the cancellation key).
    #[must_use]
    pub fn cancellation_secret(&self, context: &SecretContext) -> Key {
        self.derive(Label::Secret, context)
    }
}

/// K1 of a session: makes S1, and derives KS.
#[derive(Debug)]
pub struct StatementKey(DerivationKey);

impl StatementKey {
    /// The key of S1.
    #[must_use]
    pub const fn mac_key(&self) -> &MacKey {
        &self.0.mac
    }

    /// KS, which makes S2 and S3: K1 and the counterpart's number of the transaction.
    #[must_use]
    #[inline]
    pub fn order_key(&self, nt: Counter) -> MacKey {
        MacKey::new(&self.0.derive(Label::Order, &nt), self.0.algorithm)
    }
}
