//! The head of the chain, and the file that keeps it outside of the database.
//!
//! A head is the number and link of the last entry, under a MAC of the vault. The file has two
//! places of 512 bytes, so that none shares a sector with the other; heads of odd and even
//! numbers take turns, and the higher one counts. So a write that is torn leaves the head
//! before. A place is text: `number link MAC`, 20 decimal and 64 and 32 hexadecimal digits,
//! spaces, a line feed.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::vault::books::{BooksKey, Link, same};

const PLACE: usize = 512;

/// Where the chain ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the last entry.
    pub number: i64,
    /// Its link: it stands for every entry up to it.
    pub link: [u8; 32],
}

/// Enough of it for paper: its number and the first eight bytes of the link.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, hex::encode_upper(&self.link[..8]))
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({self})")
    }
}

impl Head {
    /// Before the first entry.
    pub(crate) const NONE: Self = Self { number: 0, link: [0; 32] };

    fn to_place(self, key: &BooksKey) -> [u8; PLACE] {
        let Self { number, link } = self;
        let mac = hex::encode(key.head(number, &link));
        let mut place = [b' '; PLACE];
        let text = format!("{number:020} {} {mac}", hex::encode(link));
        place[..text.len()].copy_from_slice(text.as_bytes());
        place[PLACE - 1] = b'\n';
        place
    }

    /// The highest head in these places whose MAC is good.
    pub(super) fn among(places: &[u8], key: &BooksKey) -> Option<Self> {
        let heads = places.chunks(PLACE).filter_map(|place| Self::from_place(place, key));
        heads.max_by_key(|head| head.number)
    }

    /// The head in a place, where its MAC is good.
    fn from_place(place: &[u8], key: &BooksKey) -> Option<Self> {
        let mut words = core::str::from_utf8(place).ok()?.split_ascii_whitespace();
        let number = words.next()?.parse().ok()?;
        let mut link: Link = [0; 32];
        hex::decode_to_slice(words.next()?, &mut link).ok()?;
        let mut mac = [0; 16];
        hex::decode_to_slice(words.next()?, &mut mac).ok()?;
        same(&key.head(number, &link), &mac).then_some(Self { number, link })
    }
}

/// The file of the head.
#[derive(Debug)]
pub(crate) struct HeadFile {
    path: PathBuf,
    file: File,
}

impl HeadFile {
    /// The file where nothing else is said: beside the database, with the ending `head`.
    pub(crate) fn beside(database: &Path) -> PathBuf {
        database.with_extension("head")
    }

    /// Makes the file; what is there already is left alone.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Error::Exists(path.to_owned()),
            _ => Error::io(path)(error),
        })?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Opens the file.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Self::with(path, OpenOptions::new().read(true).write(true))
    }

    /// Opens the file, or a copy of it, to be read alone.
    pub(crate) fn open_to_read(path: &Path) -> Result<Self, Error> {
        Self::with(path, OpenOptions::new().read(true))
    }

    fn with(path: &Path, options: &OpenOptions) -> Result<Self, Error> {
        let file = options.open(path);
        let file = file.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::HeadMissing(path.to_owned()),
            _ => Error::io(path)(error),
        })?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The highest head in it whose MAC is good.
    pub(crate) fn read(&self, key: &BooksKey) -> Result<Option<Head>, Error> {
        let mut bytes = Vec::new();
        let mut read = || {
            let mut file = &self.file;
            file.seek(SeekFrom::Start(0))?;
            file.take(2 * PLACE as u64).read_to_end(&mut bytes)
        };
        read().map_err(Error::io(&self.path))?;
        Ok(Head::among(&bytes, key))
    }

    /// Writes a head in the place of the older one. It has reached the operating system when
    /// this returns, and the disk after [`HeadFile::sync`].
    pub(crate) fn write(&self, head: Head, key: &BooksKey) -> Result<(), Error> {
        let write = || {
            let mut file = &self.file;
            file.seek(SeekFrom::Start(if head.number % 2 == 0 { 0 } else { PLACE as u64 }))?;
            file.write_all(&head.to_place(key))
        };
        write().map_err(self.failed())
    }

    /// Waits until the disk has what was written.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(self.failed())
    }

    /// Makes the file's name durable, once it has been made.
    pub(crate) fn sync_name(&self) -> Result<(), Error> {
        self.file.sync_all().map_err(self.failed())?;
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io(folder))
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> Error {
        let path = self.path.clone();
        |source| Error::Head { path, source }
    }
}

#[cfg(test)]
mod tests {
    use apdu_spec::element::Algorithm;
    use proptest::prelude::*;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::vault::Vault;

    fn key() -> BooksKey {
        let mut vault = Vault::new();
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
        vault.add_version(1, Algorithm::AesCmac, &[], &mut rng).expect("keys");
        vault.books_key().expect("a key")
    }

    #[test]
    fn heads_take_turns_and_a_torn_one_leaves_the_other() {
        let (folder, key) = (tempfile::tempdir().expect("a folder"), key());
        let path = folder.path().join("books.head");
        let file = HeadFile::create(&path).expect("made");
        assert_eq!(file.read(&key).expect("read"), None);
        for number in 1..6 {
            file.write(Head { number, link: [7; 32] }, &key).expect("written");
            assert_eq!(file.read(&key).expect("read").map(|head| head.number), Some(number));
        }
        let mut bytes = std::fs::read(&path).expect("read");
        bytes[PLACE + 40..2 * PLACE].fill(0);
        std::fs::write(&path, bytes).expect("torn");
        assert_eq!(file.read(&key).expect("read").map(|head| head.number), Some(4));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Head::from_place(&bytes, &key()), None);
        }
    }
}
