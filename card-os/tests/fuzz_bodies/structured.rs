//! Commands of the catalogue to a purse, a PSAM and a transfer card at once, with honest
//! steps between, and power that fails at any byte. There is no issuer: value never rises
//! above what was loaded, and every debit stays provable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use apdu_spec::StatusWord;
use apdu_spec::catalog::rows;
use apdu_spec::declare::Row;
use apdu_spec::element::{Algorithm, Kind};
use apdu_spec::record::{BatchRecord, Outcome};
use apdu_spec::sam::{
    CloseBatch, CollectRequest, GetSamData, PsamAcknowledge, PsamCollect, ReadTrailer, TrailerRequest,
};
use card_os::applets::AppletKind;

use super::commands::{Pool, Source, command};
use super::{Input, check_answer};
use crate::support::world::World;
use crate::support::{Chip, Device, issuer, reference, status_of};

/// Steps of one run, at most.
const STEPS: usize = 96;
/// What was loaded before.
const BALANCE: i32 = 1_000;

/// What the purse must be.
struct Model {
    balance: i32,
    /// Amounts of its value commits by NV, and their types.
    commits: Vec<(Kind, i32)>,
}

struct Run {
    world: World,
    transfer: Device,
    model: Model,
    pool: Pool,
    /// What has been collected and acknowledged.
    stored: Vec<BatchRecord>,
}

/// The steps of a purchase, a cancellation and a collection, as honest terminals do them.
const PURCHASE: [&str; 5] = ["GetChallenge", "InitializeIep", "InitializePsam", "DebitIep", "CreditPsam"];
const CANCELLATION: [&str; 2] = ["PsamCancel", "CreditCancellation"];
const RECOVERY: [&str; 3] = ["GetChallenge", "PreviousByNt", "StoreReceipt"];
const TAKING_OVER: [&str; 3] = ["GetChallenge", "PreviousByNv", "StoreReceipt"];

impl Run {
    fn new() -> Self {
        static CHIPS: OnceLock<[Chip; 2]> = OnceLock::new();
        let [purse, sam] = CHIPS.get_or_init(|| {
            let world = World::with_balance(BALANCE.unsigned_abs());
            [world.purse.power_off(), world.sam.power_off()]
        });
        let on = |kind, chip: &Chip| Device::power_on(kind, chip.clone()).unwrap();
        Self {
            world: World { purse: on(AppletKind::Purse, purse), sam: on(AppletKind::Sam, sam) },
            transfer: Device::personalised(AppletKind::Transfer, Algorithm::AesCmac),
            model: Model { balance: BALANCE, commits: vec![(Kind::Load, BALANCE)] },
            pool: Pool::default(),
            stored: Vec::new(),
        }
    }

    fn device(&mut self, row: &Row, choice: u8) -> &mut Device {
        match (row.set, choice % 3) {
            ("PurseCommand", _) | ("InterindustryCommand" | "SecurityDomainCommand", 0) => {
                &mut self.world.purse
            }
            ("SamCommand", _) | (_, 1) if row.set != "TransferCommand" => &mut self.world.sam,
            _ => &mut self.transfer,
        }
    }

    /// One command; with `cut`, power fails after so many bytes and comes back.
    fn send(&mut self, row: &Row, choice: u8, mut source: Source<'_, '_>, cut: Option<usize>) {
        let bytes = command(row, &self.pool, &mut source);
        let device = self.device(row, choice);
        if let Some(cut) = cut {
            device.chip().cut_after(cut);
        }
        let answer = device.transmit(&bytes);
        check_answer(&bytes, &answer, cut.is_some());
        if cut.is_some() {
            device.power_cycle().unwrap();
        }
        if row.name == "Select" {
            device.select();
        }
        let status = status_of(&answer);
        if status == StatusWord::OK {
            self.pool.learn(row, &answer[..answer.len() - 2]);
        }
        if row.set == "PurseCommand" {
            self.check_purse(row, status, cut.is_some());
        }
    }

    /// The purse is as it was, or one commit further, and that where it was told so.
    fn check_purse(&mut self, row: &Row, status: StatusWord, torn: bool) {
        let nv = self.world.information().nv.get() as usize;
        let held = self.model.commits.len();
        let moves = matches!(row.name, "DebitIep" | "CreditCancellation");
        assert!(nv == held || (nv == held + 1 && moves), "{} moved value", row.name);
        if status == StatusWord::OK && moves {
            assert_eq!(nv, held + 1, "{} answered and forgot", row.name);
        }
        let balance = self.world.balance();
        if nv == held {
            assert_eq!(balance, self.model.balance);
            return;
        }
        assert!(status == StatusWord::OK || torn, "{} refused with {status} and moved value", row.name);
        let moved = balance - self.model.balance;
        let kind = if row.name == "DebitIep" { Kind::Purchase } else { Kind::Cancellation };
        if kind == Kind::Cancellation {
            assert_eq!(self.model.commits.last(), Some(&(Kind::Purchase, -moved)), "what came back");
        }
        assert!((moved <= 0) == (kind == Kind::Purchase) || moved == 0);
        assert!((-500..=BALANCE).contains(&balance));
        self.model.balance = balance;
        self.model.commits.push((kind, moved));
    }

