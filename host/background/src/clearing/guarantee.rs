//! What the issuer guarantees to a merchant whose terminal could not know better.
//!
//! A payment with good S3, S5 and S6 is paid, whatever its purse turns out to be, while
//!
//! * it was made before the purse was on the hotlist for longer than a list takes to come,
//! * its batch came in while the last word to its PSAM was not older than agreed: a clock can be
//!   stopped, and what that word says is under a MAC,
//! * the purse has not paid more at this PSAM in this batch than agreed: time and lists are in
//!   the merchant's hands, a sum is not.
//!
//! Beyond that the merchant's acquirer bears it: it is withheld. So a copied or broken purse costs
//! its issuer at most the batches of all PSAMs that it can reach, times the sum ([`Guarantee::exposure`]).

use apdu_spec::element::{Amount, Time};

use super::exception::Reason;
use crate::store::participants::Connection;

/// What an issuer guarantees for terminals of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guarantee {
    /// D: seconds after a purse was hotlisted in which payments with it are still guaranteed.
    pub delay: u32,
    /// W: seconds after the last word to the PSAM in which its batches have to come in.
    pub age: u32,
    /// G: what one purse pays at one PSAM in one batch, minor units.
    pub total: Amount,
}

const DAY: u32 = 86_400;

/// What decides whether a payment is guaranteed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// When it was made, as its terminal said.
    pub(crate) made: Time,
    /// Since when its purse is on the hotlist.
    pub(crate) hotlisted: Option<Time>,
    /// When its PSAM last heard from us before the batch was closed, and when the batch came in;
    /// nothing where the PSAM is lost.
    pub(crate) batch: Option<(Time, Time)>,
    /// What the purse has paid in this batch before.
    pub(crate) before: i64,
    /// The payment.
    pub(crate) amount: i64,
}

/// What a purse whose copies, or whose keys, are with a thief can reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// PSAMs at which it can pay.
    pub psams: u64,
    /// Seconds until what they take has come in.
    pub collection: u64,
    /// Seconds from one batch of a PSAM to the next, at the least.
    pub batch: u64,
}

impl Guarantee {
    /// What is guaranteed where the issuer has not said otherwise.
    #[must_use]
    pub const fn default_of(connection: Connection) -> Self {
        let total = match Amount::new(100_000) {
            Some(total) => total,
            None => Amount::MAX,
        };
        match connection {
            Connection::Online => Self { delay: 3_600, age: 31 * DAY, total },
            Connection::Periodic => Self { delay: 7 * DAY, age: 548 * DAY, total },
            Connection::Never => Self { delay: 90 * DAY, age: 548 * DAY, total },
        }
    }

    /// Whether a payment is guaranteed; where not, why.
    pub(crate) fn covers(&self, facts: &Facts) -> Result<(), Reason> {
        let Facts { made, hotlisted, batch, before, amount } = *facts;
        let later = |time: Time, seconds: u32| u64::from(time.0) + u64::from(seconds);
        if hotlisted.is_some_and(|since| u64::from(made.0) >= later(since, self.delay)) {
            return Err(Reason::Hotlisted);
        }
        if batch.is_some_and(|(told, received)| u64::from(received.0) > later(told, self.age)) {
            return Err(Reason::LateBatch);
        }
        let within = before.checked_add(amount).is_some_and(|sum| sum <= i64::from(self.total.get()));
        if within { Ok(()) } else { Err(Reason::AboveGuarantee) }
    }

    /// What a copied or broken purse costs its issuer at most, until nobody takes it any more, minor
    /// units: PSAMs x batches x G, where each PSAM closes one batch in `batch` seconds at the most often
    /// and goes on for collection + D. Nothing where that is no number.
    #[must_use]
    pub fn exposure(&self, reach: &Reach) -> Option<u64> {
        let time = reach.collection.checked_add(self.delay.into())?;
        // One more than there are whole batches: one is open when the first copy pays.
        let batches = time.checked_div(reach.batch)?.checked_add(1)?;
        self.of_batches(reach.psams.checked_mul(batches)?)
    }

    /// What one purse is paid in so many batches at the most, minor units. Nothing where that is no number.
    pub(crate) fn of_batches(&self, batches: u64) -> Option<u64> {
        batches.checked_mul(self.total.get().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARANTEE: Guarantee =
        Guarantee { delay: 100, age: 1_000, total: Amount::new(5_000).expect("an amount") };
    const FACTS: Facts = Facts {
        made: Time(10_000),
        hotlisted: None,
        batch: Some((Time(10_000), Time(10_000))),
        before: 0,
        amount: 1,
    };

    #[test]
    fn hotlisting_ends_the_guarantee_after_its_delay_to_the_second() {
        for (since, covered) in [(9_899, false), (9_900, false), (9_901, true), (10_001, true)] {
            let facts = Facts { hotlisted: Some(Time(since)), ..FACTS };
            assert_eq!(GUARANTEE.covers(&facts).is_ok(), covered, "{since}");
        }
    }

    #[test]
    fn a_batch_has_to_come_in_while_the_last_word_is_young() {
        for (received, covered) in [(10_999, true), (11_000, true), (11_001, false), (u32::MAX, false)] {
            let facts = Facts { batch: Some((Time(10_000), Time(received))), ..FACTS };
            assert_eq!(GUARANTEE.covers(&facts), if covered { Ok(()) } else { Err(Reason::LateBatch) });
        }
    }

    #[test]
    fn a_purse_is_guaranteed_up_to_its_sum_in_a_batch() {
        for (before, amount, covered) in
            [(0, 4_999, true), (0, 5_000, true), (0, 5_001, false), (4_999, 1, true), (5_000, 1, false)]
        {
            let facts = Facts { before, amount, ..FACTS };
            assert_eq!(GUARANTEE.covers(&facts).is_ok(), covered, "{before} {amount}");
        }
    }

    #[test]
    fn exposure_is_psams_times_batches_times_the_sum() {
        let reach = Reach { psams: 3, collection: 900, batch: 500 };
        // (900 + 100) / 500 + 1 batches of each.
        assert_eq!(GUARANTEE.exposure(&reach), Some(3 * 3 * 5_000));
        assert_eq!(GUARANTEE.exposure(&Reach { batch: 0, ..reach }), None);
    }
}
