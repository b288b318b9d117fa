//! What people do with a purse at the load terminal: load, unload, find out what became of it.
//!
//! The terminal's home has its key (`key`, mode 0600: the layout `KeyData` in hexadecimal) and its
//! journal.

use std::path::PathBuf;

use apdu_spec::Element as _;
use apdu_spec::crypto::online::OnlineKey;
use apdu_spec::element::{Amount, Pin, Time};
use apdu_spec::personalisation::KeyData;
use background::store::load_terminals::Permissions;
use host::reader::Reader;
use host::terminal::load::{Funding, LoadTerminal, Transfer};
use host::terminal::transfer_journal::{FolderJournal, TransferIntent};
use network::Direct;
use network::disk::create_secret;
use zeroize::Zeroizing;

use super::{World, private};
use crate::Error;
use crate::authority::LinkAuthority;

impl World {
    /// The load terminal is registered, and its key brought to its home.
    pub(super) fn register_load_terminal(&mut self, now: Time) -> Result<(), Error> {
        let sam = self.scheme.module(self.scheme.load_terminal);
        let permissions =
            Permissions { operator: Some(self.scheme.operator_limit()), ..Permissions::HOLDERS };
        let data = self.background.register_load_terminal(sam, "load terminal", &permissions, now)?;
        let home = self.terminal_home(self.scheme.load_terminal);
        private::directory(&home)?;
        let mut bytes = Zeroizing::new([0; KeyData::MAX]);
        let bytes = data.to_slice(bytes.as_mut()).unwrap_or_default();
        let path = self.load_terminal_key();
        create_secret(&path, Zeroizing::new(hex::encode(bytes)).as_bytes()).map_err(Error::file(path))
    }

    fn load_terminal_key(&self) -> PathBuf {
        self.terminal_home(self.scheme.load_terminal).join("key")
    }

    /// The key of the load terminal's line.
    fn online_key(&self) -> Result<OnlineKey, Error> {
        let path = self.load_terminal_key();
        let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(Error::file(&path))?);
        let no_key =
            |_| Error::File { path: path.clone(), reason: "this is no key of a load terminal".into() };
        let mut bytes = Zeroizing::new([0; KeyData::MAX]);
        hex::decode_to_slice(text.trim(), bytes.as_mut()).map_err(|_| no_key(apdu_spec::Malformed))?;
        let data = KeyData::from_bytes(bytes.as_ref()).map_err(no_key)?;
        let terminal = self.scheme.module(self.scheme.load_terminal);
        Ok(OnlineKey::new(data.key, data.reference, terminal))
    }

    /// The purse is loaded, over the line.
    pub fn load(
        &mut self,
        number: u64,
        amount: Amount,
        funding: Funding,
        now: Time,
    ) -> Result<TransferIntent, Error> {
        self.load_with_pin(number, amount, funding, None, now)
    }

    /// The same, with the PIN that the holder has typed.
    pub fn load_with_pin(
        &mut self,
        number: u64,
        amount: Amount,
        funding: Funding,
        pin: Option<&Pin>,
        now: Time,
    ) -> Result<TransferIntent, Error> {
        let end = self
            .at_load_terminal(number, now, pin, |terminal, purse| terminal.load(purse, amount, funding, now));
        done(end?)
    }

    /// The purse is unloaded, over the line.
    pub fn unload(
        &mut self,
        number: u64,
        amount: Amount,
        funding: Funding,
        now: Time,
    ) -> Result<TransferIntent, Error> {
        let end = self.at_load_terminal(number, now, None, |terminal, purse| {
            terminal.unload(purse, amount, funding, now)
        });
        done(end?)
    }

    /// Asks the purse what became of its loads and unloads that are in doubt.
    pub fn resolve(&mut self, number: u64, now: Time) -> Result<Vec<Transfer>, Error> {
        self.at_load_terminal(number, now, None, |terminal, purse| terminal.resolve(purse))
    }

    fn at_load_terminal<T>(
        &mut self,
        number: u64,
        now: Time,
        pin: Option<&Pin>,
        action: impl FnOnce(&mut LoadTerminal<'_>, &mut dyn Reader) -> Result<T, host::Error>,
    ) -> Result<T, Error> {
        self.purse(number)?;
        let (id, key) = (self.scheme.module(self.scheme.load_terminal), self.online_key()?);
        let home = self.terminal_home(self.scheme.load_terminal);
        let mut journal = FolderJournal::open(&home.join("journal"), self.durable)?;
        let Self { background, random, purses, .. } = self;
        let purse = purses.get_mut(&number).ok_or(Error::NoPurse(number))?;
        let mut authority = LinkAuthority::new(Direct(background.at(now)), &key);
        let mut terminal = LoadTerminal::new(id, &mut authority, &mut journal, random).with_pin(pin);
        action(&mut terminal, purse).map_err(|error| self.explained(number, error))
    }
}

fn done(end: Transfer) -> Result<TransferIntent, Error> {
    match end {
        Transfer::Done(intent) => Ok(intent),
        Transfer::Refused(intent, why) => Err(Error::NotTransferred(intent, why)),
        Transfer::InDoubt(intent, why) => Err(Error::TransferInDoubt(intent, why)),
    }
}
