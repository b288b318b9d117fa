//! A scheme that lives in a directory, and what people do in it.
//!
//! ```text
//! purse.lock          locked while a process works here
//! scheme.json         who takes part
//! vault.json          master keys (mode 0600)
//! background.db       the background system
//! cards/purse-N.card  purses      sams/N.card  PSAMs      transfer/N.card  transfer card
//! terminals/N/        journal and outbox of a terminal
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use apdu_spec::aid::Aid;
use apdu_spec::element::{Algorithm, Amount, Balance, Date, IepId, PurseNumber, Time};
use apdu_spec::management::DataBlock;
use background::{Background, PurseOrder, SamOrder, TransferOrder, Vault};
use card_os::applets::AppletKind;
use host::reader::image::Randomness;
use host::reader::virtual_reader::VirtualReader;
use host::terminal::PaymentTerminal;
use host::terminal::journal::FileJournal;
use host::terminal::load::{Funding, LoadTerminal, Transferred};
use host::terminal::personalise::personalise;
use host::terminal::purchase::{Payment, Receipt};
use network::Direct;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::Error;
use crate::authority::LinkAuthority;
use crate::scheme::{Connection, Scheme};

/// Key group of all PSAMs of a world.
const GROUP: u8 = 1;
/// Key version that a new world begins with.
const VERSION: u8 = 1;
/// File that is locked while a process works in the directory; the first one made, so
/// that it marks the directory as ours.
pub const LOCK: &str = "purse.lock";
/// Cards and PSAMs are issued for five years.
const LIFE_DAYS: u16 = 5 * 365;

/// Limits of a purse, minor units.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Greatest balance.
    pub maximum: u32,
    /// How far below zero a purchase may take it.
    pub overdraft: u32,
    /// Greatest amount of one purchase.
    pub purchase: u32,
}

/// A world that is open in this process.
#[derive(Debug)]
pub struct World {
    directory: PathBuf,
    pub(crate) scheme: Scheme,
    pub(crate) background: Background,
    random: ChaCha12Rng,
    durable: bool,
    purses: BTreeMap<u64, VirtualReader>,
    pub(crate) terminals: BTreeMap<u32, PaymentTerminal>,
    pub(crate) transfer: Option<VirtualReader>,
    _lock: File,
}

