//! The table of figures, ours beside the floor in the same run:
//! `cargo bench -p system-tests --bench table`.
//!
//! With the portable AES backend:
//! `RUSTFLAGS='--cfg aes_backend="soft"' cargo bench -p system-tests --bench table`.
//!
//! CPU times are medians of interleaved rounds; loads and collections between the rounds
//! are not timed. What does not depend on the machine is asserted in `tests/budgets.rs`.

mod clearing;
mod floor;
mod information;
mod personalisation;

use floor::Floor;
use host::reader::meter::Traffic;
use rustix::time::{ClockId, clock_gettime};
use system_tests::personalisation as making;
use system_tests::ram;
use system_tests::till::{Till, Wear};

/// Rounds of purchases.
const ROUNDS: usize = 301;
/// Purchases that wear is averaged over.
const WEAR: usize = 1_000;
/// Purses of figure 6, made in each of its rounds.
const MADE: u64 = 20;
/// Batches of figure 4.
const BATCHES: u32 = 15;

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// CPU time of this thread, in nanoseconds.
fn cpu_time() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = cpu_time();
    work();
    cpu_time() - start
}

/// Which AES the `aes` crate takes on this machine.
fn backend() -> &'static str {
    #[allow(unexpected_cfgs)] // a flag of the `aes` crate
    if cfg!(aes_backend = "soft") {
        return "portable (forced)";
    }
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("aes") {
        return "AES-NI";
    }
    "portable, or the machine's own"
}

fn line(figure: &str, ours: &str, floor: &str, ratio: &str, goal: &str, verdict: &str) {
    println!("{figure:<44} {ours:>11} {floor:>11} {ratio:>7}  {goal:<22} {verdict}");
}

fn verdict(meets: bool) -> &'static str {
    if meets { "meets" } else { "MISSES" }
}

/// CPU time of a purchase and of its floor, in nanoseconds.
fn purchases(till: &mut Till) -> (f64, f64) {
    let mut floor = Floor::new();
    let count = till.round();
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(timed(|| (0..count).for_each(|_| till.pay())) / count as f64);
        till.settle();
        let play = |_| {
            floor.play(floor::PURSE);
            floor.play(floor::PSAM);
        };
        bare.push(timed(|| (0..count).for_each(play)) / count as f64);
    }
    (median(ours), median(bare))
}

fn time_rows(till: &mut Till) {
    let (ours, bare) = purchases(till);
    let ratio = ours / bare;
    line(
        "1 purchase, CPU nanoseconds",
        &format!("{ours:.0}"),
        &format!("{bare:.0}"),
        &format!("{ratio:.2}"),
        "<= 1.60, then 1.25",
        verdict(ratio <= 1.6),
    );
    for (name, list) in [("purse", floor::PURSE), ("PSAM", floor::PSAM)] {
        let (set_ups, blocks) = floor::totals(list);
        println!("    floor of the {name}: {set_ups} key set-ups, {blocks} blocks");
    }
    println!("    {:.0} purchases per CPU second", 1e9 / ours);
}

fn wear_rows(till: &mut Till) {
    let lists = [("purse", information::PURSE), ("PSAM", information::PSAM)];
    for ((name, list), Wear { total, awaited }) in lists.into_iter().zip(till.wear(WEAR)) {
        let new = information::bytes(list);
        let ratio = total / new as f64;
        line(
            &format!("2 bytes written a purchase, {name}"),
            &format!("{total:.1}"),
            &format!("{new}"),
            &format!("{ratio:.2}"),
            "<= 1.60, then 1.30",
            verdict(ratio <= 1.6),
        );
        let without = awaited / new as f64;
        let after = total - awaited;
        println!("    commits {awaited:.1} ({without:.2}), seals and reclaiming after the answer {after:.1}");
    }
}

fn wire_rows(till: &mut Till) {
    let count = till.round();
    let passed = |till: &Till| {
        let purses = till.purses.iter().map(|purse| (purse.reader.apdus, purse.reader.bytes));
        let sams = till.sams.iter().map(|sam| (sam.reader.apdus, sam.reader.bytes));
        [purses.fold((0, 0), add), sams.fold((0, 0), add)]
    };
    let before = passed(till);
    (0..count).for_each(|_| till.pay());
    let [purse, sam] = passed(till);
    let (apdus, bytes) = ((purse.0 - before[0].0) / count, (purse.1 - before[0].1) / count);
    line("3 APDUs on the purse, SELECT included", &apdus.to_string(), "3", "", "3", verdict(apdus == 3));
    line(
        "3 bytes on the wire to and from the purse",
        &bytes.to_string(),
        "",
        "",
        "<= 180, then 150",
        verdict(bytes <= 180),
    );
    let (apdus, bytes) = ((sam.0 - before[1].0) / count, (sam.1 - before[1].1) / count);
    println!("    PSAM: {apdus} APDUs, {bytes} bytes");
    till.settle();
}

fn add(sum: (usize, usize), one: (usize, usize)) -> (usize, usize) {
    (sum.0 + one.0, sum.1 + one.1)
}

fn clearing_row() {
    let (ours, plain) = clearing::rates(BATCHES).expect("batches are booked");
    let ratio = ours / plain;
    line(
        "4 records booked a second, batches of 10,000",
        &format!("{ours:.0}"),
        &format!("{plain:.0}"),
        &format!("{ratio:.2}"),
        ">= 0.40, then 0.60",
        verdict(ratio >= 0.4),
    );
}

fn ram_row() {
    let bytes = ram::CARD;
    line("5 static RAM of a card, bytes", &bytes.to_string(), "", "", "< 8,192", verdict(bytes < 8_192));
    let applets = ram::APPLETS.map(|(name, bytes)| format!("{name} {bytes}"));
    println!("    state of one applet: {}", applets.join(", "));
}

fn personalisation_rows() {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let mut state = aes::Block::default();
    let mut passed = Traffic::default();
    for _ in 0..ROUNDS {
        let blank = |number| (number, making::blank(number), making::blocks(number));
        let mut cards: Vec<_> = (1..=MADE).map(blank).collect();
        let make = || cards.iter_mut().for_each(|(number, line, blocks)| making::make(line, *number, blocks));
        ours.push(timed(make) / MADE as f64);
        passed = cards[0].1.traffic();
        bare.push(timed(|| (0..MADE).for_each(|_| personalisation::play(&mut state))) / MADE as f64);
    }
    std::hint::black_box(state);
    let (ours, bare) = (median(ours), median(bare));
    line(
        "6 purse personalised, CPU nanoseconds",
        &format!("{ours:.0}"),
        &format!("{bare:.0}"),
        &format!("{:.2}", ours / bare),
        "",
        "",
    );
    let (set_ups, blocks) = personalisation::totals();
    println!("    floor: {set_ups} key set-ups, {blocks} blocks, card and issuer");
    println!("    {} APDUs, {} bytes; {:.0} purses per CPU second", passed.apdus, passed.bytes, 1e9 / ours);
    println!("    state of a session on the card: {} bytes", ram::CHANNEL);
}

fn main() {
    println!("AES backend: {}", backend());
    line("figure", "ours", "floor", "ratio", "goal", "");
    // Nine purses and two PSAMs: everyone meets everyone.
    let mut till = Till::new(9, 2);
    time_rows(&mut till);
    wear_rows(&mut till);
    wire_rows(&mut till);
    clearing_row();
    ram_row();
    personalisation_rows();
}
