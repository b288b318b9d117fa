//! The holder's PIN: VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER.
//!
//! A try is used up by a commit of its own before the PIN is compared, so that no loss of
//! power gives it back.

use apdu_spec::element::{Amount, Pin};
use apdu_spec::personalisation::PinPolicy;
use apdu_spec::purse::ChangePinRequest;
use apdu_spec::{Element as _, StatusWord};

use super::layout::{PIN, PIN_TRIES};
use crate::kernel::area::Area;
use crate::kernel::memory::Committed;

/// What is known of the holder.
#[derive(Debug)]
pub(super) struct Holder {
    /// Greatest load without the PIN; nothing where the purse has no PIN.
    load_limit: Option<Amount>,
    /// The PIN was right since the purse was selected.
    verified: bool,
}

impl Holder {
    /// Reads what the purse knows of its holder.
    pub(super) fn attach(area: &Area<'_>) -> Self {
        Self { load_limit: policy(area).ok().map(|policy| policy.load_limit), verified: false }
    }

    pub(super) const fn deselect(&mut self) {
        self.verified = false;
    }

    /// Whether a load of this amount may go on.
    pub(super) fn allow_load(&self, amount: Amount) -> Result<(), StatusWord> {
        match self.load_limit {
            Some(limit) if amount > limit && !self.verified => Err(StatusWord::SECURITY_NOT_SATISFIED),
            _ => Ok(()),
        }
    }

    /// The issuer gives the purse a PIN, or another one, with all its tries.
    pub(super) fn store(&mut self, area: &mut Area<'_>, content: &[u8]) -> Result<(), StatusWord> {
        let policy = PinPolicy::from_bytes(content).map_err(|_| StatusWord::WRONG_DATA)?;
        if !(1..=15).contains(&policy.tries) {
            return Err(StatusWord::WRONG_DATA);
        }
        let _: Committed = set(&policy, area)?;
        *self = Self { load_limit: Some(policy.load_limit), verified: false };
        Ok(())
    }

    /// VERIFY.
    pub(super) fn verify(&mut self, pin: &Pin, area: &mut Area<'_>) -> Result<(), StatusWord> {
        self.verified = false;
        let policy = self.compare(pin, area)?;
        let _ = area.change().set(PIN_TRIES, &policy.tries).commit()?;
        self.verified = true;
        Ok(())
    }

    /// CHANGE REFERENCE DATA: the new PIN and its tries in one commit.
    pub(super) fn change(
        &mut self,
        request: &ChangePinRequest,
        area: &mut Area<'_>,
    ) -> Result<(), StatusWord> {
        self.verified = false;
        let mut policy = self.compare(&request.old, area)?;
        policy.pin = request.new.clone();
        let _: Committed = set(&policy, area)?;
        self.verified = true;
        Ok(())
    }

    /// RESET RETRY COUNTER, in the issuer's channel alone.
    pub(super) fn reset(&mut self, pin: &Pin, area: &mut Area<'_>) -> Result<(), StatusWord> {
        if !area.is_confidential() {
            return Err(StatusWord::SECURITY_NOT_SATISFIED);
        }
        let policy = PinPolicy { pin: pin.clone(), ..policy(area)? };
        self.verified = false;
        set(&policy, area).map(drop)
    }

    /// Uses a try up, then compares.
    fn compare(&self, pin: &Pin, area: &mut Area<'_>) -> Result<PinPolicy, StatusWord> {
        let policy = policy(area)?;
        let tries = area.get(PIN_TRIES).unwrap_or(0_u8);
        let left = tries.checked_sub(1).ok_or(StatusWord::AUTHENTICATION_BLOCKED)?;
        let _: Committed = area.change().set(PIN_TRIES, &left).commit()?;
        if policy.pin == *pin { Ok(policy) } else { Err(StatusWord::wrong_pin(left)) }
    }
}

fn policy(area: &Area<'_>) -> Result<PinPolicy, StatusWord> {
    area.get(PIN).ok_or(StatusWord::REFERENCE_NOT_FOUND)
}

/// A PIN and all its tries, in one commit.
fn set(policy: &PinPolicy, area: &mut Area<'_>) -> Result<Committed, StatusWord> {
    area.change().set(PIN, policy).set(PIN_TRIES, &policy.tries).commit()
}
