//! The personalisation line: an order file becomes cards, whatever reader they are in.
//!
//! [`order`] reads the file and checks it as a whole; [`line`](mod@line) brings each card to
//! what its line says, and goes on after an interruption; [`job`] is what it remembers for
//! that; [`records`] are the files that people read: results (one a card:
//! [`result`](mod@result)), which say what is done, and PINs for letters.

pub mod job;
pub mod line;
pub mod order;
pub mod records;
pub mod result;

use apdu_spec::element::{Amount, Bcd, Date, Pin};
use apdu_spec::personalisation::{DomainParameters, LegacyView, PinPolicy};

/// Short bank code that a Geldkarte shows where an order does not say: of no bank in particular.
pub const SHORT_BANK: u64 = 250_000;
/// Country that it shows then, ISO 3166 numeric.
pub const COUNTRY: u64 = 280;

/// A purse that is ordered: what is the same for a line of a file and for a single card.
#[derive(Clone, Debug)]
pub struct CardOrder {
    /// Greatest balance.
    pub maximum: Amount,
    /// How far below zero a purchase may take it.
    pub overdraft: Amount,
    /// Greatest amount of one purchase.
    pub limit: Amount,
    /// Key versions; empty stands for the two newest.
    pub versions: Vec<u8>,
    /// Last day; nothing stands for five years.
    pub expiry: Option<Date>,
    /// The holder's PIN.
    pub pin: Option<PinOrder>,
    /// As which older cards it can be read besides.
    pub legacy: Option<LegacyView>,
    /// Wrong authentications in a row that block the card until its issuer lifts that; nothing for
    /// no limit.
    pub attempts: Option<u8>,
}

/// A PIN that is ordered.
#[derive(Clone, Debug)]
pub struct PinOrder {
    /// The PIN; nothing for a random one.
    pub pin: Option<Pin>,
    /// Wrong PINs in a row that block it.
    pub tries: u8,
    /// Greatest load without it.
    pub load_limit: Amount,
}

impl CardOrder {
    /// With these limits, and nothing that is not everywhere.
    #[must_use]
    pub const fn new(maximum: Amount, overdraft: Amount, limit: Amount) -> Self {
        let versions = Vec::new();
        Self { maximum, overdraft, limit, versions, expiry: None, pin: None, legacy: None, attempts: None }
    }

    /// The order; or what is wrong about it, where its parts do not go together.
    pub fn checked(self) -> Result<Self, &'static str> {
        if self.legacy.is_some() && u64::from(self.maximum.get()) > Bcd::<3>::MAX {
            return Err("a view has six digits for the balance; lower the maximum");
        }
        Ok(self)
    }

    /// How the security domain opens channels.
    #[must_use]
    pub fn domain(&self) -> Option<DomainParameters> {
        self.attempts.map(|attempts| DomainParameters { attempts, ..DomainParameters::initial() })
    }
}

impl PinOrder {
    /// What the card is told of this PIN.
    #[must_use]
    pub const fn policy(&self, pin: Pin) -> PinPolicy {
        PinPolicy { tries: self.tries, load_limit: self.load_limit, pin }
    }
}
