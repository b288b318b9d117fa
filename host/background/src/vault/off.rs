//! Protections of an issuer that a simulation has switched off: nothing in any other system.

use apdu_spec::protections::Protections;

/// What is off, each by its constant in [`Protections`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Off {
    /// `NUMBERS_UNDER_MAC`.
    pub(crate) numbers: bool,
    /// `CERTIFICATE_VERIFIED`.
    pub(crate) certificates: bool,
    /// `PAYABLE_BY_OWN_BATCH`.
    pub(crate) own_batch: bool,
    /// `TRANSFERS_ALONE_COMPLETED`.
    pub(crate) transfers_alone: bool,
    /// `CONTINUITY_CHECKED`.
    pub(crate) continuity: bool,
    /// `BOUNDED_WAITING`.
    pub(crate) bounds: bool,
}

impl Off {
    /// What these protections leave out.
    pub(super) const fn under<X: Protections>() -> Self {
        Self {
            numbers: !X::NUMBERS_UNDER_MAC,
            certificates: !X::CERTIFICATE_VERIFIED,
            own_batch: !X::PAYABLE_BY_OWN_BATCH,
            transfers_alone: !X::TRANSFERS_ALONE_COMPLETED,
            continuity: !X::CONTINUITY_CHECKED,
            bounds: !X::BOUNDED_WAITING,
        }
    }
}
