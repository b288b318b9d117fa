//! A scheme that lives in a directory, and what people do in it.
//!
//! ```text
//! purse.lock          locked while a process works here
//! scheme.json         who takes part
//! vault.json          master keys (mode 0600)
//! background.db       the background system
//! cards/purse-N.card  purses      sams/N.card  PSAMs      transfer/N.card  transfer card
//! terminals/N/        journal and outbox of a terminal, key of the load terminal (mode 0600)
//! orders/             what personalisation lines remember of their orders
//! ```

mod issue;
mod load_terminal;
mod manage;
mod tap;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use apdu_spec::element::{Algorithm, IepId, PurseNumber, Time};
use background::{Background, Vault};
use host::card::purse::PurseCard;
use host::reader::Reader;
use host::reader::image::Randomness;
use host::reader::virtual_reader::VirtualReader;
use host::terminal::PaymentTerminal;
use host::terminal::journal::FileJournal;
use host::trace::{CardKind, CardLabel, SharedObserver, Watched};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::Error;
use crate::scheme::{Connection, Scheme};
pub use issue::Limits;
pub(crate) use issue::name_card;
pub use manage::Which;

/// Key group of all PSAMs of a world.
pub(crate) const GROUP: u8 = 1;
/// Key version that a new world begins with.
const VERSION: u8 = 1;
/// File that is locked while a process works in the directory; the first one made, so
/// that it marks the directory as ours.
pub const LOCK: &str = "purse.lock";

/// A reader of any kind, with a card in it.
pub type AnyReader = Box<dyn Reader + Send>;

/// A world that is open in this process.
pub struct World {
    directory: PathBuf,
    pub(crate) scheme: Scheme,
    pub(crate) background: Background,
    random: ChaCha12Rng,
    durable: bool,
    purses: BTreeMap<u64, AnyReader>,
    /// The purse that is in a reader, where one was presented.
    presented: Option<u64>,
    pub(crate) terminals: BTreeMap<u32, PaymentTerminal>,
    pub(crate) transfer: Option<AnyReader>,
    observer: Option<SharedObserver>,
    _lock: File,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World in {}", self.directory.display())
    }
}

impl World {
    /// Makes a world in an empty or missing directory: keys, participants, PSAMs and a
    /// transfer card, all personalised.
    pub fn create(
        directory: &Path,
        scheme: Scheme,
        algorithm: Algorithm,
        random: ChaCha12Rng,
        now: Time,
    ) -> Result<Self, Error> {
        Self::create_watched(directory, scheme, algorithm, random, now, None)
    }

