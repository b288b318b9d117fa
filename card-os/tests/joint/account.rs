//! What the background system makes of the batches about one purse: each payment once, by its S6.

use std::collections::BTreeMap;

use apdu_spec::batch::Trailer;
use apdu_spec::element::{Algorithm, Kind, Mac};
use apdu_spec::record::{BatchRecord, Outcome};

use crate::support::{iep, issuer, reference};

/// Payments that have been handed in, by S6.
#[derive(Clone, Default)]
pub struct Account {
    /// Value that was loaded.
    pub loaded: i64,
    paid: BTreeMap<[u8; 8], i64>,
    voided: BTreeMap<[u8; 8], i64>,
    /// Credited again by the purse, by S6 of the cancellation.
    cancelled: BTreeMap<[u8; 8], i64>,
}

impl Account {
    /// Nothing has been handed in yet.
    pub fn new(loaded: i64) -> Self {
        Self { loaded, ..Self::default() }
    }

    /// Checks a batch and books it. A claim is no payment.
    pub fn book(&mut self, trailer: &Trailer, records: &[BatchRecord]) {
        issuer::check_batch(trailer, records, reference(Algorithm::AesCmac, 0));
        let mut here = BTreeMap::new();
        let ours = records.iter().filter(|record| record.value.identity.iep == iep());
        for BatchRecord { outcome, value, .. } in ours {
            let entry = &value.entry;
            let (Mac(s6), amount) = (entry.s6, i64::from(entry.order.amount.get()));
            let evidence = matches!(outcome, Outcome::Credited | Outcome::Receipt);
            match (entry.kind, outcome) {
                (Kind::Purchase, Outcome::Voided) => drop(self.voided.insert(s6, amount)),
                (Kind::Purchase, _) if evidence => {
                    issuer::check_s6(value, entry.position);
                    assert_eq!(here.insert(s6, *outcome), None, "twice in one batch");
                    self.paid.insert(s6, amount);
                }
                (Kind::Cancellation, Outcome::Receipt) => drop(self.cancelled.insert(s6, amount)),
                _ => {}
            }
        }
    }

    /// Whether a payment has been handed in, by its S6.
    pub fn has(&self, s6: Mac) -> bool {
        self.paid.contains_key(&s6.0)
    }

    /// All payments, those taken back by PSAMs aside.
    pub fn payments(&self) -> i64 {
        let standing = self.paid.iter().filter(|(s6, _)| !self.voided.contains_key(*s6));
        standing.map(|(_, amount)| amount).sum()
    }

    /// What PSAMs have voided.
    pub fn voided(&self) -> i64 {
        self.voided.values().sum()
    }

    /// What purses have credited again.
    pub fn cancelled(&self) -> i64 {
        self.cancelled.values().sum()
    }
}
