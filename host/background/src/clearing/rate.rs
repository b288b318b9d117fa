//! How many refusals of one sender are written down: anybody can send what is refused, under any
//! module's name, so that beyond a rate it costs its MAC and no more. What is good is never held up.

use std::collections::HashMap;

use apdu_spec::element::{SamId, Time};

/// Refusals of a sender that are written at once.
const BURST: u32 = 16;
/// Seconds until one more is.
const INTERVAL: u32 = 600;
/// Senders that are kept in mind.
const SENDERS: usize = 4_096;

/// What each sender has left: refusals, and since when they have been counted.
#[derive(Default, Debug)]
pub(crate) struct Rates {
    senders: HashMap<SamId, (u32, Time)>,
}

impl Rates {
    /// Whether one more refusal of this sender is written down.
    pub(crate) fn admit(&mut self, sender: SamId, now: Time) -> bool {
        if self.senders.len() >= SENDERS && !self.senders.contains_key(&sender) {
            self.senders.retain(|_, entry| refilled(*entry, now).0 < BURST);
            if self.senders.len() >= SENDERS {
                return false;
            }
        }
        let entry = self.senders.entry(sender).or_insert((BURST, now));
        *entry = refilled(*entry, now);
        let admitted = entry.0 > 0;
        entry.0 = entry.0.saturating_sub(1);
        admitted
    }
}

/// What is left at `now`. A clock that goes backwards gives nothing.
fn refilled((left, since): (u32, Time), now: Time) -> (u32, Time) {
    let more = now.0.saturating_sub(since.0) / INTERVAL;
    let full = left.saturating_add(more) >= BURST;
    let counted =
        if full { now.max(since) } else { Time(since.0.saturating_add(more.saturating_mul(INTERVAL))) };
    (left.saturating_add(more).min(BURST), counted)
}

#[cfg(test)]
mod tests {
    use apdu_spec::element::{AcquirerId, SamNumber};

    use super::*;

    fn sam(number: u32) -> SamId {
        SamId { acquirer: AcquirerId::new(1).expect("small"), number: SamNumber::new(number).expect("small") }
    }

    fn admitted(rates: &mut Rates, sender: SamId, now: Time) -> usize {
        (0..100).filter(|_| rates.admit(sender, now)).count()
    }

    #[test]
    fn a_burst_is_written_and_one_more_after_each_interval() {
        let mut rates = Rates::default();
        assert_eq!(admitted(&mut rates, sam(1), Time(0)), 16);
        for (now, more) in [(599, 0), (600, 1), (1_199, 0), (1_200, 1), (0, 0), (3_000, 3), (1_000_000, 16)] {
            assert_eq!(admitted(&mut rates, sam(1), Time(now)), more, "{now}");
        }
        assert_eq!(admitted(&mut rates, sam(2), Time(0)), 16, "each has its own");
    }

    #[test]
    fn it_does_not_grow_with_the_names_that_are_made_up() {
        let mut rates = Rates::default();
        for number in 1..=10_000 {
            rates.admit(sam(number), Time(0));
        }
        assert_eq!(rates.senders.len(), SENDERS);
        assert!(rates.admit(sam(9_999), Time(600)), "and forgets who has been quiet");
    }
}
