//! Cards through a real pcscd and its driver vpcd, met by this crate's own PC/SC reader and by
//! others. Run by `tests/run`; each test has a pcscd of its own.

#![cfg(all(feature = "pcsc", target_os = "linux"))]
#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../../tests/pcsc/alone.rs"]
mod alone;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use alone::{Daemon, READER, SECOND_READER, alone, wait_for};
use card_os::applets::AppletKind;
use host::Error;
use host::error::Trouble;
use host::reader::Reader;
use host::reader::pcsc::{PcscReader, Slot, attached, connect};
use host::reader::serve::{Served, VPCD_PORT};
use host::reader::socket::Endpoint;
use host::reader::virtual_reader::VirtualReader;
use host::reader::vpcd::Inserted;
use rand_core::SeedableRng;

const SELECT: &[u8] = b"\x00\xA4\x04\x00\x06\xF0PURSE\x00";

/// Puts a card into a slot, for as long as the process lives.
fn insert(card: impl Inserted + Send + 'static, slot: u16) {
    let reader = Endpoint::Tcp(format!("127.0.0.1:{}", VPCD_PORT + slot));
    let served = Arc::new(Served::new(card));
    std::thread::spawn(move || served.insert_into(&reader, &mut std::thread::sleep, &mut |_| {}));
}

fn purse() -> VirtualReader {
    let random = Box::new(rand_chacha::ChaCha12Rng::seed_from_u64(1));
    VirtualReader::blank(AppletKind::Purse, random).unwrap()
}

/// Waits, but not for ever.
fn patient() -> impl FnMut() -> Option<Duration> {
    let mut left = 100;
    move || {
        left -= 1;
        (left > 0).then_some(Duration::from_secs(1))
    }
}

fn trouble(error: Error) -> Trouble {
    match error {
        Error::Reader { trouble, .. } => trouble,
        other => panic!("{other:?}"),
    }
}

fn refusal(name: &str) -> Trouble {
    trouble(connect(name, &mut || None).err().expect("a refusal"))
}

#[test]
fn what_is_wrong_says_so() {
    alone("what_is_wrong_says_so", || {
        assert_eq!(refusal(READER), Trouble::NoService);
        let empty = tempfile::tempdir().unwrap();
        let daemon = Daemon::start_with(&["--config", empty.path().to_str().unwrap()]);
        assert_eq!(attached().unwrap(), []);
        assert_eq!(refusal(READER), Trouble::NoReader(vec![]));
        daemon.end();
        let _daemon = Daemon::start();
        wait_for(|| attached().is_ok_and(|all| all.len() == 2));
        assert_eq!(refusal(READER), Trouble::NoCard);
        let names = vec![READER.to_owned(), SECOND_READER.to_owned()];
        assert_eq!(refusal("Virtual"), Trouble::Ambiguous(names.clone()));
        assert_eq!(refusal("ACS"), Trouble::NoReader(names));
        insert(purse(), 0);
        drop(connect(READER, &mut patient()).unwrap());
        let context = pcsc::Context::establish(pcsc::Scope::User).unwrap();
        let name = std::ffi::CString::new(READER).unwrap();
        let alone = context.connect(&name, pcsc::ShareMode::Exclusive, pcsc::Protocols::ANY).unwrap();
        assert_eq!(refusal(READER), Trouble::Shared);
        drop(alone);
        drop(connect(READER, &mut || None).unwrap());
    });
}

/// A card whose answer to reset is nonsense.
struct Nonsense;

impl Inserted for Nonsense {
    fn atr(&self) -> &[u8] {
        &[0xFF, 0xFF]
    }
    fn power_on(&mut self) -> Result<(), Error> {
        Ok(())
    }
    fn power_off(&mut self) {}
    fn process(&mut self, _: &[u8]) -> Result<&[u8], Error> {
        Ok(&[0x6F, 0x00])
    }
    fn housekeep(&mut self) {}
}

