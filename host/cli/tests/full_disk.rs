//! The disk under a served card is full. A process of its own: a child that another test
//! starts would hold the lock of this one's directory for a moment.

#![cfg(target_os = "linux")]

#[allow(dead_code)]
mod support;

use std::process::Command;

use apdu_spec::element::{Amount, Time};
use host::reader::Reader;
use host::reader::remote::RemoteReader;
use rand_core::SeedableRng;
use simulation::World;
use support::Place;
use support::serving::Serving;

fn balance(place: &Place, address: &str) -> i64 {
    place.json(&["--reader", address, "card", "show"])["balance"].as_i64().expect("a balance")
}

/// Lets the file of the card not grow nor change beyond its head, from a command on.
struct FullDisk {
    reader: RemoteReader,
    process: u32,
    full_before: usize,
    commands: usize,
    answers: Vec<Vec<u8>>,
}

fn limit(process: u32, bytes: Option<u64>) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let pid = Pid::from_raw(i32::try_from(process).expect("a process"));
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).expect("a limit");
}

impl Reader for FullDisk {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, host::Error> {
        self.commands += 1;
        if self.commands == self.full_before {
            limit(self.process, Some(32));
        }
        let answer = self.reader.transmit(command)?;
        self.answers.push(answer.clone());
        Ok(answer)
    }
    fn reset(&mut self) -> Result<(), host::Error> {
        self.reader.reset()
    }
}

/// The system refuses every write to the image, as on a full disk, from each command of a
/// payment on: 6581, no value moves, and with room again the card goes on.
#[test]
fn a_disk_that_is_full_while_a_purse_commits() {
    let place = Place::after_a_day(1);
    // SIGXFSZ would end the process; ignored, a write beyond the limit fails with EFBIG.
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" --json card serve --image \"$1\" --listen 127.0.0.1:0"]);
    shell.arg(env!("CARGO_BIN_EXE_purse")).arg(place.card(1));
    let serving = Serving::spawn(shell);
    let address = serving.address();
    let before = {
        place.json(&["--reader", &address, "load", "1", "5"]);
        balance(&place, &address)
    };
    let mut refused = 0;
    for full_before in 3..=6 {
        let reader = RemoteReader::connect(&address.parse().expect("an address")).expect("the card");
        let random = rand_chacha::ChaCha12Rng::seed_from_u64(9);
        let mut world = World::open(&place.data(), random).expect("a world");
        let process = serving.child.id();
        let answers = Vec::new();
        let disk = FullDisk { reader, process, full_before, commands: 0, answers };
        let answers = std::sync::Arc::new(std::sync::Mutex::new(disk));
        world.present(Box::new(Shared(answers.clone()))).expect("purse 1");
        let paid = world.pay(1, "kiosk", Amount::new(10).expect("an amount"), Time(1_800_000_000));
        let told = answers.lock().expect("no panic").answers.iter().any(|answer| *answer == [0x65, 0x81]);
        drop(world);
        limit(process, None);
        drop(answers);
        refused += usize::from(told);
        assert_eq!(paid.is_ok(), !told, "before command {full_before}: {paid:?}");
        let resolved = place.json(&["--reader", &address, "resolve", "--at", "kiosk"]);
        let lost =
            resolved.as_array().expect("a list").iter().filter(|line| line["outcome"] == "paid").count();
        assert_eq!(lost, 0, "{resolved}");
    }
    assert!(refused >= 2, "INITIALIZE IEP and DEBIT IEP commit: {refused}");
    let paid = i64::try_from(4 - refused).expect("small") * 10;
    assert_eq!(balance(&place, &address), before - paid);
    drop(serving);
    assert_eq!(place.json(&["card", "show", "1"])["balance"], before - paid, "as the file has it");
    assert_eq!(place.json(&["report"])["world"]["difference"], 0);
}

/// A reader that the test keeps an eye on.
struct Shared(std::sync::Arc<std::sync::Mutex<FullDisk>>);

impl Reader for Shared {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, host::Error> {
        self.0.lock().expect("no panic").transmit(command)
    }
    fn reset(&mut self) -> Result<(), host::Error> {
        self.0.lock().expect("no panic").reset()
    }
}