impl World {
    /// Makes a world in an empty or missing directory: keys, participants, PSAMs and a
    /// transfer card, all personalised.
    pub fn create(
        directory: &Path,
        scheme: Scheme,
        algorithm: Algorithm,
        mut random: ChaCha12Rng,
        now: Time,
    ) -> Result<Self, Error> {
        let empty = match std::fs::read_dir(directory) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => return Err(Error::file(directory)(error)),
        };
        if !empty {
            return Err(Error::NotEmpty(directory.into()));
        }
        std::fs::create_dir_all(directory).map_err(Error::file(directory))?;
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
            terminals: BTreeMap::new(),
            transfer: None,
            _lock: lock,
        }
    }

    /// Who takes part, and the cards of terminals and couriers.
    fn register(&mut self, now: Time) -> Result<(), Error> {
        let Scheme { load_terminal, transfer_card, .. } = self.scheme;
        let (provider, acquirer) = (self.scheme.provider(), self.scheme.acquirer());
        self.background.register_issuer(provider, "Demonstration Bank")?;
        self.background.register_acquirer(acquirer, "Demonstration Acquirer")?;
        let load_terminal = self.scheme.module(load_terminal);
        self.background.register_load_terminal(load_terminal, "load terminal", now)?;
        for terminal in self.scheme.terminals.clone() {
            self.issue_sam(&terminal.name, terminal.sam, now)?;
        }
        let card = self.scheme.module(transfer_card);
        let order = TransferOrder { card, name: "transfer card".into(), version: VERSION };
        let blocks = self.background.issue_transfer(&order, now)?;
        let path = self.transfer_path();
        self.make_card(&path, AppletKind::Transfer, Aid::TRANSFER, &blocks)
    }

    fn issue_sam(&mut self, name: &str, number: u32, now: Time) -> Result<(), Error> {
        let merchant = self.background.register_merchant(name, self.scheme.acquirer())?;
        let order = SamOrder {
            sam: self.scheme.module(number),
            name: name.into(),
            merchant,
            expiry: expiry(now),
            currency: self.scheme.currency(),
            purchase_limit: Amount::MAX,
            group: GROUP,
            versions: vec![VERSION],
            providers: vec![self.scheme.provider()],
        };
        let blocks = self.background.issue_sam(&order, &mut self.random, now)?;
        let home = self.terminal_home(number);
        std::fs::create_dir_all(&home).map_err(Error::file(&home))?;
        self.make_card(&self.sam_path(number), AppletKind::Sam, Aid::PSAM, &blocks)
    }

    /// A card from blank to personalised. It gets its name last: who is interrupted leaves
    /// no half card behind.
    fn make_card(
        &mut self,
        path: &Path,
        kind: AppletKind,
        aid: &[u8],
        blocks: &[DataBlock],
    ) -> Result<(), Error> {
        let randomness = self.randomness();
        let blank = path.with_extension("blank");
        match std::fs::remove_file(&blank) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(&blank)(error))?,
            _ => {}
        }
        let mut reader = VirtualReader::create(&blank, kind, randomness)?;
        personalise(&mut reader, aid, blocks)?;
        drop(reader);
        std::fs::rename(&blank, path).map_err(Error::file(path))
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
        (1..=self.scheme.purses).filter(|number| self.purse_path(*number).exists()).collect()
    }

    /// The identity of a purse.
    pub fn iep(&self, number: u64) -> Result<IepId, Error> {
        let number = PurseNumber::new(number).ok_or(Error::NoPurse(number))?;
        Ok(IepId { provider: self.scheme.provider(), number })
    }

    /// Issues the next purse: registered, personalised, ready. Its number.
    pub fn issue_purse(&mut self, limits: Limits, now: Time) -> Result<u64, Error> {
        let too_large = || Error::Order("a limit is above 2,147,483,647 minor units".into());
        let amount = |minor| Amount::new(minor).ok_or_else(too_large);
        let number = self.scheme.purses + 1;
        let order = PurseOrder {
            iep: self.iep(number)?,
            currency: self.scheme.currency(),
            expiry: expiry(now),
            maximum: Balance(amount(limits.maximum)?.signed()),
            overdraft: amount(limits.overdraft)?,
            purchase_limit: amount(limits.purchase)?,
            groups: vec![GROUP],
            versions: vec![VERSION],
        };
        // The number is used up first: a crash leaves a gap, never two cards of one number.
        self.scheme.purses = number;
        self.scheme.write(&self.directory.join("scheme.json"))?;
        let blocks = self.background.issue_purse(&order, now)?;
        self.make_card(&self.purse_path(number), AppletKind::Purse, Aid::PURSE, &blocks)?;
        Ok(number)
    }

    /// The purse of this number, in a reader.
    pub fn purse(&mut self, number: u64) -> Result<&mut VirtualReader, Error> {
        if !self.purses.contains_key(&number) {
            let path = self.purse_path(number);
            if !path.exists() {
                return Err(Error::NoPurse(number));
            }
            let reader = VirtualReader::open(&path, self.randomness(), self.durable)?;
            self.purses.insert(number, reader);
        }
        self.purses.get_mut(&number).ok_or(Error::NoPurse(number))
    }

    /// Starts the payment terminal of this name, where it does not run yet.
    pub(crate) fn start_terminal(&mut self, name: &str) -> Result<u32, Error> {
        let number = self.scheme.terminal(name)?.sam;
        if !self.terminals.contains_key(&number) {
            let reader = VirtualReader::open(&self.sam_path(number), self.randomness(), self.durable)?;
            let journal = FileJournal::open(&self.terminal_home(number).join("journal"), self.durable)?;
            let terminal = PaymentTerminal::start(Box::new(reader), Box::new(journal))?;
            self.terminals.insert(number, terminal);
        }
        Ok(number)
    }

    /// A purse and a running terminal, both in hand.
    fn tap(&mut self, number: u64, name: &str) -> Result<(&mut VirtualReader, &mut PaymentTerminal), Error> {
        let sam = self.start_terminal(name)?;
        self.purse(number)?;
        let purse = self.purses.get_mut(&number).ok_or(Error::NoPurse(number))?;
        let names = || Error::NoTerminal(name.into(), String::new());
        Ok((purse, self.terminals.get_mut(&sam).ok_or_else(names)?))
    }

    /// The purse pays at the terminal.
    pub fn pay(&mut self, number: u64, terminal: &str, amount: Amount, now: Time) -> Result<Receipt, Error> {
        let (purse, terminal) = self.tap(number, terminal)?;
        match terminal.pay(purse, amount, now)? {
            Payment::Paid(receipt) => Ok(receipt),
            Payment::Refused(status) => Err(Error::NotPaid(status)),
            Payment::InDoubt(intent) => Err(Error::InDoubt(intent.iep)),
        }
    }

    /// The purse shows itself at the terminal and pays nothing.
    pub fn contact(&mut self, number: u64, terminal: &str, now: Time) -> Result<(), Error> {
        let (purse, terminal) = self.tap(number, terminal)?;
        Ok(terminal.contact(purse, now).map(drop)?)
    }

    /// The payment `receipt` is cancelled at its terminal.
    pub fn cancel(&mut self, number: u64, terminal: &str, receipt: &Receipt) -> Result<(), Error> {
        let (purse, terminal) = self.tap(number, terminal)?;
        Ok(terminal.cancel(purse, receipt.nt_psam)?)
    }

    /// The purse is loaded at the load terminal, over the line.
    pub fn load(
        &mut self,
        number: u64,
        amount: Amount,
        funding: Funding,
        now: Time,
    ) -> Result<Transferred, Error> {
        self.at_load_terminal(number, now, |terminal, purse| terminal.load(purse, amount, funding, now))
    }

    /// The purse is unloaded at the load terminal, over the line.
    pub fn unload(
        &mut self,
        number: u64,
        amount: Amount,
        funding: Funding,
        now: Time,
    ) -> Result<Transferred, Error> {
        self.at_load_terminal(number, now, |terminal, purse| terminal.unload(purse, amount, funding, now))
    }

    fn at_load_terminal<T>(
        &mut self,
        number: u64,
        now: Time,
        action: impl FnOnce(&mut LoadTerminal<'_>, &mut VirtualReader) -> Result<T, host::Error>,
    ) -> Result<T, Error> {
        self.purse(number)?;
        let id = self.scheme.module(self.scheme.load_terminal);
        let Self { background, random, purses, .. } = self;
        let purse = purses.get_mut(&number).ok_or(Error::NoPurse(number))?;
        let mut authority = LinkAuthority(Direct(background.at(now)));
        Ok(action(&mut LoadTerminal::new(id, &mut authority, random), purse)?)
    }

    /// The transfer card, in a reader.
    pub(crate) fn start_transfer(&mut self) -> Result<(), Error> {
        if self.transfer.is_none() {
            let path = self.transfer_path();
            self.transfer = Some(VirtualReader::open(&path, self.randomness(), self.durable)?);
        }
        Ok(())
    }

    /// Names of the terminals with this connection.
    pub(crate) fn names(&self, connection: Connection) -> Vec<String> {
        let terminals = self.scheme.terminals.iter();
        terminals.filter(|terminal| terminal.connection == connection).map(|t| t.name.clone()).collect()
    }
}

/// Last day of what is issued now.
fn expiry(now: Time) -> Date {
    Date(now.date().0.saturating_add(LIFE_DAYS))
}

fn lock(directory: &Path) -> Result<File, Error> {
    let path = directory.join(LOCK);
    let file = File::create(&path).map_err(Error::file(&path))?;
    file.try_lock().map_err(|_| Error::Busy(directory.into()))?;
    Ok(file)
}
