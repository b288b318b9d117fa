//! What `purse simulate` says of its runs, in words and in JSON.

use serde_json::{Value, json};
use simulation::Error;
use simulation::faults::campaign::Campaign;
use simulation::faults::shrink::Failure;
use simulation::faults::{Plan, Tally};
use simulation::weaken::Weakness;

use crate::output;

/// The command that runs a plan again and shows its last steps.
fn command(failure: &Failure) -> String {
    let Plan { seed, purses, steps, rates, weaken, without } = &failure.plan;
    let until = failure.violation.step.min(*steps);
    let mut line = format!("purse simulate --seed {seed} --purses {purses} --until {until}");
    line.extend(rates.map(|rates| format!(" --faults {}", rates.to_text())));
    line.extend(weaken.map(|weakness| format!(" --weaken {}", weakness.name())));
    if !without.is_empty() {
        let ranges: Vec<_> = without.iter().map(|(from, to)| format!("{from}..{to}")).collect();
        line.push_str(&format!(" --without {}", ranges.join(",")));
    }
    line
}

pub(super) fn verdict(failure: Option<&Failure>) -> Result<(), Error> {
    match failure {
        None => Ok(()),
        Some(Failure { plan, violation }) => Err(Error::Mismatch(format!("seed {}, {violation}", plan.seed))),
    }
}

fn failure_to_json(failure: &Failure) -> Value {
    let Failure { plan, violation } = failure;
    json!({ "seed": plan.seed, "step": violation.step, "text": violation.text, "command": command(failure) })
}

pub(super) fn to_json(found: &Campaign, least: Option<&Failure>) -> Value {
    json!({
        "tally": found.tally,
        "faults": found.tally.faults.total(),
        "difference": found.tally.difference(),
        "violation": found.failure.as_ref().map(failure_to_json),
        "smallest": least.map(failure_to_json),
    })
}

pub(super) fn list(json: bool) {
    if json {
        let all =
            Weakness::ALL.iter().map(|weakness| json!({ "name": weakness.name(), "text": weakness.text() }));
        return output::json(&all.collect());
    }
    let rows = Weakness::ALL.iter().map(|weakness| [weakness.name().to_owned(), weakness.text().to_owned()]);
    output::line(output::table(["name", "what is off"], 2, rows.collect()));
}

/// The counts in words.
pub(super) fn tell(tally: &Tally) {
    let Tally { seeds, steps, payments, cancelled, loads, unloads, apdus, messages, batches, tears, .. } =
        tally;
    let Tally { settled, voided, in_doubt, attacks, moves, rounds, .. } = tally;
    output::line(format_args!(
        "{seeds} seeds, {steps} steps: {payments} payments ({cancelled} cancelled), {loads} loads, {unloads} unloads.\n\
         {apdus} APDUs, {messages} messages, {batches} batches. Power failed in {tears} writes.\n\
         {settled} payments are settled, {voided} voided and owed to their holders; {in_doubt} value commits are \
         known to lost purses alone.\n\
         {attacks} attacks and {moves} moves of dishonest people gained nothing. At the end all settled within {rounds} rounds at most."
    ));
    let rows: Vec<_> = tally.faults.by_kind().filter(|(_, count)| *count > 0).collect();
    output::line(format_args!("\nFaults: {}", tally.faults.total()));
    let rows = rows.into_iter().map(|(fault, count)| [fault.name().to_owned(), count.to_string()]);
    output::line(output::table(["fault", "times"], 1, rows.collect()));
    let currency = apdu_spec::element::Currency::EUR;
    let term =
        |sign: &str, name: &str, minor| [sign.to_owned(), name.to_owned(), output::money(minor, currency)];
    output::line("\nThe money equation");
    output::line(output::table(
        ["", "term", "amount"],
        2,
        vec![
            term("", "loads that purses have committed", tally.loaded),
            term("-", "unloads that purses have committed", tally.unloaded),
            term("=", "balances on all purses", tally.balances),
            term("+", "payments, less those taken back", tally.paid),
            term("", "difference", tally.difference()),
        ],
    ));
}

pub(super) fn tell_failure(failure: Option<&Failure>, least: Option<&Failure>) {
    if let Some(failure) = failure {
        output::line(format_args!("\nSee it again: {}", command(failure)));
    }
    if let Some(least) = least {
        output::line(format_args!("The smallest that was found: {}\n  {}", command(least), least.violation));
    }
}
