//! What has been counted in a simulation.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::rates::Fault;

/// Counts of one or many runs.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Seeds.
    pub seeds: u64,
    /// Steps.
    pub steps: u64,
    /// True payments: debits that purses have committed.
    pub payments: u64,
    /// Of these: taken back by their purse.
    pub cancelled: u64,
    /// Loads that purses have committed.
    pub loads: u64,
    /// Unloads that purses have committed.
    pub unloads: u64,
    /// Value commits of which the terminal heard at once.
    pub believed: u64,
    /// APDUs.
    pub apdus: u64,
    /// Messages to the background system.
    pub messages: u64,
    /// Batches stored.
    pub batches: u64,
    /// Times that a card lost power in a write or in its recovery.
    pub tears: u64,
    /// Payments settled.
    pub settled: u64,
    /// Payments voided by their PSAM and not taken back by their purse: owed to holders.
    pub voided: u64,
    /// Value commits in doubt at the end: only purses that are lost knew of them.
    pub in_doubt: u64,
    /// Attacks that were tried.
    pub attacks: u64,
    /// Moves of dishonest people.
    pub moves: u64,
    /// Rounds that the longest drain took.
    pub rounds: u64,
    /// Terms of the world's line of the money equation, minor units.
    pub loaded: i64,
    /// Unloaded.
    pub unloaded: i64,
    /// On the cards at the end.
    pub balances: i64,
    /// Paid and not taken back.
    pub paid: i64,
    /// Faults by kind.
    #[serde(serialize_with = "by_name", deserialize_with = "of_names")]
    pub faults: Faults,
}

/// A count for each kind of fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Faults([u64; Fault::ALL.len()]);

impl Default for Faults {
    fn default() -> Self {
        Self([0; Fault::ALL.len()])
    }
}

impl core::ops::Index<usize> for Faults {
    type Output = u64;
    fn index(&self, kind: usize) -> &u64 {
        &self.0[kind]
    }
}

impl core::ops::IndexMut<usize> for Faults {
    fn index_mut(&mut self, kind: usize) -> &mut u64 {
        &mut self.0[kind]
    }
}

impl Faults {
    /// Kinds and their counts.
    pub fn by_kind(&self) -> impl Iterator<Item = (Fault, u64)> + '_ {
        Fault::ALL.iter().map(|fault| (*fault, self[*fault as usize]))
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

fn by_name<S: serde::Serializer>(faults: &Faults, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(faults.by_kind().map(|(fault, count)| (fault.name(), count)))
}

/// Kinds that are not known any more are left out.
fn of_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Faults, D::Error> {
    let counts = BTreeMap::<String, u64>::deserialize(deserializer)?;
    let mut faults = Faults::default();
    for fault in Fault::ALL {
        faults[*fault as usize] = counts.get(fault.name()).copied().unwrap_or_default();
    }
    Ok(faults)
}

impl Tally {
    /// Adds what another run has counted.
    pub fn add(&mut self, other: &Self) {
        let pairs: [(&mut u64, u64); 16] = [
            (&mut self.seeds, other.seeds),
            (&mut self.steps, other.steps),
            (&mut self.payments, other.payments),
            (&mut self.cancelled, other.cancelled),
            (&mut self.loads, other.loads),
            (&mut self.unloads, other.unloads),
            (&mut self.believed, other.believed),
            (&mut self.apdus, other.apdus),
            (&mut self.messages, other.messages),
            (&mut self.batches, other.batches),
            (&mut self.tears, other.tears),
            (&mut self.settled, other.settled),
            (&mut self.voided, other.voided),
            (&mut self.in_doubt, other.in_doubt),
            (&mut self.attacks, other.attacks),
            (&mut self.moves, other.moves),
        ];
        pairs.into_iter().for_each(|(sum, count)| *sum += count);
        self.rounds = self.rounds.max(other.rounds);
        self.loaded += other.loaded;
        self.unloaded += other.unloaded;
        self.balances += other.balances;
        self.paid += other.paid;
        for (fault, count) in other.faults.by_kind() {
            self.faults[fault as usize] += count;
        }
    }

    /// Left side less right side of the world's line.
    #[must_use]
    pub const fn difference(&self) -> i64 {
        self.loaded - self.unloaded - self.balances - self.paid
    }
}
