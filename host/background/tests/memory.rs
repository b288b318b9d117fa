//! Master keys are in the memory of the process while their vault is, and not afterwards. The
//! process reads its own memory to see.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod scan;

use std::fs;

use apdu_spec::element::{AcquirerId, Amount, Balance, IepId, PurseNumber};
use apdu_spec::element::{Algorithm, Currency, ProviderId, SamId, SamNumber, Time};
use background::vault::{Cost, Lock, Passphrase};
use background::{Background, PurseOrder, SamOrder, Vault, VaultFile};
use rand_core::{TryCryptoRng, TryRng};

const NOW: Time = Time(1_770_000_000);
/// How many keys a generation has with one group.
const KEYS: u8 = 7;

/// A byte of a key that the test knows: computed where it is compared, so that the test has no
/// copy that it could find.
fn byte(key: u8, place: usize) -> u8 {
    let word = (u64::from(key) << 8 | place as u64 | 0xA5_0000).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (word ^ word >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9).to_be_bytes()[1]
}

/// A generator of these keys.
struct Known(u8);

impl TryRng for Known {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(7)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(7)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.iter_mut().enumerate().for_each(|(place, to)| *to = byte(self.0, place));
        self.0 = self.0.wrapping_add(1);
        Ok(())
    }
}

impl TryCryptoRng for Known {}

/// How often half a key stands somewhere, as it is and in hexadecimal.
fn found(memory: &[u8], key: u8) -> usize {
    let digit = |place: usize| {
        let shift = if place.is_multiple_of(2) { 4 } else { 0 };
        b"0123456789abcdef"[usize::from(byte(key, place / 2) >> shift & 0x0F)]
    };
    let raw = |from: usize| {
        move |window: &&[u8]| window.iter().enumerate().all(|(place, have)| *have == byte(key, from + place))
    };
    let text = |window: &&[u8]| window.iter().enumerate().all(|(place, have)| *have == digit(place));
    memory.windows(8).filter(raw(0)).count()
        + memory.windows(8).filter(raw(8)).count()
        + memory.windows(16).filter(text).count()
}

/// How often each of the keys is found in the memory of this process.
fn scan() -> [usize; KEYS as usize] {
    let mut sums = [0; KEYS as usize];
    scan::memory(&mut |piece| (0..KEYS).for_each(|key| sums[usize::from(key)] += found(piece, key)));
    sums
}

/// A number that the system tells of this process; none where it is unlimited.
fn told(file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next()?.parse().ok()
}

/// Every operation that has a master key in its hands: derivation, check values, a PSAM's keys.
fn use_keys(vault: Vault) -> Background {
    let mut background = Background::in_memory(vault).unwrap();
    let (provider, acquirer) = (ProviderId::new(9_276).unwrap(), AcquirerId::new(5_001).unwrap());
    background.register_issuer(provider, "Issuer").unwrap();
    background.register_acquirer(acquirer, "Acquirer").unwrap();
    let merchant = background.register_merchant("Bakery", acquirer).unwrap();
    let sam = SamId { acquirer, number: SamNumber::new(1).unwrap() };
    let sam = SamOrder {
        sam,
        name: "Till".into(),
        merchant,
        expiry: NOW.date(),
        currency: Currency::EUR,
        purchase_limit: Amount::MAX,
        group: 1,
        versions: vec![1],
        providers: vec![provider],
        connection: background::store::participants::Connection::Periodic,
    };
    drop(background.issue_sam(&sam, &mut Known(200), NOW).unwrap());
    drop(background.sam_generation(1, 1).unwrap());
    let iep = IepId { provider, number: PurseNumber::new(1).unwrap() };
    let purse = PurseOrder {
        iep,
        currency: Currency::EUR,
        expiry: NOW.date(),
        maximum: Balance(1_000),
        overdraft: Amount::default(),
        purchase_limit: Amount::MAX,
        groups: vec![1],
        versions: vec![1],
        legacy: None,
        pin: None,
    };
    drop(background.issue_purse(&purse, NOW).unwrap());
    assert_eq!(background.all_channel_keys(iep).len(), 1);
    assert_eq!(background.key_versions().len(), usize::from(KEYS));
    background
}

/// Both algorithms; drawn, written, read again and used, in the clear and under a passphrase.
#[test]
fn no_key_outlives_its_vault() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(scan(), [0; KEYS as usize], "the test finds itself");
    for (round, algorithm) in [Algorithm::AesCmac, Algorithm::RetailMac].into_iter().enumerate() {
        let path = folder.path().join(format!("{round}.json"));
        let word = || Passphrase::new("correct horse battery".into()).unwrap();
        let mut vault = Vault::new();
        vault.add_version(1, algorithm, &[1], &mut Known(0)).unwrap();
        let alive = scan();
        assert!(alive.iter().all(|count| *count >= 2), "a vault has its keys: {alive:?}");
        match told("/proc/self/limits", "Max locked memory") {
            Some(least) if least < 65_536 => eprintln!("SKIPPED: this process may lock no memory"),
            _ => assert!(told("/proc/self/status", "VmLck:") > Some(0), "its page is locked"),
        }
        drop(VaultFile::create(&path, Lock::Open, &vault, &mut Known(100)).unwrap());
        let text = fs::read(&path).unwrap();
        let shown = scan();
        assert!(alive.iter().zip(&shown).all(|(before, now)| now > before), "hexadecimal too: {shown:?}");
        drop(zeroize::Zeroizing::new(text));
        fs::remove_file(&path).unwrap();
        let lock = Lock::new(&word(), Cost::LEAST, &mut Known(100)).unwrap();
        drop(VaultFile::create(&path, lock, &vault, &mut Known(100)).unwrap());
        drop(vault);
        assert_eq!(scan(), [0; KEYS as usize], "drawn and written");
        let (file, vault) = VaultFile::open(&path, &mut || Ok(word())).unwrap();
        assert!(scan().iter().all(|count| *count >= 2), "a vault that was read has its keys");
        let background = use_keys(vault);
        drop((file, background));
        assert_eq!(scan(), [0; KEYS as usize], "read and used");
        assert_eq!(told("/proc/self/status", "VmLck:"), Some(0));
    }
}
