//! Replays the chain: whether it is whole, and what it says that each row is.

use std::collections::HashMap;

use super::entry::{Change, Entry, RESTORE};
use super::finding::{Finding, FindingKind};
use super::head::Head;
use super::keeper::Keeper;
use crate::error::Error;
use crate::store::Tx;
use crate::vault::books::Digest;

/// Which row: the place of its table, and its key.
pub(crate) type RowName = (usize, Box<[u8]>);

/// What the chain says of a row.
#[derive(Clone, Copy)]
pub(crate) struct State {
    /// Its digest; nothing once it is deleted.
    pub(crate) digest: Option<Digest>,
    /// The entry that says so.
    pub(crate) entry: i64,
}

/// The chain, as far as it was replayed.
pub(crate) struct Replay<'k> {
    keeper: &'k Keeper,
    /// The last entry; its link is what the next one follows.
    pub(crate) last: Head,
    pub(crate) rows: HashMap<RowName, State>,
    pub(crate) findings: Vec<Finding>,
    /// The head that is kept outside, until it is met.
    kept: Option<Head>,
    pub(crate) entries: u64,
}

/// Replays all of the chain.
pub(crate) fn replay<'k>(
    tx: &Tx<'_>,
    keeper: &'k Keeper,
    progress: &mut dyn FnMut(u64),
) -> Result<Replay<'k>, Error> {
    let mut replay = begin(keeper)?;
    tx.entries(|number, entry| {
        match entry {
            Ok(entry) => replay.entry(&entry),
            Err(error) => replay.unreadable(number, &error),
        }
        replay.entries += 1;
        progress(replay.entries);
        Ok(())
    })?;
    replay.end();
    Ok(replay)
}

fn begin(keeper: &Keeper) -> Result<Replay<'_>, Error> {
    let mut replay = Replay {
        keeper,
        last: Head::NONE,
        rows: HashMap::new(),
        findings: Vec::new(),
        kept: None,
        entries: 0,
    };
    if let Some(file) = &keeper.file {
        replay.kept = file.read(&keeper.key)?;
        if replay.kept.is_none() {
            let (about, what) = (file.path().display().to_string(), "holds no head under this vault's MAC");
            replay.findings.push(Finding::new(FindingKind::Head, about, what));
        }
    }
    Ok(replay)
}

/// `entry 17 of the chain (settle)`
fn about(entry: &Entry) -> String {
    format!("entry {} of the chain ({})", entry.number, entry.name)
}

impl Replay<'_> {
    fn entry(&mut self, entry: &Entry) {
        let next = self.last.number.saturating_add(1);
        if entry.number > next && entry.name != RESTORE {
            let missing = format!("entries {next} to {} of the chain", entry.number - 1);
            self.findings.push(Finding::new(FindingKind::EntryMissing, missing, "are missing"));
        } else if !entry.follows(self.last, &self.keeper.key) {
            let what = "was edited, or does not follow the entry before it";
            self.findings.push(Finding::new(FindingKind::EntryChanged, about(entry), what));
        }
        self.meet(entry);
        self.last = entry.head();
        match entry.changes() {
            Some(changes) => changes.iter().for_each(|change| self.change(entry, change)),
            None => self.findings.push(Finding::new(FindingKind::Unreadable, about(entry), "cannot be read")),
        }
    }

    fn unreadable(&mut self, number: i64, error: &Error) {
        let about = format!("entry {number} of the chain");
        self.findings.push(Finding::new(FindingKind::EntryChanged, about, format!("was edited: {error}")));
        self.last = Head { number, ..Head::NONE };
    }

    /// Whether the head that is kept outside stands for this entry.
    fn meet(&mut self, entry: &Entry) {
        let Some(kept) = self.kept.filter(|kept| kept.number <= entry.number) else { return };
        self.kept = None;
        // What a restoration leaves out is lost with the vault's consent.
        let lost = kept.number > self.last.number && kept.number < entry.number && entry.name == RESTORE;
        if entry.head() != kept && !lost {
            let what = format!("is of another entry {} than the one in the database", kept.number);
            self.findings.push(Finding::new(FindingKind::Head, "the head that is kept outside", what));
        }
    }

    fn change(&mut self, entry: &Entry, change: &Change<'_>) {
        let known = self.keeper.tables.iter().position(|table| table.name == change.table);
        let Some(place) = known else { return };
        let state = State { digest: change.after, entry: entry.number };
        let before = self.rows.insert((place, change.key.into()), state);
        let digest = before.and_then(|before| before.digest);
        if digest == change.before {
            return;
        }
        let what = match (digest, change.before) {
            (Some(_), Some(_)) => "edited",
            (Some(_), None) => "deleted",
            (None, _) => "inserted",
        };
        let row = self.keeper.tables[place].describe(change.key);
        let what =
            format!("was {what} by somebody else before entry {} ({}) changed it", entry.number, entry.name);
        self.findings.push(Finding::new(FindingKind::RowLaundered, row, what));
    }

    fn end(&mut self) {
        let Some(kept) = self.kept.take() else { return };
        let next = self.last.number.saturating_add(1);
        let missing = format!("entries {next} to {} of the chain", kept.number);
        let what = format!("are missing: the database was rolled back, its head is {kept}");
        self.findings.push(Finding::new(FindingKind::RolledBack, missing, what));
    }
}
