//! The journal of a load terminal: each load or unload is noted before it is asked for, and taken
//! off once its end is known. What stands in it is in doubt.
//!
//! It is taken off before anybody is told, so that a terminal that dies in between pays nothing
//! out twice. A folder with a file of JSON for each, project-defined.

use std::fmt::Debug;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use apdu_spec::element::{Amount, Balance, Counter, IepId, Kind, ProviderId, PurseNumber, Random, Time};
use apdu_spec::record::balance_after;
use serde::{Deserialize, Serialize};

use super::load::Funding;
use crate::Error;

/// A load or unload that a terminal is about to ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransferIntent {
    /// Load or unload.
    pub kind: Kind,
    /// Where the money comes from, or goes to.
    pub funding: Funding,
    /// The purse.
    pub iep: IepId,
    /// NT_IEP of its session.
    pub nt: Counter,
    /// The terminal's challenge in it, which no other session has.
    pub challenge: Random,
    /// Amount, minor units.
    pub amount: Amount,
    /// When.
    pub time: Time,
    /// Balance of the purse before it, minor units.
    pub balance: Balance,
    /// NV of the purse before it.
    pub nv: Counter,
}

impl TransferIntent {
    /// Balance of the purse after it; nothing where it leaves the range of a balance.
    #[must_use]
    pub const fn balance_after(&self) -> Option<Balance> {
        balance_after(self.kind, self.balance, self.amount)
    }

    /// NV of the purse after it.
    #[must_use]
    pub const fn nv_after(&self) -> Option<Counter> {
        self.nv.next()
    }
}

/// Survives a crash of the terminal.
pub trait TransferJournal {
    /// The request leaves next. Durable when this returns.
    fn intend(&mut self, intent: &TransferIntent) -> Result<(), Error>;

    /// The end is known.
    fn settle(&mut self, intent: &TransferIntent) -> Result<(), Error>;

    /// What is in doubt about a purse, in the order of its sessions.
    fn open(&self, iep: IepId) -> Result<Vec<TransferIntent>, Error>;
}

/// A journal that is gone with its terminal, for simulations.
impl TransferJournal for Vec<TransferIntent> {
    fn intend(&mut self, intent: &TransferIntent) -> Result<(), Error> {
        self.push(*intent);
        Ok(())
    }

    fn settle(&mut self, intent: &TransferIntent) -> Result<(), Error> {
        self.retain(|open| open.challenge != intent.challenge);
        Ok(())
    }

    fn open(&self, iep: IepId) -> Result<Vec<TransferIntent>, Error> {
        Ok(self.iter().filter(|open| open.iep == iep).copied().collect())
    }
}

/// A journal in a folder.
#[derive(Debug)]
pub struct FolderJournal {
    folder: PathBuf,
    durable: bool,
}

impl FolderJournal {
    /// Opens a journal, or begins one. With `durable`, an intent waits for the disk.
    pub fn open(folder: &Path, durable: bool) -> Result<Self, Error> {
        // Its owner's alone, as the terminal's home is.
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(folder).map_err(Error::file(folder))?;
        Ok(Self { folder: folder.into(), durable })
    }

    fn path(&self, intent: &TransferIntent) -> PathBuf {
        self.folder.join(format!("{}.json", hex::encode(intent.challenge.0)))
    }

    /// Writes a file that is there as a whole or not at all.
    fn write(&self, path: &Path, text: &[u8]) -> io::Result<()> {
        let fresh = path.with_extension("new");
        let mut file = fs::File::create(&fresh)?;
        file.write_all(text)?;
        if self.durable {
            file.sync_all()?;
        }
        fs::rename(&fresh, path)?;
        self.synchronise()
    }

    fn synchronise(&self) -> io::Result<()> {
        if self.durable && cfg!(unix) { fs::File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }
}

impl TransferJournal for FolderJournal {
    fn intend(&mut self, intent: &TransferIntent) -> Result<(), Error> {
        let path = self.path(intent);
        let written = serde_json::to_vec(&Line::from(intent)).map_err(io::Error::from);
        written.and_then(|text| self.write(&path, &text)).map_err(Error::file(path))
    }

    fn settle(&mut self, intent: &TransferIntent) -> Result<(), Error> {
        let path = self.path(intent);
        fs::remove_file(&path).and_then(|()| self.synchronise()).map_err(Error::file(path))
    }

