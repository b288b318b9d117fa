//! The journal of a payment terminal: what it is about to do, written before it does it.
//!
//! A file of JSON lines, project-defined: `{"intend": {...}}` before DEBIT IEP,
//! `{"settle": NT_PSAM}` once the PSAM knows the outcome. A last line without its end
//! was torn and does not count; it stands for a DEBIT IEP that was never sent.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use apdu_spec::element::{Amount, Counter, IepId, ProviderId, PurseNumber, SamCounter, Time};
use serde::{Deserialize, Serialize};

use crate::Error;

/// A payment that a terminal is about to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Intent {
    /// NT_PSAM.
    pub nt_psam: SamCounter,
    /// The purse.
    pub iep: IepId,
    /// NT_IEP of its session.
    pub nt_iep: Counter,
    /// Amount, minor units.
    pub amount: Amount,
    /// When.
    pub time: Time,
}

/// Survives a crash of the terminal.
pub trait Journal {
    /// The payment goes to the purse next. Durable when this returns.
    fn intend(&mut self, intent: &Intent) -> Result<(), Error>;

    /// The PSAM knows what became of the payment.
    fn settle(&mut self, nt_psam: SamCounter) -> Result<(), Error>;

    /// Payments of which nothing is known.
    fn open(&self) -> Vec<Intent>;
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Intend { nt_psam: u32, provider: u32, purse: u64, nt_iep: u32, amount: u32, time: u32 },
    Settle(u32),
}

impl From<&Intent> for Line {
    fn from(intent: &Intent) -> Self {
        Self::Intend {
            nt_psam: intent.nt_psam.get(),
            provider: intent.iep.provider.get(),
            purse: intent.iep.number.get(),
            nt_iep: intent.nt_iep.get(),
            amount: intent.amount.get(),
            time: intent.time.0,
        }
    }
}

/// Where the lines of a journal are kept.
pub trait Medium: Debug {
    /// What it is called in messages.
    fn name(&self) -> &Path;

    /// Everything that is there.
    fn read(&mut self) -> io::Result<String>;

    /// Puts other text in the place of everything; durable, and all of it or nothing.
    fn replace(&mut self, text: &str) -> io::Result<()>;

    /// Adds text at the end. Where this fails, a part of it may be there.
    fn append(&mut self, text: &str) -> io::Result<()>;

    /// Returns once everything survives a loss of power.
    fn sync(&mut self) -> io::Result<()>;
}

/// A journal of lines on a medium.
#[derive(Debug)]
pub struct LineJournal<M> {
    medium: M,
    open: BTreeMap<u32, Intent>,
    durable: bool,
    /// A line failed and may be there in part: nothing may stand behind it.
    torn: bool,
}

/// A journal in a file.
pub type FileJournal = LineJournal<JournalFile>;

impl FileJournal {
    /// Opens a journal, or begins one. With `durable`, an intent waits for the disk.
    pub fn open(path: &Path, durable: bool) -> Result<Self, Error> {
        Self::over(JournalFile { path: path.into(), file: None }, durable)
    }
}

impl<M: Medium> LineJournal<M> {
    /// Opens the journal on this medium, and begins anew with what is open in it.
    pub fn over(mut medium: M, durable: bool) -> Result<Self, Error> {
        let text = medium.read();
        let open = read(&text.map_err(Error::file(medium.name()))?, medium.name())?;
        let mut journal = Self { medium, open, durable, torn: true };
        journal.mend()?;
        Ok(journal)
    }

    /// Puts what is open in the place of everything, where a line may be torn.
    fn mend(&mut self) -> Result<(), Error> {
        if self.torn {
            let lines = self.open.values().map(|intent| to_text(&Line::from(intent)));
            let text = lines.collect::<io::Result<String>>();
            let written = text.and_then(|text| self.medium.replace(&text));
            written.map_err(Error::file(self.medium.name()))?;
            self.torn = false;
        }
        Ok(())
    }

    fn append(&mut self, line: &Line) -> Result<(), Error> {
        self.mend()?;
        let written = to_text(line).and_then(|text| {
            self.medium.append(&text)?;
            if self.durable { self.medium.sync() } else { Ok(()) }
        });
        self.torn = written.is_err();
        written.map_err(Error::file(self.medium.name()))
    }
}

impl<M: Medium> Journal for LineJournal<M> {
    fn intend(&mut self, intent: &Intent) -> Result<(), Error> {
        self.append(&Line::from(intent))?;
        self.open.insert(intent.nt_psam.get(), *intent);
        Ok(())
    }

    fn settle(&mut self, nt_psam: SamCounter) -> Result<(), Error> {
        self.append(&Line::Settle(nt_psam.get()))?;
        self.open.remove(&nt_psam.get());
        Ok(())
    }

