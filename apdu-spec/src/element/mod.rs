//! The data elements: one type each, with its width, unit and bounds.
//!
//! Names follow EN 1546 and CEPS (`ID_IEP`, `NT_IEP`, `BAL_IEP`, `DEXP_IEP`, ...); widths
//! are project-defined. [`number`] has identities and counters, [`money`] amounts and
//! currencies, [`time`] days and times, [`decimal`] packed digits, [`secret`] random numbers and
//! MACs, [`pin`] the holder's PIN, [`code`] closed codes.

pub mod code;
pub mod decimal;
pub mod money;
pub mod number;
pub mod pin;
pub mod secret;
pub mod time;

pub use code::{Algorithm, KeyReference, Kind, Search, Service};
pub use decimal::Bcd;
pub use money::{Amount, Balance, Currency, Money, Total};
pub use number::{
    AcquirerId, BatchNumber, Counter, IepId, ProviderId, PurseNumber, SamCounter, SamId, SamNumber,
};
pub use pin::Pin;
pub use secret::{Mac, Random};
pub use time::{Date, Time};
