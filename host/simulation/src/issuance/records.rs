//! Files that lines are appended to, each on the disk before anything goes on: the results of a
//! personalisation line, and the PINs for letters to holders.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use apdu_spec::element::Pin;
use rand_core::Rng;
use zeroize::Zeroizing;

use crate::Error;

/// Digits of a random PIN.
const DIGITS: usize = 4;

/// A file that grows by whole lines; its owner's alone.
#[derive(Debug)]
pub struct Appended {
    path: PathBuf,
    file: File,
    before: Zeroizing<String>,
}

impl Appended {
    /// Opens the file, or makes it. A last line that is torn is taken away.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(Error::file(path))?;
        let mut before = Zeroizing::new(String::new());
        file.read_to_string(&mut before).map_err(Error::file(path))?;
        let whole = before.rfind('\n').map_or(0, |end| end + 1);
        if whole < before.len() {
            file.set_len(whole as u64).map_err(Error::file(path))?;
            before.truncate(whole);
        }
        file.seek(SeekFrom::End(0)).map_err(Error::file(path))?;
        Ok(Self { path: path.into(), file, before })
    }

    /// The same with this head. A file that begins otherwise is something else, and left alone.
    pub fn with_head(path: &Path, head: &str) -> Result<Self, Error> {
        let mut appended = Self::open(path)?;
        match appended.before.lines().next() {
            None => appended.append(head)?,
            Some(first) if first == head => {}
            Some(_) => {
                let reason = format!("this is another file, and is not written to: its head is not {head:?}");
                return Err(Error::File { path: path.into(), reason });
            }
        }
        Ok(appended)
    }

    /// What was in it when it was opened.
    #[must_use]
    pub fn before(&self) -> &str {
        &self.before
    }

    /// Appends a line; it is on the disk when this returns.
    pub fn append(&mut self, line: &str) -> Result<(), Error> {
        let line = Zeroizing::new(format!("{line}\n"));
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(Error::file(&self.path))
    }
}

/// Random PINs for letters to holders: `purse,id,pin`. A PIN is here before a card has it, and
/// stays the same over interruptions.
#[derive(Debug)]
pub struct Letters {
    file: Appended,
    known: BTreeMap<u64, Zeroizing<String>>,
}

impl Letters {
    const HEAD: &str = "purse,id,pin";

    /// Opens the file, or makes it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = Appended::with_head(path, Self::HEAD)?;
        let refuse =
            |line| Error::File { path: path.into(), reason: format!("line {line} is no purse,id,pin") };
        let mut known = BTreeMap::new();
        for (index, line) in file.before().lines().enumerate().skip(1) {
            let mut fields = line.split(',');
            let purse = fields.next().and_then(|purse| purse.parse().ok());
            let pin = fields.nth(1).filter(|digits| Pin::new(digits).is_ok());
            let (purse, pin) = purse.zip(pin).ok_or_else(|| refuse(index + 1))?;
            known.insert(purse, Zeroizing::new(pin.to_owned()));
        }
        Ok(Self { file, known })
    }

    /// The PIN of a purse, drawn where there is none yet.
    pub fn pin(&mut self, purse: u64, id: &str, random: &mut dyn Rng) -> Result<Pin, Error> {
        if !self.known.contains_key(&purse) {
            let digits = draw(random);
            let line = Zeroizing::new(format!("{purse},{id},{}", *digits));
            self.file.append(&line)?;
            self.known.insert(purse, digits);
        }
        let pin = self.known.get(&purse).and_then(|digits| Pin::new(digits).ok());
        pin.ok_or_else(|| Error::Order(format!("purse {purse} has no PIN")))
    }
}

/// A PIN of which each is as likely as the other.
fn draw(random: &mut dyn Rng) -> Zeroizing<String> {
    let mut digits = Zeroizing::new(String::with_capacity(DIGITS));
    while digits.len() < DIGITS {
        let mut byte = [0];
        random.fill_bytes(&mut byte);
        // 250 is a multiple of 10.
        if byte[0] < 250 {
            digits.push(char::from(b'0' + byte[0] % 10));
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng;

    use super::*;

    #[test]
    fn a_torn_line_is_taken_away_and_another_file_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("results.csv");
        std::fs::write(&path, "a,b\n1,2\n3,").unwrap();
        Appended::with_head(&path, "a,b").unwrap().append("3,4").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,b\n1,2\n3,4\n");
        let error = Appended::with_head(&path, "c").unwrap_err().to_string();
        assert!(error.contains("another file"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,b\n1,2\n3,4\n");
    }

    #[test]
    fn a_pin_stays_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pins.csv");
        let mut random = ChaCha12Rng::seed_from_u64(1);
        let pin = |random: &mut ChaCha12Rng| Letters::open(&path).unwrap().pin(7, "1-7", random).unwrap();
        let first = pin(&mut random);
        assert!(first == pin(&mut random));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!((0..50).map(|_| draw(&mut random)).all(|pin| Pin::new(&pin).is_ok()));
    }
}