    fn open(&self) -> Vec<Intent> {
        self.open.values().copied().collect()
    }
}

/// The file of a journal.
#[derive(Debug)]
pub struct JournalFile {
    path: PathBuf,
    file: Option<File>,
}

impl Medium for JournalFile {
    fn name(&self) -> &Path {
        &self.path
    }

    fn read(&mut self) -> io::Result<String> {
        match std::fs::read_to_string(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            other => other,
        }
    }

    /// The old file stays until the new one is whole.
    fn replace(&mut self, text: &str) -> io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        std::fs::rename(&fresh, &self.path)?;
        self.file = Some(OpenOptions::new().append(true).open(&self.path)?);
        Ok(())
    }

    fn append(&mut self, text: &str) -> io::Result<()> {
        self.file.as_mut().ok_or(io::ErrorKind::NotFound)?.write_all(text.as_bytes())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.as_mut().ok_or(io::ErrorKind::NotFound)?.sync_data()
    }
}

fn to_text(line: &Line) -> io::Result<String> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    Ok(text)
}

/// What is open after all whole lines of a journal.
fn read(text: &str, path: &Path) -> Result<BTreeMap<u32, Intent>, Error> {
    let mut open = BTreeMap::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let Some(line) = line.strip_suffix('\n') else { break };
        let refuse = |reason: String| Error::Journal { path: path.into(), line: index + 1, reason };
        match serde_json::from_str(line).map_err(|error| refuse(error.to_string()))? {
            Line::Settle(nt) => {
                open.remove(&nt);
            }
            line @ Line::Intend { nt_psam, .. } => {
                let intent = to_intent(&line).ok_or_else(|| refuse("a number is out of range".into()))?;
                open.insert(nt_psam, intent);
            }
        }
    }
    Ok(open)
}

fn to_intent(line: &Line) -> Option<Intent> {
    let Line::Intend { nt_psam, provider, purse, nt_iep, amount, time } = *line else { return None };
    Some(Intent {
        nt_psam: SamCounter(nt_psam),
        iep: IepId { provider: ProviderId::new(provider)?, number: PurseNumber::new(purse)? },
        nt_iep: Counter::new(nt_iep)?,
        amount: Amount::new(amount)?,
        time: Time(time),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(nt: u32) -> Intent {
        let iep = IepId { provider: ProviderId::new(9).unwrap(), number: PurseNumber::new(77).unwrap() };
        let (nt_psam, nt_iep) = (SamCounter(nt), Counter::new(5).unwrap());
        Intent { nt_psam, iep, nt_iep, amount: Amount::new(250).unwrap(), time: Time(1_700_000_000) }
    }

    #[test]
    fn what_is_open_survives_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let mut journal = FileJournal::open(&path, true).unwrap();
        journal.intend(&intent(1)).unwrap();
        journal.intend(&intent(2)).unwrap();
        journal.settle(SamCounter(1)).unwrap();
        drop(journal);
        assert_eq!(FileJournal::open(&path, true).unwrap().open(), [intent(2)]);
    }

    #[test]
    fn a_torn_last_line_does_not_count() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        FileJournal::open(&path, false).unwrap().intend(&intent(1)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(FileJournal::open(&path, false).unwrap().open(), []);
        }
    }

    /// A medium that is full: of each new line only some bytes fit.
    #[derive(Debug)]
    struct Full<'t> {
        text: &'t mut String,
        room: usize,
    }

    impl Medium for Full<'_> {
        fn name(&self) -> &Path {
            Path::new("full")
        }
        fn read(&mut self) -> io::Result<String> {
            Ok(self.text.clone())
        }
        fn replace(&mut self, text: &str) -> io::Result<()> {
            *self.text = text.into();
            Ok(())
        }
        fn append(&mut self, text: &str) -> io::Result<()> {
            self.text.push_str(&text[..text.len().min(self.room)]);
            if text.len() > self.room { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_written_behind_a_line_that_did_not_fit() {
        let mut text = String::new();
        let mut journal = LineJournal::over(Full { text: &mut text, room: 200 }, true).unwrap();
        journal.intend(&intent(1)).unwrap();
        journal.medium.room = 20;
        journal.intend(&intent(2)).unwrap_err();
        journal.medium.room = 200;
        journal.intend(&intent(3)).unwrap();
        drop(journal);
        let journal = LineJournal::over(Full { text: &mut text, room: 200 }, true).unwrap();
        assert_eq!(journal.open(), [intent(1), intent(3)]);
    }

    #[test]
    fn a_damaged_line_is_named_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let text = "{\"settle\":1}\nnonsense\n{\"settle\":2}\n";
        std::fs::write(&path, text).unwrap();
        let error = FileJournal::open(&path, false).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
}
