//! Holds every row against what the chain says that it is.

use std::collections::HashMap;

use super::finding::{Finding, FindingKind};
use super::keeper::Keeper;
use super::replay::{Replay, RowName, State};
use super::row::Table;
use crate::error::Error;
use crate::store::Tx;
use crate::vault::books::Digest;

/// Rows that are there and are not what the chain says.
type Odd = HashMap<RowName, (Digest, Option<State>)>;

/// Compares all rows; how many there are.
pub(crate) fn compare(
    tx: &Tx<'_>,
    keeper: &Keeper,
    replay: &mut Replay<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<u64, Error> {
    let mut odd = Odd::new();
    let mut count = 0;
    for (place, table) in keeper.tables.iter().enumerate() {
        let compared = tx.rows(table, |row| {
            count += 1;
            progress(count);
            let digest = table.digest(row);
            let name = (place, table.key_values(row).flatten().copied().collect());
            match replay.rows.remove(&name) {
                Some(state) if state.digest == Some(digest) => {}
                state => drop(odd.insert(name, (digest, state))),
            }
            Ok(())
        });
        if let Err(error) = compared {
            let about = format!("table {}", table.name);
            replay.findings.push(Finding::new(FindingKind::Unreadable, about, error.to_string()));
            replay.rows.retain(|(of, _), _| *of != place);
        }
    }
    let earlier = earlier(tx, keeper, &odd)?;
    let mut findings: Vec<_> = odd.iter().map(|odd| found(&keeper.tables, odd, &earlier)).collect();
    findings.extend(replay.rows.iter().filter_map(|row| deleted(&keeper.tables, row)));
    findings.sort_by(|one, other| one.about.cmp(&other.about));
    replay.findings.extend(findings);
    Ok(count)
}

/// The last entry at which each of these rows was what it is now.
fn earlier(tx: &Tx<'_>, keeper: &Keeper, odd: &Odd) -> Result<HashMap<RowName, i64>, Error> {
    let mut earlier = HashMap::new();
    if odd.is_empty() {
        return Ok(earlier);
    }
    tx.entries(|number, entry| {
        let Ok(entry) = entry else { return Ok(()) };
        for change in entry.changes().unwrap_or_default() {
            let place = keeper.tables.iter().position(|table| table.name == change.table);
            let Some(name) = place.map(|place| (place, Box::from(change.key))) else { continue };
            if odd.get(&name).is_some_and(|(digest, _)| change.after == Some(*digest)) {
                earlier.insert(name, number);
            }
        }
        Ok(())
    })?;
    Ok(earlier)
}

fn found(
    tables: &[Table],
    (name, (_, state)): (&RowName, &(Digest, Option<State>)),
    earlier: &HashMap<RowName, i64>,
) -> Finding {
    let row = tables[name.0].describe(&name.1);
    let (kind, what) = match (state, earlier.get(name)) {
        (None, _) => (FindingKind::RowInserted, "was made up: the chain does not have it".to_owned()),
        (Some(State { digest: None, entry }), _) => {
            (FindingKind::RowInserted, format!("is back, and was deleted by entry {entry}"))
        }
        (Some(state), Some(entry)) => {
            let what =
                format!("was rolled back to entry {entry}; entry {} has changed it since", state.entry);
            (FindingKind::RowRolledBack, what)
        }
        (Some(state), None) => (FindingKind::RowEdited, format!("was edited since entry {}", state.entry)),
    };
    Finding::new(kind, row, what)
}

fn deleted(tables: &[Table], (name, state): (&RowName, &State)) -> Option<Finding> {
    state.digest?;
    let row = tables[name.0].describe(&name.1);
    Some(Finding::new(FindingKind::RowDeleted, row, format!("was deleted since entry {}", state.entry)))
}
