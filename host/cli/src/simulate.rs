//! `purse simulate`: the whole system while everything goes wrong, from a seed.

mod report;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use simulation::Error;
use simulation::faults::campaign::{Campaign, campaign};
use simulation::faults::shrink::{Failure, shrink};
use simulation::faults::steps::STEPS_A_DAY;
use simulation::faults::{Plan, Rates, Tally, run};
use simulation::weaken::Weakness;

use crate::progress::Progress;
use crate::{Global, output};
use report::{list, tell, tell_failure, to_json, verdict};

/// How long a run that failed is made smaller.
const SHRINK: Duration = Duration::from_secs(30);
/// How often a state file is written.
const SAVE: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  purse simulate --seed 7\n  purse simulate --seeds 1..100 --faults all\n  \
    purse simulate --fresh --minutes 2\n  purse simulate --faults none,tear=0.05 --purses 5 --days 10\n  \
    purse simulate --weaken receipt-kept --seeds 1..20\n  purse simulate --weaken list\n  \
    purse simulate --state long.json --minutes 180 --payments 1000000000\n\n\
    Exit code 1: money was made or lost, or something did not settle."
)]
pub(crate) struct Simulate {
    /// Days of each run, 1,000 steps each
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    days: u64,
    /// Purses
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    purses: u32,
    /// none, some, all, or with rates: loss=0.1,tear=0.05; without it, drawn from each seed
    #[arg(long, value_name = "FAULTS", value_parser = Rates::parse)]
    faults: Option<Rates>,
    /// Switch a protection off, and see money made or lost; `list` names them
    #[arg(long, value_name = "NAME", value_parser = weakness)]
    weaken: Option<Choice>,
    /// Seeds from A up to and without B
    #[arg(long, value_name = "A..B", value_parser = range, conflicts_with = "fresh")]
    seeds: Option<Range<u64>>,
    /// Seeds that nobody has tried
    #[arg(long)]
    fresh: bool,
    /// Go on with more seeds for so many minutes
    #[arg(long, value_name = "T")]
    minutes: Option<u64>,
    /// Go on with more seeds until so many payments have been made
    #[arg(long, value_name = "M")]
    payments: Option<u64>,
    /// Runs at a time; without it, one a processor
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    jobs: Option<u32>,
    /// Go on where the run that wrote this file has ended
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fresh", "seeds"])]
    state: Option<PathBuf>,
    /// End after this step, and show the last steps
    #[arg(long, value_name = "STEP", conflicts_with_all = ["fresh", "seeds", "state", "minutes", "payments"])]
    until: Option<u64>,
    /// Steps to leave out, such as 3..40,41..42
    #[arg(long, value_name = "RANGES", value_delimiter = ',', value_parser = range)]
    without: Vec<Range<u64>>,
    /// Do not make a run that failed smaller
    #[arg(long)]
    no_shrink: bool,
}

/// What `--weaken` may say.
#[derive(Clone, Copy)]
enum Choice {
    List,
    Off(Weakness),
}

fn weakness(name: &str) -> Result<Choice, String> {
    if name == "list" { Ok(Choice::List) } else { name.parse().map(Choice::Off) }
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    ends.filter(|range| !range.is_empty())
        .ok_or_else(|| format!("{text:?} is no range such as 1..100; the end is left out"))
}

