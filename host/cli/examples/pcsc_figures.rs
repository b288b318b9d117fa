//! What the way through pcscd costs: our card beside a null card that answers 9000 at once,
//! both served by the same code behind the same daemon, in one run.
//!
//!     cargo run -p cli --features pcsc --example pcsc_figures
//!
//! Prints times, medians over rounds, and the two ratios that have a goal. Where it may, it
//! runs with real-time priority on one processor: else what is measured is how soon a busy
//! machine wakes a process, which is five times as much.

#[path = "../../../tests/pcsc/alone.rs"]
#[allow(dead_code)]
mod alone;

use std::error::Error;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use alone::{Daemon, READER, SECOND_READER};
use apdu_spec::element::{Algorithm, Amount, Currency, Time};
use host::reader::Reader;
use host::reader::pcsc::connect;
use host::reader::serve::{Served, VPCD_PORT};
use host::reader::socket::Endpoint;
use host::reader::virtual_reader::VirtualReader;
use host::reader::vpcd::Inserted;
use host::terminal::load::Funding;
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use simulation::scheme::{Connection, Scheme};
use simulation::world::{AnyReader, Limits, World};

type Outcome<T> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 40;
const APDUS: u32 = 250;
const PAYMENTS: u32 = 50;
const SELECT: &[u8] = b"\x00\xA4\x04\x0C\x06\xF0PURSE";
const NOW: Time = Time(1_800_000_000);
const KIOSK: &str = "kiosk";

/// Answers 9000 at once.
struct NullCard;

impl Inserted for NullCard {
    fn power_on(&mut self) -> Result<(), host::Error> {
        Ok(())
    }
    fn power_off(&mut self) {}
    fn process(&mut self, _: &[u8]) -> Result<&[u8], host::Error> {
        Ok(&[0x90, 0x00])
    }
    fn housekeep(&mut self) {}
}

/// Counts what passes.
struct Counted(AnyReader, Arc<AtomicU32>);

impl Reader for Counted {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, host::Error> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.transmit(command)
    }
    fn reset(&mut self) -> Result<(), host::Error> {
        self.0.reset()
    }
}

fn insert(card: impl Inserted + Send + 'static, slot: u16) {
    let reader = Endpoint::Tcp(format!("127.0.0.1:{}", VPCD_PORT + slot));
    let served = Arc::new(Served::new(card));
    std::thread::spawn(move || served.insert_into(&reader, &mut std::thread::sleep, &mut |_| {}));
}

fn world(directory: &std::path::Path) -> Outcome<World> {
    let scheme = Scheme::new(Currency { code: 978, exponent: 2 }, &[(KIOSK, Connection::Online)]);
    let mut world = World::create(directory, scheme, Algorithm::AesCmac, ChaCha12Rng::seed_from_u64(1), NOW)?;
    world.issue_purse(Limits { maximum: 1_000_000, overdraft: 0, purchase: 1_000 }, NOW)?;
    Ok(world)
}

/// Seconds an APDU.
fn apdus(reader: &mut dyn Reader) -> Outcome<f64> {
    let begun = Instant::now();
    for _ in 0..APDUS {
        reader.transmit(SELECT)?;
    }
    Ok(begun.elapsed().as_secs_f64() / f64::from(APDUS))
}

/// Seconds a purchase; then the terminal is emptied.
fn purchases(world: &mut World) -> Outcome<f64> {
    let amount = Amount::new(1).ok_or("an amount")?;
    let begun = Instant::now();
    for _ in 0..PAYMENTS {
        world.pay(1, KIOSK, amount, NOW)?;
    }
    let time = begun.elapsed().as_secs_f64() / f64::from(PAYMENTS);
    world.collect(KIOSK)?;
    world.clear(NOW)?;
    Ok(time)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure() -> Outcome<()> {
    let places = [tempfile::tempdir()?, tempfile::tempdir()?];
    let mut here = world(&places[0].path().join("data"))?;
    let mut there = world(&places[1].path().join("data"))?;
    let card = VirtualReader::open(&there.purse_path(1), Box::new(ChaCha12Rng::seed_from_u64(2)), false)?;
    let daemon = Daemon::start();
    insert(NullCard, 0);
    insert(card, 1);
    let mut patience = || Some(Duration::from_secs(1));
    let mut null = connect(READER, &mut patience)?;
    let count = Arc::new(AtomicU32::new(0));
    let mut ours = connect(SECOND_READER, &mut patience)?;
    apdus(&mut ours)?;
    drop(ours);
    there.present(Box::new(Counted(connect(SECOND_READER, &mut patience)?, count.clone())))?;
    let load = Amount::new(500_000).ok_or("an amount")?;
    for world in [&mut here, &mut there] {
        world.load(1, load, Funding::Cash, NOW)?;
        purchases(world)?;
    }
    count.store(0, Ordering::Relaxed);
    let mut times = [const { Vec::new() }; 4];
    let mut sent = 0;
    for _ in 0..ROUNDS {
        times[0].push(apdus(&mut null)?);
        times[1].push(apdus(there.purse(1)?)?);
        times[2].push(purchases(&mut here)?);
        let before = count.load(Ordering::Relaxed);
        times[3].push(purchases(&mut there)?);
        sent += count.load(Ordering::Relaxed) - before;
    }
    drop(daemon);
    let rounds = u32::try_from(ROUNDS)?;
    let each = f64::from(sent) / f64::from(rounds * PAYMENTS);
    let [null, select, in_process, purchase] = times.map(median);
    let micro = 1e6;
    println!("an APDU to the null card      {:8.1} us  {:8.0} a second", null * micro, 1.0 / null);
    println!("SELECT to the purse           {:8.1} us  {:8.0} a second", select * micro, 1.0 / select);
    println!("a purchase in process         {:8.1} us", in_process * micro);
    println!("a purchase through pcscd      {:8.1} us  with {each:.2} APDUs to the purse", purchase * micro);
    println!("rate of SELECT over the null card's                  {:.2}  goal: at least 0.9", null / select);
    println!(
        "(purchase - in process) over its APDUs at the null card's {:.2}  goal: at most 1.3",
        (purchase - in_process) / (each * null)
    );
    Ok(())
}

fn main() -> ExitCode {
    if std::env::var_os("PURSE_ALONE").is_none() {
        let itself = std::env::current_exe().expect("this program");
        let undisturbed = ["chrt", "-f", "10", "taskset", "-c", "0"];
        let may = Command::new(undisturbed[0]).args(&undisturbed[1..]).arg("true").status();
        let mut command = Command::new("tests/pcsc/alone");
        if may.is_ok_and(|status| status.success()) {
            command.args(undisturbed);
        } else {
            println!("without real-time priority (chrt, taskset): ratios depend on what else runs");
        }
        let run = command.arg(itself).status();
        return match run {
            Ok(status) if status.success() => ExitCode::SUCCESS,
            other => {
                eprintln!("run this in the repository, with pcscd and vsmartcard-vpcd installed: {other:?}");
                ExitCode::FAILURE
            }
        };
    }
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