    /// The background system stores the oldest closed batch and says so.
    fn acknowledge(&mut self) {
        let sam = &mut self.world.sam;
        let information = sam.execute::<GetSamData>(&()).unwrap();
        if information.oldest == information.batch {
            return;
        }
        let batch = information.oldest;
        let trailer = sam.execute::<ReadTrailer>(&TrailerRequest { batch }).unwrap();
        let record = |index| sam.execute::<PsamCollect>(&CollectRequest { batch, index }).unwrap();
        let records: Vec<BatchRecord> = (0..trailer.count).map(record).collect();
        let key = reference(Algorithm::AesCmac, 0);
        issuer::check_batch(&trailer, &records, key);
        self.stored.extend(records);
        let word = issuer::acknowledge(batch, trailer.s4, key);
        // It finds room however full the PSAM is.
        self.world.sam.execute::<PsamAcknowledge>(&word).unwrap();
    }

    /// Every debit is in a batch or still with the purse, and no batch holds anything else.
    fn settle(&mut self) {
        // Whatever was acknowledged by the fuzzer itself was read by nobody: then only the
        // second half can be asked.
        loop {
            let information = self.world.sam.execute::<GetSamData>(&()).unwrap();
            if information.oldest == information.batch {
                let empty = (information.entries, information.open) == (0, 0);
                if empty || self.world.sam.execute::<CloseBatch>(&()).is_err() {
                    break;
                }
            } else {
                self.acknowledge();
            }
        }
        let mut paid = BTreeMap::new();
        let mut orders = BTreeSet::new();
        for record in &self.stored {
            let entry = &record.value.entry;
            match record.outcome {
                Outcome::Credited => assert!(orders.insert(entry.order.nt), "credited twice"),
                Outcome::Receipt => {}
                Outcome::Unresolved | Outcome::NotDebited | Outcome::Voided => continue,
            }
            paid.insert(entry.nv().unwrap().get() as usize, (entry.kind, entry.order.amount.signed()));
        }
        for (nv, (kind, amount)) in &paid {
            let moved = if *kind == Kind::Purchase { -amount } else { *amount };
            assert_eq!(self.model.commits.get(nv - 1), Some(&(*kind, moved)), "NV {nv} never was");
        }
        let information = self.world.information();
        let freed = self.model.commits.len() - usize::from(information.receipts);
        for nv in 1..=freed {
            assert!(paid.contains_key(&nv), "NV {nv} was freed and is nowhere");
        }
        assert_eq!(self.world.balance(), self.model.balance);
    }
}

/// Runs what the bytes say.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut run = Run::new();
    // STORE DATA and acknowledgements of the fuzzer's own would hide records from the check.
    let rows: Vec<&Row> = rows().filter(|row| row.name != "PsamAcknowledge").collect();
    let find = |name: &str| rows.iter().copied().find(|row| row.name == name).unwrap();
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        let honest: &[&str] = match input.byte() {
            step @ 0..0xA0 => {
                let row = rows[usize::from(step) % rows.len()];
                let choice = input.byte();
                let cut = (choice >= 0xC0).then(|| usize::from(input.byte()) + usize::from(choice & 7) * 256);
                run.send(row, choice / 8, Source::Input(&mut input), cut);
                continue;
            }
            0xA0..0xC0 => &PURCHASE,
            0xC0..0xC8 => &CANCELLATION,
            0xC8..0xD0 => &RECOVERY,
            0xD0..0xE0 => &TAKING_OVER,
            0xE0..0xE8 => &["CloseBatch"],
            0xE8..0xF0 => {
                run.acknowledge();
                continue;
            }
            0xF0..0xF8 => {
                run.world.purse.power_cycle().unwrap();
                continue;
            }
            _ => {
                run.world.sam.power_cycle().unwrap();
                continue;
            }
        };
        honest_steps(&mut run, honest.iter().map(|name| find(name)), &mut input);
    }
    run.settle();
}

/// A terminal's steps; in one of them, as the input says, power fails.
fn honest_steps<'r>(run: &mut Run, steps: impl Iterator<Item = &'r Row>, input: &mut Input<'_>) {
    let (amount, torn, at) = (input.byte(), input.byte(), input.byte());
    run.pool.put("amount", vec![0, 0, 0, amount]);
    let information = run.world.information();
    let oldest = information.nv.get() - u32::from(information.receipts) + 1;
    for (index, row) in steps.enumerate() {
        match row.name {
            "PreviousByNt" => run.pool.put("number", information.nt.get().to_be_bytes()[1..].to_vec()),
            "PreviousByNv" => run.pool.put("number", oldest.to_be_bytes()[1..].to_vec()),
            _ => {}
        }
        let cut =
            (usize::from(torn >> 5) == index + 1).then(|| usize::from(at) + usize::from(torn & 7) * 256);
        run.send(row, 0, Source::Honest, cut);
    }
}