impl Simulate {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        if let Some(Choice::List) = self.weaken {
            list(global.json);
            return Ok(());
        }
        if let Some(until) = self.until {
            return self.show(global, until);
        }
        let found = self.campaign(global)?;
        let least = match &found.failure {
            Some(failure) if !self.no_shrink => Some(made_smaller(failure)?),
            _ => None,
        };
        if global.json {
            output::json(&to_json(&found, least.as_ref()));
        } else {
            tell(&found.tally);
            tell_failure(found.failure.as_ref(), least.as_ref());
        }
        verdict(found.failure.as_ref())
    }

    fn plan(&self, seed: u64) -> Plan {
        let weaken = match self.weaken {
            Some(Choice::Off(weakness)) => Some(weakness),
            _ => None,
        };
        let (steps, rates) = (self.days * STEPS_A_DAY, self.faults);
        let without = self.without.iter().map(|range| (range.start, range.end)).collect();
        Plan { seed, purses: self.purses, steps, rates, weaken, without }
    }

    /// One run, with its trace.
    fn show(&self, global: &Global, until: u64) -> Result<(), Error> {
        let plan = Plan { steps: until, ..self.plan(global.seed.unwrap_or(1)) };
        let outcome = run(&plan, true)?;
        let failure = outcome.violation.map(|violation| Failure { plan, violation });
        if global.json {
            let found = Campaign { tally: outcome.tally, failure, next: 0 };
            let mut report = to_json(&found, None);
            report["trace"] = json!(outcome.trace);
            output::json(&report);
            return verdict(found.failure.as_ref());
        }
        outcome.trace.iter().for_each(output::line);
        tell(&outcome.tally);
        tell_failure(failure.as_ref(), None);
        verdict(failure.as_ref())
    }

    fn campaign(&self, global: &Global) -> Result<Campaign, Error> {
        let before = self.state.as_deref().map(load).transpose()?.unwrap_or_default();
        let seeds = self.seeds(global, &before)?;
        let first = seeds.start;
        if self.fresh && !global.json {
            output::line(format_args!("Seeds from {first} on."));
        }
        let begun = Instant::now();
        let limit = self.minutes.map(|minutes| Duration::from_secs(60 * minutes));
        let (total, unit) = self.goal(&seeds, limit);
        let shown = std::sync::Mutex::new((Progress::new(), begun));
        let enough = |done: &Campaign| {
            let sum = sum(&before, done);
            if let Ok(mut shown) = shown.lock() {
                let now = if unit == "seconds" { begun.elapsed().as_secs() } else { done.tally.seeds };
                shown.0.tell("simulating", if unit == "payments" { sum.payments } else { now }, total);
                if shown.1.elapsed() > SAVE {
                    let _ = self.save(&sum, done.next);
                    shown.1 = Instant::now();
                }
            }
            limit.is_some_and(|limit| begun.elapsed() >= limit)
                || self.payments.is_some_and(|payments| sum.payments >= payments)
        };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.jobs.map_or(processors, |jobs| jobs as usize);
        let mut found = campaign(&self.plan(first), seeds, jobs, &enough)?;
        found.tally = sum(&before, &found);
        self.save(&found.tally, found.next)?;
        Ok(found)
    }

    /// Which seeds: those that were asked for, or as many as there is time for.
    fn seeds(&self, global: &Global, before: &State) -> Result<Range<u64>, Error> {
        let endless = self.minutes.is_some() || self.payments.is_some();
        let from = match (&self.seeds, &self.state) {
            (Some(seeds), _) => return Ok(seeds.clone()),
            (None, Some(_)) => before.next.max(1),
            (None, None) if self.fresh => fresh()?,
            (None, None) => global.seed.unwrap_or(1),
        };
        Ok(from..if endless { u64::MAX } else { from + 1 })
    }

    /// What the progress bar counts.
    fn goal(&self, seeds: &Range<u64>, limit: Option<Duration>) -> (u64, &'static str) {
        match (limit, self.payments) {
            (Some(limit), _) => (limit.as_secs(), "seconds"),
            (None, Some(payments)) => (payments, "payments"),
            (None, None) => (seeds.end - seeds.start, "seeds"),
        }
    }

    fn save(&self, tally: &Tally, next: u64) -> Result<(), Error> {
        let Some(path) = &self.state else { return Ok(()) };
        let text = format!("{:#}\n", json!({ "next": next, "tally": tally }));
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, text)
            .and_then(|()| std::fs::rename(&fresh, path))
            .map_err(|error| Error::File { path: path.clone(), reason: error.to_string() })
    }
}

/// What a state file holds.
#[derive(Default, serde::Deserialize)]
struct State {
    next: u64,
    tally: Tally,
}

fn load(path: &Path) -> Result<State, Error> {
    let refuse = |reason: String| Error::File { path: path.into(), reason };
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(refuse(error.to_string())),
        Ok(text) => {
            serde_json::from_str(&text).map_err(|error| refuse(format!("this is no state file: {error}")))
        }
    }
}

fn sum(before: &State, done: &Campaign) -> Tally {
    let mut tally = before.tally.clone();
    tally.add(&done.tally);
    tally
}

/// A seed from the operating system, short enough to be typed.
fn fresh() -> Result<u64, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Order(format!("the system gives no random numbers: {error}")))?;
    Ok(u64::from_be_bytes(bytes) >> 24)
}

fn made_smaller(failure: &Failure) -> Result<Failure, Error> {
    let begun = Instant::now();
    let mut progress = Progress::new();
    shrink(failure, &mut || {
        progress.tell("making it smaller", begun.elapsed().as_secs(), SHRINK.as_secs());
        begun.elapsed() < SHRINK
    })
}
