//! What a purchase tells each card that it did not know: the fields that change, each
//! once, with their widths. The purses of the measurement meet two PSAMs in turn, the
//! PSAMs another purse each time.
//!
//! Not counted, because they stay: type of transaction, key, currency, provider, the NV
//! of the last cancellation, both sums of offline loads and whether the purse moves value; on the
//! purse also its own identity, the NV of its last load and what was taken over; on the PSAM its
//! own identity and the version of its list, which an entry has from its batch. Numbers that a
//! record has by its place (NV of the purse's log, NT_PSAM, place in the batch) change
//! and are counted.

use apdu_spec::Element;
use apdu_spec::element::{Amount, Balance, Counter, Date, Mac, PurseNumber, Random, SamCounter, SamId, Time};
use apdu_spec::record::{Outcome, Terms};

/// A field that changes, and its width.
pub(crate) type Field = (&'static str, usize);

const fn width<E: Element>() -> usize {
    E::MAX
}

/// New to the purse.
pub(crate) const PURSE: &[Field] = &[
    ("NT_IEP", width::<Counter>()),
    ("balance", width::<Balance>()),
    ("NV_IEP", width::<Counter>()),
    ("R_IEP", width::<Random>()),
    ("receipts held", 1),
    ("PSAM", width::<SamId>()),
    ("challenge of the PSAM", width::<Random>()),
    ("amount", width::<Amount>()),
    ("time", width::<Time>()),
    ("NT_PSAM", width::<SamCounter>()),
    ("terms: cancellation commitment", width::<Terms>()),
    ("S3", width::<Mac>()),
    ("S6", width::<Mac>()),
];

/// New to the PSAM: the purse, where it stands, the order, and what came back.
pub(crate) const PSAM: &[Field] = &[
    ("purse, number", width::<PurseNumber>()),
    ("purse, expiry", width::<Date>()),
    ("purse, maximum", width::<Balance>()),
    ("balance", width::<Balance>()),
    ("NT_IEP", width::<Counter>()),
    ("NV_IEP", width::<Counter>()),
    ("R_IEP", width::<Random>()),
    ("NV of the last load", width::<Counter>()),
    ("receipts held", 1),
    ("challenge", width::<Random>()),
    ("amount", width::<Amount>()),
    ("time", width::<Time>()),
    ("NT_PSAM", width::<SamCounter>()),
    ("taken over up to NV", width::<Counter>()),
    ("terms: cancellation commitment", width::<Terms>()),
    ("outcome", width::<Outcome>()),
    ("S3", width::<Mac>()),
    ("S6", width::<Mac>()),
    ("S5", width::<Mac>()),
];

/// Bytes of a list.
pub(crate) fn bytes(list: &[Field]) -> usize {
    list.iter().map(|(_, width)| width).sum()
}
