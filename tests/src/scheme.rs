//! One small scheme: its participants, its master keys, and what they give to cards.

use apdu_spec::crypto::Key;
use apdu_spec::crypto::derivation::{Holder, card_key};
use apdu_spec::element::{
    AcquirerId, Algorithm, Amount, Balance, Counter, Currency, Date, IepId, KeyReference, ProviderId,
    PurseNumber, SamId, SamNumber, Time,
};
use apdu_spec::personalisation::{Function, KeyData, PurseParameters, SamParameters};
use apdu_spec::record::Identity;
use apdu_spec::wire::List;

/// Now, wherever a time is needed.
pub const NOW: Time = Time(1_700_000_000);
/// Key group of all PSAMs.
pub const GROUP: u8 = 1;
/// The one key version.
pub const VERSION: u8 = 1;

/// The one issuer.
///
/// # Panics
/// Never.
#[must_use]
pub fn provider() -> ProviderId {
    ProviderId::new(11).expect("small")
}

/// The one acquirer.
///
/// # Panics
/// Never.
#[must_use]
pub fn acquirer() -> AcquirerId {
    AcquirerId::new(77).expect("small")
}

/// A PSAM of the acquirer.
///
/// # Panics
/// Above three bytes.
#[must_use]
pub fn sam_id(number: u32) -> SamId {
    SamId { acquirer: acquirer(), number: SamNumber::new(number).expect("three bytes") }
}

/// An amount, minor units.
///
/// # Panics
/// Above the greatest amount.
#[must_use]
pub fn amount(minor: u32) -> Amount {
    Amount::new(minor).expect("an amount")
}

/// A counter.
///
/// # Panics
/// Above three bytes.
#[must_use]
pub fn counter(value: u32) -> Counter {
    Counter::new(value).expect("a counter")
}

/// What is printed on purse `number`. No two have the same expiry or maximum, as in a
/// scheme with many products.
///
/// # Panics
/// Above five bytes.
#[must_use]
pub fn identity(number: u64) -> Identity {
    let iep = IepId { provider: provider(), number: PurseNumber::new(number).expect("five bytes") };
    let spread = u16::try_from(number % 1_000).unwrap_or(0);
    Identity {
        iep,
        expiry: Date(NOW.date().0 + 365 + spread),
        currency: Currency::EUR,
        maximum: Balance(1_000_000 + i32::from(spread)),
    }
}

/// The reference of a key of this function.
#[must_use]
pub const fn reference(function: Function) -> KeyReference {
    let group = if matches!(function, Function::Purchase) { GROUP } else { 0 };
    KeyReference { algorithm: Algorithm::AesCmac, group, version: VERSION }
}

/// The master key of a function: its code, sixteen times.
#[must_use]
pub const fn master(function: Function) -> Key {
    Key::new([function as u8; 16])
}

/// A card's own key.
#[must_use]
pub fn own_key(holder: impl Into<Holder>, function: Function) -> Key {
    card_key(&master(function), holder.into(), function, reference(function))
}

fn key_data(function: Function, key: Key) -> KeyData {
    KeyData { function, reference: reference(function), key }
}

/// Parameters and keys of purse `number`.
#[must_use]
pub fn purse_data(number: u64) -> (PurseParameters, Vec<KeyData>) {
    let identity = identity(number);
    let parameters = PurseParameters {
        identity,
        overdraft: amount(0),
        purchase_limit: amount(100_000),
        key_floor: VERSION,
    };
    let functions = [Function::Load, Function::Purchase, Function::Certificate];
    let keys = functions.map(|function| key_data(function, own_key(identity.iep, function)));
    (parameters, keys.into())
}

/// Parameters and keys of PSAM `number`.
///
/// # Panics
/// Never: one provider fits.
#[must_use]
pub fn sam_data(number: u32) -> (SamParameters, Vec<KeyData>) {
    let sam = sam_id(number);
    let mut providers = List::new();
    providers.push(provider()).expect("room for one");
    let parameters = SamParameters {
        sam,
        expiry: Date(NOW.date().0 + 365),
        currency: Currency::EUR,
        purchase_limit: amount(100_000),
        time: NOW,
        window: 365 * 86_400,
        group: GROUP,
        providers,
    };
    let keys = vec![
        key_data(Function::Purchase, master(Function::Purchase)),
        key_data(Function::Record, own_key(sam, Function::Record)),
        key_data(Function::Cancellation, master(Function::Cancellation)),
    ];
    (parameters, keys)
}
