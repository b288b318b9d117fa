//! A scheme that lives in a directory, and what people do in it.
//!
//! ```text
//! purse.lock          locked while a process works here
//! scheme.json         who takes part, and whether it is a demonstration
//! vault.json          master keys, under a passphrase
//! background.db       the background system
//! background.head     head of its books, unless it is kept elsewhere
//! cards/purse-N.card  purses      sams/N.card  PSAMs      transfer/N.card  transfer card
//! terminals/N/        journal and outbox of a terminal, key of the load terminal (mode 0600)
//! orders/             what personalisation lines remember of their orders
//! ```
//!
//! The directory is its owner's alone, and so is each file that has a key or money in it. Card images are
//! sealed under a key that the vault has. A demonstration has vault and images in clear: its keys are
//! no secret, and what it issues is worth nothing.

mod books;
mod found;
mod issue;
mod load_terminal;
mod manage;
mod private;
mod tap;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use apdu_spec::element::{IepId, PurseNumber};
use background::{Background, VaultFile};
use host::card::purse::PurseCard;
use host::reader::Reader;
use host::reader::image::{ImageKey, Randomness};
use host::reader::virtual_reader::VirtualReader;
use host::terminal::PaymentTerminal;
use host::terminal::downloads::identity;
use host::terminal::journal::FileJournal;
use host::trace::{CardKind, CardLabel, SharedObserver, Watched};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::Error;
use crate::scheme::{Connection, Scheme};
pub use books::Books;
pub use found::{Ask, Founding};
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
    vault_file: VaultFile,
    /// What the images are sealed under.
    image_key: Option<ImageKey>,
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
    fn with(
        directory: &Path,
        scheme: Scheme,
        (background, vault_file): (Background, VaultFile),
        random: ChaCha12Rng,
        lock: File,
    ) -> Self {
        let image_key = background.vault().image_key().map(|key| ImageKey::new(&key));
        Self {
            directory: directory.into(),
            scheme,
            background,
            vault_file,
            image_key,
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

    /// Whether its keys are no secret.
    #[must_use]
    pub const fn is_demo(&self) -> bool {
        self.scheme.demo
    }

    /// What its card images are sealed under; none in a demonstration.
    #[must_use]
    pub const fn image_key(&self) -> Option<&ImageKey> {
        self.image_key.as_ref()
    }

    /// The card in one of its images.
    fn image(&mut self, path: &Path) -> Result<VirtualReader, Error> {
        let random = self.randomness();
        Ok(VirtualReader::open_with(path, self.image_key.as_ref(), random, self.durable)?)
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
            let reader = self.image(&path)?;
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
            let reader = self.image(&self.sam_path(number))?;
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

    /// What the transfer card is called in messages.
    pub(crate) fn transfer_name(&self) -> String {
        format!("transfer card {}", self.scheme.transfer_card)
    }

    /// The transfer card, in a reader.
    pub(crate) fn start_transfer(&mut self) -> Result<(), Error> {
        if self.transfer.is_none() {
            let path = self.transfer_path();
            let reader = self.image(&path)?;
            let number = self.scheme.transfer_card.into();
            let mut reader = self.watched(CardKind::Transfer, number, reader);
            identity(&mut reader)?;
            self.transfer = Some(reader);
        }
        Ok(())
    }

    /// Names of the terminals with this connection.
    pub(crate) fn names(&self, connection: Connection) -> Vec<String> {
        let terminals = self.scheme.terminals.iter();
        terminals.filter(|terminal| terminal.connection == connection).map(|t| t.name.clone()).collect()
    }
}
