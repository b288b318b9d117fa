//! Session keys from card keys: NIST SP 800-108 in counter mode, with CMAC.
//!
//! Input of each block: `counter (1) | label (1) | 00 | context | length in bits (2)`.
//! AES takes one block, Triple DES two. Context and label make every session key
//! a key of its own: K1 of a session makes S1 and nothing else.
//!
//! What makes a schedule is not inlined: a purchase runs through more code than the first
//! cache holds, and every copy of this costs more than its call.

use super::Key;
use super::derivation::tdea_pair;
use super::mac::{MacKey, Message, OneTimeKey, cmac_once};
use crate::element::{Algorithm, BatchNumber, Counter, IepId, Kind, Random, SamCounter, SamId};
use crate::layout;
use crate::record::Counterpart;
use crate::wire::Element;

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
    Online = 0x17,
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
    /// Context of a cancellation secret: 16 bytes.
    #[derive(Copy)]
    pub struct SecretContext {
        /// The purse.
        iep: IepId,
        /// NT_IEP of the purchase.
        nt_iep: Counter,
        /// NT_PSAM of the purchase.
        nt_psam: SamCounter,
    }
}

/// Writes what a derived key is made from.
#[inline]
fn input<'m, C: Element>(message: &'m mut Message<3>, label: Label, context: &C) -> &'m Message<3> {
    const { assert!(C::MAX + 5 <= 48, "a context is longer than its buffer") };
    message.write(|writer| {
        writer.put(&[0x01, label as u8, 0x00]);
        context.encode(writer);
        writer.put(&128_u16.to_be_bytes());
    })
}

/// Triple DES takes two blocks, numbered 1 and 2.
fn derive_tdea(key: &Key, input: &Message<3>) -> Key {
    tdea_pair(key, [0x01, 0x02], input.bytes().get(1..).unwrap_or_default())
}

/// A key from which another key is derived.
#[derive(Debug)]
pub struct DerivationKey {
    key: Key,
    algorithm: Algorithm,
}

impl DerivationKey {
    /// Derives from `key`.
    #[must_use]
    #[inline]
    pub const fn new(key: Key, algorithm: Algorithm) -> Self {
        Self { key, algorithm }
    }

    fn derive<C: Element>(&self, label: Label, context: &C) -> Key {
        let mut message = Message::new();
        let input = input(&mut message, label, context);
        match self.algorithm {
            Algorithm::AesCmac => Key::new(cmac_once(&self.key, input.front(), input.last())),
            Algorithm::RetailMac => derive_tdea(&self.key, input),
        }
    }

    /// K1 of a session, which makes S1 and from which KS comes.
    #[must_use]
    #[inline(never)]
    pub fn statement_key(&self, context: &SessionContext) -> StatementKey {
        StatementKey(MacKey::new(&self.derive(Label::Statement, context), self.algorithm))
    }

    /// Key of S6 (from the certificate key).
    #[must_use]
    #[inline]
    pub fn certificate_key(&self, context: &SessionContext) -> OneTimeKey {
        OneTimeKey::new(self.derive(Label::Certificate, context), self.algorithm)
    }

    /// Key of the answer to GET PREVIOUS IEP SIGNATURE; the context's random number is zero.
    #[must_use]
    pub fn previous_key(&self, context: &SessionContext) -> OneTimeKey {
        OneTimeKey::new(self.derive(Label::Previous, context), self.algorithm)
    }

    /// Key of S4, S5, the chain and the acknowledgement of one batch (from the record key).
    #[must_use]
    pub fn record_key(&self, batch: BatchNumber) -> MacKey {
        MacKey::new(&self.derive(Label::Record, &batch), self.algorithm)
    }

    /// Key of what a load terminal says online, and of what it is answered (from its record key).
    #[must_use]
    pub fn online_key(&self, terminal: SamId) -> MacKey {
        MacKey::new(&self.derive(Label::Online, &terminal), self.algorithm)
    }
}

/// A key from which many keys are derived: its schedule is kept.
#[derive(Debug)]
pub struct MasterKey(pub(super) MacKey);

impl MasterKey {
    /// Prepares `key`.
    #[must_use]
    pub fn new(key: &Key, algorithm: Algorithm) -> Self {
        Self(MacKey::new(key, algorithm))
    }

    /// The secret that cancels one purchase (from the cancellation key).
    #[must_use]
    pub fn cancellation_secret(&self, context: &SecretContext) -> Key {
        self.0.derive(Label::Secret, context)
    }
}

impl MacKey {
    fn derive<C: Element>(&self, label: Label, context: &C) -> Key {
        let mut message = Message::new();
        let input = input(&mut message, label, context);
        match self.full_cmac(input) {
            Ok(bytes) => Key::new(bytes),
            Err(key) => derive_tdea(key, input),
        }
    }
}

/// K1 of a session: makes S1, and derives KS.
#[derive(Debug)]
pub struct StatementKey(MacKey);

impl StatementKey {
    /// The key of S1.
    #[must_use]
    pub const fn mac_key(&self) -> &MacKey {
        &self.0
    }

    /// KS, which makes S2 and S3: K1 and the counterpart's number of the transaction.
    #[must_use]
    #[inline(never)]
    pub fn order_key(&self, nt: SamCounter) -> MacKey {
        MacKey::new(&self.0.derive(Label::Order, &nt), self.0.algorithm())
    }
}