    fn open(&self, iep: IepId) -> Result<Vec<TransferIntent>, Error> {
        let mut open = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(Error::file(&self.folder))? {
            let path = entry.map_err(Error::file(&self.folder))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                open.push(read(&path)?);
            }
        }
        open.retain(|intent| intent.iep == iep);
        open.sort_unstable_by_key(|intent| intent.nt);
        Ok(open)
    }
}

/// What stands in a file.
#[derive(Serialize, Deserialize)]
struct Line {
    unload: bool,
    funding: Funding,
    provider: u32,
    purse: u64,
    nt: u32,
    challenge: String,
    amount: u32,
    time: u32,
    balance: i32,
    nv: u32,
}

impl From<&TransferIntent> for Line {
    fn from(intent: &TransferIntent) -> Self {
        Self {
            unload: intent.kind == Kind::Unload,
            funding: intent.funding,
            provider: intent.iep.provider.get(),
            purse: intent.iep.number.get(),
            nt: intent.nt.get(),
            challenge: hex::encode(intent.challenge.0),
            amount: intent.amount.get(),
            time: intent.time.0,
            balance: intent.balance.0,
            nv: intent.nv.get(),
        }
    }
}

impl Line {
    fn intent(&self) -> Option<TransferIntent> {
        let mut challenge = Random::default();
        hex::decode_to_slice(&self.challenge, &mut challenge.0).ok()?;
        let (provider, number) = (ProviderId::new(self.provider)?, PurseNumber::new(self.purse)?);
        Some(TransferIntent {
            kind: if self.unload { Kind::Unload } else { Kind::Load },
            funding: self.funding,
            iep: IepId { provider, number },
            nt: Counter::new(self.nt)?,
            challenge,
            amount: Amount::new(self.amount)?,
            time: Time(self.time),
            balance: Balance(self.balance),
            nv: Counter::new(self.nv)?,
        })
    }
}

fn read(path: &Path) -> Result<TransferIntent, Error> {
    let text = fs::read(path).map_err(Error::file(path))?;
    let reason = match serde_json::from_slice::<Line>(&text).map(|line| line.intent()) {
        Ok(Some(intent)) => return Ok(intent),
        Ok(None) => "a number is out of range".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Error::Journal { path: path.into(), line: 1, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(number: u64, nt: u32) -> TransferIntent {
        let number = PurseNumber::new(number).expect("small");
        TransferIntent {
            kind: Kind::Unload,
            funding: Funding::Cash,
            iep: IepId { provider: ProviderId::new(9).expect("small"), number },
            nt: Counter::new(nt).expect("small"),
            challenge: Random([u8::try_from(nt).expect("small"); 8]),
            amount: Amount::MAX,
            time: Time(7),
            balance: Balance(-3),
            nv: Counter::new(5).expect("small"),
        }
    }

    #[test]
    fn what_is_intended_is_open_until_it_is_settled() {
        let place = tempfile::tempdir().expect("a folder");
        let mut journal = FolderJournal::open(place.path(), true).expect("opened");
        for intent in [intent(1, 4), intent(2, 3), intent(1, 2)] {
            journal.intend(&intent).expect("noted");
        }
        drop(journal);
        let mut journal = FolderJournal::open(place.path(), true).expect("opened");
        let iep = intent(1, 1).iep;
        assert_eq!(journal.open(iep).expect("read"), [intent(1, 2), intent(1, 4)]);
        journal.settle(&intent(1, 2)).expect("settled");
        assert_eq!(journal.open(iep).expect("read"), [intent(1, 4)]);
        assert!(journal.settle(&intent(1, 2)).is_err(), "once");
    }

    #[test]
    fn a_damaged_file_is_named_and_one_that_was_not_finished_does_not_count() {
        let place = tempfile::tempdir().expect("a folder");
        let journal = FolderJournal::open(place.path(), false).expect("opened");
        fs::write(place.path().join("00.new"), "{").expect("written");
        assert_eq!(journal.open(intent(1, 1).iep).expect("read"), []);
        fs::write(place.path().join("00.json"), "{").expect("written");
        let error = journal.open(intent(1, 1).iep).expect_err("damaged").to_string();
        assert!(error.contains("00.json"), "{error}");
    }
}
