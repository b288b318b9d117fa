//! Plants each fault in a copy of the sources and runs the tests that must notice.
//!
//!     cargo run --release --manifest-path tests/planted/Cargo.toml             # all, about 20 minutes
//!     cargo run --release --manifest-path tests/planted/Cargo.toml -- --only NAME
//!     ... -- --list        names and sentences
//!     ... -- --json        the outcome as JSON
//!
//! Without a fault the same tests must pass, which is tried first. Exit code 0 where every
//! fault was found (and every harmless one did no harm), 1 where one survived, 2 where
//! something could not be tried.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Instant;

use planted::list::{self, Fault};
use planted::tree::Tree;
use planted::trial::{Bench, Verdict, scratch};
use serde::Serialize;

/// What the command line asks for.
#[derive(Default)]
struct Options {
    only: Vec<String>,
    list: bool,
    json: bool,
}

/// A fault and what came of it.
#[derive(Serialize)]
struct Outcome {
    name: String,
    does: String,
    edits: usize,
    expected: bool,
    #[serde(flatten)]
    verdict: Verdict,
    seconds: u64,
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--list" => options.list = true,
            "--json" => options.json = true,
            "--only" => options.only.push(words.next().ok_or("--only needs a name; --list shows them")?),
            _ => return Err(format!("{word} is not known; there are --only NAME, --list, --json")),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<ExitCode, String> {
    let root = planted::root();
    let all = list::read(&root)?;
    let complaints = list::complaints(&root, &all);
    if !complaints.is_empty() {
        return Err(complaints.join("\n"));
    }
    let chosen = choose(all, &options.only)?;
    if options.list {
        chosen.iter().for_each(|fault| println!("{:34} {}", fault.name, fault.does));
        return Ok(ExitCode::SUCCESS);
    }
    let started = Instant::now();
    let scratch = scratch(&root);
    let tree = Tree::new(root, scratch.join("tree"));
    let bench = Bench { tree: tree.path().into(), target: scratch.join("build") };
    without_a_fault(&tree, &bench, &chosen)?;
    let mut outcomes = Vec::new();
    for (index, fault) in chosen.iter().enumerate() {
        let outcome = attempt(&tree, &bench, fault)?;
        eprintln!("[{:2}/{}] {}", index + 1, chosen.len(), outcome.line());
        outcomes.push(outcome);
    }
    tree.restore()?;
    report(&outcomes, options.json, started)
}

fn choose(all: Vec<Fault>, only: &[String]) -> Result<Vec<Fault>, String> {
    if let Some(unknown) = only.iter().find(|name| all.iter().all(|fault| fault.name != **name)) {
        return Err(format!("there is no fault {unknown}; --list shows them"));
    }
    Ok(all.into_iter().filter(|fault| only.is_empty() || only.contains(&fault.name)).collect())
}

/// A test that fails anyway would find everything.
fn without_a_fault(tree: &Tree, bench: &Bench, faults: &[Fault]) -> Result<(), String> {
    tree.restore()?;
    let tests: BTreeSet<_> = faults.iter().map(|fault| &fault.test).collect();
    for (index, test) in tests.iter().enumerate() {
        let started = Instant::now();
        let verdict = bench.run(test)?;
        let Verdict::Survived(passed) = verdict else {
            return Err(format!("cargo test {test}: fails without a fault: {verdict:?}"));
        };
        let seconds = started.elapsed().as_secs();
        eprintln!("[{:2}/{}] no fault: {passed} pass, {seconds} s: {test}", index + 1, tests.len());
    }
    Ok(())
}

fn attempt(tree: &Tree, bench: &Bench, fault: &Fault) -> Result<Outcome, String> {
    let started = Instant::now();
    tree.plant(fault)?;
    let verdict = bench.run(&fault.test)?;
    let expected = match verdict {
        Verdict::Found(_) => fault.harmless_without.is_none(),
        Verdict::Survived(_) => fault.harmless_without.is_some(),
        Verdict::Broken(_) => false,
    };
    let (name, does, edits) = (fault.name.clone(), fault.does.clone(), fault.edit.len());
    Ok(Outcome { name, does, edits, expected, verdict, seconds: started.elapsed().as_secs() })
}

impl Outcome {
    fn line(&self) -> String {
        let said = match &self.verdict {
            Verdict::Found(tests) => {
                let more =
                    if tests.len() > 1 { format!(" and {} more", tests.len() - 1) } else { String::new() };
                format!("found by {}{more}", tests.first().map_or("", String::as_str))
            }
            Verdict::Survived(_) if self.expected => "harmless alone, as it should be".into(),
            Verdict::Survived(passed) => format!("SURVIVED {passed} tests"),
            Verdict::Broken(why) => format!("NOT TRIED: {why}"),
        };
        let wrong = if self.expected { "" } else { "  <--" };
        format!("{:34} {said} ({} s){wrong}", self.name, self.seconds)
    }
}

fn report(outcomes: &[Outcome], json: bool, started: Instant) -> Result<ExitCode, String> {
    if json {
        println!("{}", serde_json::to_string_pretty(outcomes).map_err(|error| error.to_string())?);
    } else {
        outcomes.iter().for_each(|outcome| println!("{}", outcome.line()));
    }
    let count = |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    let found = count(|outcome| matches!(outcome.verdict, Verdict::Found(_)) && outcome.expected);
    let pairs = count(|outcome| matches!(outcome.verdict, Verdict::Found(_)) && outcome.edits > 1);
    let harmless = count(|outcome| matches!(outcome.verdict, Verdict::Survived(_)) && outcome.expected);
    let broken = count(|outcome| matches!(outcome.verdict, Verdict::Broken(_)));
    let wrong = count(|outcome| !outcome.expected);
    eprintln!(
        "{found} planted faults found ({pairs} of them with more than one edit), {harmless} harmless alone, \
         {wrong} not as expected, {} s",
        started.elapsed().as_secs()
    );
    Ok(match (wrong, broken) {
        (0, _) => ExitCode::SUCCESS,
        (_, 0) => ExitCode::from(1),
        _ => ExitCode::from(2),
    })
}