    /// The same, with an observer that is told what passes between readers and cards from
    /// the first personalisation on.
    pub fn create_watched(
        directory: &Path,
        scheme: Scheme,
        algorithm: Algorithm,
        mut random: ChaCha12Rng,
        now: Time,
        observer: Option<SharedObserver>,
    ) -> Result<Self, Error> {
        let empty = match std::fs::read_dir(directory) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(Error::file(directory)(error)),
        };
        if !empty {
            return Err(Error::NotEmpty(directory.into()));
        }
        // Images and books are nobody else's to read.
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(directory).map_err(Error::file(directory))?;
        let lock = lock(directory)?;
        for folder in ["cards", "sams", "transfer", "terminals"] {
            let path = directory.join(folder);
            std::fs::create_dir_all(&path).map_err(Error::file(&path))?;
        }
        let mut vault = Vault::new();
        vault.add_version(VERSION, algorithm, &[GROUP], &mut random)?;
        vault.save(&directory.join("vault.json"))?;
        let background = Background::create(&directory.join("background.db"), vault)?;
        let mut world = Self::with(directory, scheme, background, random, lock);
        world.observer = observer;
        world.register(now)?;
        // The scheme comes last: a directory without it is no world.
        world.scheme.write(&directory.join("scheme.json"))?;
        Ok(world)
    }

    /// Opens a world. Commits of its cards wait for the disk.
    pub fn open(directory: &Path, random: ChaCha12Rng) -> Result<Self, Error> {
        let path = directory.join("scheme.json");
        if !path.exists() {
            return Err(Error::NoWorld(directory.into()));
        }
        let lock = lock(directory)?;
        let scheme = Scheme::read(&path)?;
        let vault = Vault::load(&directory.join("vault.json"))?;
        let background = Background::open(&directory.join("background.db"), vault)?;
        let mut world = Self::with(directory, scheme, background, random, lock);
        world.durable = true;
        Ok(world)
    }

    fn with(
        directory: &Path,
        scheme: Scheme,
        background: Background,
        random: ChaCha12Rng,
        lock: File,
    ) -> Self {
        Self {
            directory: directory.into(),
            scheme,
            background,
            random,
            durable: false,
            purses: BTreeMap::new(),
            presented: None,
            terminals: BTreeMap::new(),
            transfer: None,
            observer: None,
            _lock: lock,
        }
    }

    /// Tells `observer` from now on what passes between readers and cards that are opened.
    pub fn observe(&mut self, observer: Option<SharedObserver>) {
        self.observer = observer;
    }

    /// A reader that the observer watches. Every reader of a world goes through here.
    pub(crate) fn watched(
        &self,
        kind: CardKind,
        number: u64,
        reader: impl Reader + Send + 'static,
    ) -> AnyReader {
        Box::new(Watched::new(reader, CardLabel { kind, number }, self.observer.clone()))
    }

    /// A generator of its own for a card.
    fn randomness(&mut self) -> Randomness {
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        Box::new(ChaCha12Rng::from_seed(seed))
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// The background system.
    pub const fn background(&mut self) -> &mut Background {
        &mut self.background
    }

    /// The generator of this world.
    pub const fn random(&mut self) -> &mut ChaCha12Rng {
        &mut self.random
    }

    fn sam_path(&self, number: u32) -> PathBuf {
        self.directory.join(format!("sams/{number}.card"))
    }

    pub(crate) fn transfer_path(&self) -> PathBuf {
        self.directory.join(format!("transfer/{}.card", self.scheme.transfer_card))
    }

    pub(crate) fn terminal_home(&self, number: u32) -> PathBuf {
        self.directory.join(format!("terminals/{number}"))
    }

    /// Where the image of a purse is.
    #[must_use]
    pub fn purse_path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("cards/purse-{number}.card"))
    }

    /// Numbers of the purses that have a card here.
    #[must_use]
    pub fn purse_numbers(&self) -> Vec<u64> {
        let number = |entry: std::io::Result<std::fs::DirEntry>| {
            let name = entry.ok()?.file_name();
            name.to_str()?.strip_prefix("purse-")?.strip_suffix(".card")?.parse().ok()
        };
        let entries = std::fs::read_dir(self.directory.join("cards"));
        let mut numbers: Vec<u64> = entries.into_iter().flatten().filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The identity of a purse.
    pub fn iep(&self, number: u64) -> Result<IepId, Error> {
        let number = PurseNumber::new(number).ok_or(Error::NoPurse(number))?;
        Ok(IepId { provider: self.scheme.provider(), number })
    }

    /// The purse of this number, in a reader.
    pub fn purse(&mut self, number: u64) -> Result<&mut AnyReader, Error> {
        if let Some(found) = self.presented.filter(|found| *found != number) {
            let (found, wanted) = (self.iep(found)?, self.iep(number)?);
            return Err(host::Error::OtherPurse { found, wanted }.into());
        }
        if !self.purses.contains_key(&number) {
            let path = self.purse_path(number);
            if !path.exists() {
                return Err(Error::NoPurse(number));
            }
            let reader = VirtualReader::open(&path, self.randomness(), self.durable)?;
            self.purses.insert(number, self.watched(CardKind::Purse, number, reader));
        }
        self.purses.get_mut(&number).ok_or(Error::NoPurse(number))
    }

    /// The purse in this reader is the only one that there is from now on, in place of the
    /// images in the directory. Its number.
    pub fn present(&mut self, mut reader: AnyReader) -> Result<u64, Error> {
        let mut asked = Watched::new(&mut reader, CardLabel::UNKNOWN, self.observer.clone());
        let found = PurseCard::select(&mut asked)?.information()?.identity.iep;
        if found.provider != self.scheme.provider() {
            return Err(Error::ForeignPurse(found));
        }
        let number = found.number.get();
        self.purses.insert(number, self.watched(CardKind::Purse, number, reader));
        self.presented = Some(number);
        Ok(number)
    }

    /// Starts the payment terminal of this name, where it does not run yet.
    pub(crate) fn start_terminal(&mut self, name: &str) -> Result<u32, Error> {
        let number = self.scheme.terminal(name)?.sam;
        if !self.terminals.contains_key(&number) {
            let reader = VirtualReader::open(&self.sam_path(number), self.randomness(), self.durable)?;
            let journal = FileJournal::open(&self.terminal_home(number).join("journal"), self.durable)?;
            let reader = self.watched(CardKind::Sam, number.into(), reader);
            let started = PaymentTerminal::start(reader, Box::new(journal));
            let terminal = started.map_err(|error| match error.status() {
                Some(_) => Error::Module(name.into(), error),
                None => error.into(),
            })?;
            self.terminals.insert(number, terminal);
        }
        Ok(number)
    }

    /// The transfer card, in a reader.
    pub(crate) fn start_transfer(&mut self) -> Result<(), Error> {
        if self.transfer.is_none() {
            let path = self.transfer_path();
            let reader = VirtualReader::open(&path, self.randomness(), self.durable)?;
            let number = self.scheme.transfer_card.into();
            self.transfer = Some(self.watched(CardKind::Transfer, number, reader));
        }
        Ok(())
    }

    /// Names of the terminals with this connection.
    pub(crate) fn names(&self, connection: Connection) -> Vec<String> {
        let terminals = self.scheme.terminals.iter();
        terminals.filter(|terminal| terminal.connection == connection).map(|t| t.name.clone()).collect()
    }
}

fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK);
    let file = File::create(&path).map_err(Error::file(&path))?;
    file.try_lock().map_err(|_| Error::Busy(directory.into()))?;
    Ok(file)
}
