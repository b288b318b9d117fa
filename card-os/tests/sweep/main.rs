//! Exhaustive tearing.
#![allow(unreachable_pub)] // a test has no outside
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod cut;
mod kept;
mod personalisation;
mod purse;
mod station;
#[path = "../support/mod.rs"]
mod support;

use std::collections::HashSet;

use cut::{Command, Deed, Situation, Subject, Tally};
use station::Chip;

fn sweep<S: Subject>(situations: &[Situation<S>], commands: &[Command<S>], ages: usize) -> Tally {
    let _say = Say;
    let started = std::time::Instant::now();
    let mut seen = HashSet::new();
    let mut tally = Tally::default();
    for situation in situations {
        for age in 0..ages {
            let situation = Situation { chip: kept::age(S::KIND, situation.chip.clone(), age), ..situation.clone() };
            for command in commands {
                let deed = Deed::record(&situation, command);
                if seen.insert(deed.key()) {
                    tally += deed.sweep(false);
                }
            }
        }
    }
    println!("{:?}: {tally:?}, {} a second", S::KIND, tally.cases as u128 * 1000 / started.elapsed().as_millis().max(1));
    tally
}

#[test]
fn purse() {
    let situations = purse::situations();
    println!("{} situations", situations.len());
    sweep(&situations[..40], purse::COMMANDS, 1);
}

#[test]
fn personalisation_() {
    sweep(&personalisation::situations(), personalisation::COMMANDS, 1);
    println!("{:?}", personalisation::create(&Chip::new(), true));
    println!("{:?}", personalisation::create(&personalisation::whole(card_os::applets::AppletKind::Purse), false));
}
thread_local! { pub static TRACE: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) }; }
struct Say;
impl Drop for Say { fn drop(&mut self) { if std::thread::panicking() { TRACE.with(|t| eprintln!("LAST {}", t.borrow())); } } }
