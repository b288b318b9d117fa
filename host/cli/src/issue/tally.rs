//! What one call of `purse issue` has done, and how it is told.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use simulation::issuance::line::Files;
use simulation::issuance::result::{CardResult, Outcome};

use crate::output;

/// What has been done so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) results: Vec<CardResult>,
    /// Lines that were done before.
    pub(super) already: usize,
}

/// The same in figures; those of one card are of cards that were made from nothing.
struct Figures {
    issued: u64,
    finished: usize,
    already: usize,
    failed: usize,
    /// Lines that wait for a card.
    remaining: usize,
    apdus: Option<u64>,
    bytes: Option<u64>,
    /// Tenths of a card a second.
    rate: Option<u128>,
}

impl Tally {
    pub(super) fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.results.iter().filter(|result| is(&result.outcome)).count()
    }

    pub(super) fn tell(&self, files: &Files, remaining: usize, took: Duration, as_json: bool) {
        let figures = self.figures(remaining, took);
        let letters = Some(&*files.letters).filter(|path| path.exists());
        if as_json {
            output::json(&figures.to_json(&files.results, letters, &self.results));
            return;
        }
        for CardResult { line, purse, outcome, .. } in &self.results {
            if let Outcome::Failed(reason) = outcome {
                output::line(format_args!("line {line}, purse {purse}: {reason}"));
            }
        }
        let rows = figures.rows(&files.results, letters);
        output::line(output::table(["order", &files.order.display().to_string()], 1, rows));
    }

    fn figures(&self, remaining: usize, took: Duration) -> Figures {
        let issued = || self.results.iter().filter(|result| result.outcome == Outcome::Issued);
        let count = issued().count() as u64;
        let done = self.count(Outcome::is_done);
        Figures {
            issued: count,
            finished: self.count(|outcome| *outcome == Outcome::Finished),
            already: self.already + self.count(|outcome| *outcome == Outcome::Already),
            failed: self.count(|outcome| !outcome.is_done()),
            remaining,
            apdus: issued().map(|result| result.traffic.apdus).sum::<u64>().checked_div(count),
            bytes: issued().map(|result| result.traffic.bytes).sum::<u64>().checked_div(count),
            rate: (done as u128 * 10_000).checked_div(took.as_millis()).filter(|_| done > 0),
        }
    }
}

impl Figures {
    fn to_json(&self, results: &Path, letters: Option<&Path>, cards: &[CardResult]) -> Value {
        let Self { issued, finished, already, failed, remaining, apdus, bytes, rate } = self;
        let rate = rate.map(|tenths| f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0);
        json!({
            "issued": issued, "finished": finished, "already": already, "failed": failed,
            "remaining": remaining, "apdus_per_card": apdus, "bytes_per_card": bytes,
            "cards_per_second": rate, "results": results, "letters": letters,
            "cards": cards.iter().map(to_json).collect::<Vec<_>>(),
        })
    }

    fn rows(&self, results: &Path, letters: Option<&Path>) -> Vec<[String; 2]> {
        let or_none = |number: Option<u64>| number.map_or("-".into(), |number| number.to_string());
        let rate = self.rate.map_or("-".into(), |tenths| format!("{}.{}", tenths / 10, tenths % 10));
        let path = |path: &Path| path.display().to_string();
        let mut rows = vec![
            ["issued".into(), self.issued.to_string()],
            ["finished, after an interruption".into(), self.finished.to_string()],
            ["already done".into(), self.already.to_string()],
            ["failed".into(), self.failed.to_string()],
            ["lines that wait for a card".into(), self.remaining.to_string()],
            ["APDUs a card".into(), or_none(self.apdus)],
            ["bytes a card".into(), or_none(self.bytes)],
            ["cards a second".into(), rate],
            ["results".into(), path(results)],
        ];
        rows.extend(letters.map(|letters| ["PINs, for letters".into(), path(letters)]));
        rows
    }
}

fn to_json(result: &CardResult) -> Value {
    let CardResult { line, purse, id, card, outcome, traffic } = result;
    let reason = if let Outcome::Failed(reason) = outcome { Some(reason) } else { None };
    json!({
        "line": line, "purse": purse, "id": id, "card": card, "result": outcome.word(), "reason": reason,
        "apdus": traffic.apdus, "bytes": traffic.bytes,
    })
}