#[test]
fn a_card_that_makes_no_sense() {
    alone("a_card_that_makes_no_sense", || {
        let _daemon = Daemon::start();
        insert(Nonsense, 0);
        wait_for(|| attached().is_ok_and(|all| all.iter().any(|reader| reader.slot != Slot::Empty)));
        match refusal(READER) {
            Trouble::Mute | Trouble::Other(_) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn long_commands_and_resets() {
    alone("long_commands_and_resets", || {
        let _daemon = Daemon::start();
        insert(purse(), 0);
        let mut card = connect(READER, &mut patient()).unwrap();
        for length in [5, 260, 261, 262, 4_096, 65_535] {
            let answer = card.transmit(&vec![0xFF; length]).unwrap();
            assert_eq!(answer.len(), 2, "{length} bytes");
        }
        for _ in 0..3 {
            let answer = card.transmit(SELECT).unwrap();
            assert!(answer.ends_with(&[0x90, 0x00]), "{answer:02X?}");
            card.reset().unwrap();
        }
    });
}

/// Nobody else comes in between, from the connection to its end.
#[test]
fn a_payment_is_a_transaction() {
    alone("a_payment_is_a_transaction", || {
        let _daemon = Daemon::start();
        insert(purse(), 0);
        let mut card = connect(READER, &mut patient()).unwrap();
        let (tell, told) = channel();
        let other = std::thread::spawn(move || {
            let (mut reader, _) = PcscReader::connect(READER).unwrap();
            tell.send(()).unwrap();
            reader.transmit(SELECT).unwrap()
        });
        for _ in 0..50 {
            card.transmit(SELECT).unwrap();
            std::thread::sleep(Duration::from_millis(10));
            told.try_recv().unwrap_err();
        }
        drop(card);
        assert!(other.join().unwrap().ends_with(&[0x90, 0x00]));
    });
}

/// A purse behind a T=0 transport: answers are announced and fetched, wrong Le is corrected.
struct OldPurse {
    purse: VirtualReader,
    waiting: Vec<u8>,
    answer: Vec<u8>,
}

/// Direct convention, T=0 alone, no historical bytes.
const T0_ATR: &[u8] = &[0x3B, 0x00];

impl Inserted for OldPurse {
    fn atr(&self) -> &[u8] {
        T0_ATR
    }
    fn power_on(&mut self) -> Result<(), Error> {
        self.purse.power_on()
    }
    fn power_off(&mut self) {
        self.purse.power_off();
    }
    fn process(&mut self, command: &[u8]) -> Result<&[u8], Error> {
        self.answer = match *command {
            [_, 0xC0, _, _, le] if !self.waiting.is_empty() => {
                let rest = self.waiting.split_off(self.waiting.len().min(le.into()));
                let data = std::mem::replace(&mut self.waiting, rest);
                match u8::try_from(self.waiting.len()).unwrap() {
                    0 => [&data[..], &[0x90, 0x00]].concat(),
                    more => [&data[..], &[0x61, more]].concat(),
                }
            }
            [_, _, _, _, _] => [0x6C, 0x09].into(),
            _ => {
                let answer = self.purse.process(command)?;
                let (data, _) = answer.split_last_chunk::<2>().unwrap();
                self.waiting = data.to_vec();
                [0x61, u8::try_from(data.len().min(7)).unwrap()].into()
            }
        };
        Ok(&self.answer)
    }
    fn housekeep(&mut self) {
        self.purse.housekeep();
    }
}

#[test]
fn a_card_of_protocol_t0() {
    alone("a_card_of_protocol_t0", || {
        let _daemon = Daemon::start();
        insert(OldPurse { purse: purse(), waiting: Vec::new(), answer: Vec::new() }, 0);
        insert(purse(), 1);
        let mut new = connect(SECOND_READER, &mut patient()).unwrap();
        let mut old = connect(READER, &mut patient()).unwrap();
        let answer = old.transmit(SELECT).unwrap();
        assert!(answer.len() > 9, "in several parts: {answer:02X?}");
        assert_eq!(answer, new.transmit(SELECT).unwrap());
    });
}

/// The Python that has yubikey-manager; `tests/run` makes it, and says where it may not.
fn python() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let python = root.join("target/ykman/bin/python");
    let import = Command::new(&python).args(["-c", "import yubikit.securitydomain, ykman.pcsc"]).output();
    import.is_ok_and(|run| run.status.success()).then_some(python)
}

/// Somebody else's client manages a blank card: yubikey-manager's, for security domains.
fn meet_yubikey_manager(kind: AppletKind) {
    let Some(python) = python() else {
        println!("yubikey-manager is not installed: not met");
        return;
    };
    let _daemon = Daemon::start();
    let random = Box::new(rand_chacha::ChaCha12Rng::seed_from_u64(1));
    insert(VirtualReader::blank(kind, random).unwrap(), 0);
    drop(connect(READER, &mut patient()).unwrap());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pcsc/security_domain.py");
    let name = hex::encode(kind.aid());
    let run = Command::new(python).arg(script).args([READER, &name]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(run.status.success(), "{}{}", text(&run.stdout), text(&run.stderr));
    println!("{}", text(&run.stdout));
}

// Each on a fresh card.

#[test]
fn yubikey_manager_manages_a_purse() {
    alone("yubikey_manager_manages_a_purse", || meet_yubikey_manager(AppletKind::Purse));
}

#[test]
fn yubikey_manager_manages_a_psam() {
    alone("yubikey_manager_manages_a_psam", || meet_yubikey_manager(AppletKind::Sam));
}
