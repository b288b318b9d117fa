//! Card management: the cards of a world by themselves, and the keys that manage them.

use std::path::PathBuf;

use apdu_spec::StatusWord;
use apdu_spec::aid::Aid;
use apdu_spec::crypto::derivation::Holder;
use apdu_spec::element::{Algorithm, IepId, Pin};
use apdu_spec::sam::GetSamData;
use background::management::keys::floor;
use card_os::applets::AppletKind;
use host::card::domain::{
    Access, SecurityDomain, attempts, is_terminated, key_versions, refuse_blocked, select_domain,
};
use host::card::purse::PurseCard;
use host::card::secure::SecureReader;
use host::card::{execute, select};
use host::reader::Reader;
use host::trace::{CardKind, CardLabel, Watched};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use super::{AnyReader, GROUP, World};
use crate::Error;
use crate::issuance::job;

/// A card of a world.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Which {
    /// The purse of this number.
    Purse(u64),
    /// The PSAM of the terminal of this name.
    Sam(String),
    /// The transfer card.
    Transfer,
}

impl World {
    /// A card's image, in a reader of its own, and whose keys it has.
    pub fn card(&mut self, which: &Which) -> Result<(AnyReader, Holder), Error> {
        let holder = self.holder(which)?;
        let (path, kind, number) = match which {
            Which::Purse(number) => {
                let path = self.purse_path(*number);
                if !path.exists() {
                    return Err(Error::NoPurse(*number));
                }
                (path, CardKind::Purse, *number)
            }
            Which::Sam(name) => {
                let number = self.scheme.terminal(name)?.sam;
                (self.sam_path(number), CardKind::Sam, number.into())
            }
            Which::Transfer => {
                let number = self.scheme.transfer_card;
                (self.transfer_path(), CardKind::Transfer, number.into())
            }
        };
        let reader = self.image(&path)?;
        Ok((self.watched(kind, number, reader), holder))
    }

    /// The purse on a purse's card, selected; nothing where it was deleted.
    pub fn purse_card(&mut self, number: u64) -> Result<Option<PurseCard<'_>>, Error> {
        let selected = select(self.purse(number)?, Aid::PURSE);
        let missing = |error: &host::Error| error.status() == Some(StatusWord::APPLICATION_NOT_FOUND);
        if !selected.as_ref().is_err_and(missing) {
            return Ok(Some(PurseCard::after(selected, self.purse(number)?)?));
        }
        match select(self.purse(number)?, Aid::SECURITY_DOMAIN) {
            Err(error) if error.status() == Some(StatusWord::BLOCKED) => {
                let terminated = is_terminated(self.purse(number)?)?;
                Err(if terminated { Error::Terminated(number) } else { Error::Locked(number) })
            }
            other => Ok(other.map(|()| None)?),
        }
    }

    /// The same; nothing too where it was installed again, and is nobody's as yet.
    pub fn personalised_card(&mut self, number: u64) -> Result<Option<PurseCard<'_>>, Error> {
        let Some(mut card) = self.purse_card(number)? else { return Ok(None) };
        let told = card.information().map_err(|error| error.status());
        if told.is_err_and(|status| status == Some(StatusWord::CONDITIONS_NOT_SATISFIED)) {
            return Ok(None);
        }
        self.purse_card(number)
    }

    /// Why a purse refuses: it may not be there, or its card not serve.
    pub fn explained(&mut self, number: u64, error: host::Error) -> Error {
        let blocked = [StatusWord::BLOCKED, StatusWord::CARD_BLOCKED];
        if error.status().is_some_and(|status| blocked.contains(&status)) {
            return self.blocked_after(number).map_or(error, host::Error::CardBlocked).into();
        }
        let missing = [StatusWord::APPLICATION_NOT_FOUND, StatusWord::CONDITIONS_NOT_SATISFIED];
        if error.status().is_some_and(|status| missing.contains(&status)) {
            match self.personalised_card(number) {
                Ok(None) => return Error::Deleted(number),
                Err(why @ (Error::Locked(_) | Error::Terminated(_))) => return why,
                _ => {}
            }
        }
        error.into()
    }

    /// The wrong authentications that block the card of a purse; nothing where they do not.
    pub fn blocked_after(&mut self, number: u64) -> Option<u8> {
        let reader = self.purse(number).ok()?;
        select_domain(reader).ok()?;
        let told = attempts(reader).ok()?;
        told.filter(|attempts| attempts.block()).map(|attempts| attempts.wrong)
    }

    /// Whether the PSAM of a terminal is gone from its card, or new on it: either way there is
    /// nothing on it, since no PSAM is deleted before everything has been taken over from it.
    pub(crate) fn has_no_module(&mut self, terminal: &str) -> Result<bool, Error> {
        let (mut reader, _) = self.card(&Which::Sam(terminal.into()))?;
        let selected = select(&mut reader, Aid::PSAM).map_err(|error| error.status());
        match selected {
            Ok(()) => {
                let told = execute::<GetSamData>(&mut reader, &()).map_err(|error| error.status());
                Ok(told.is_err_and(|status| status == Some(StatusWord::CONDITIONS_NOT_SATISFIED)))
            }
            // Also where the whole card is locked.
            Err(Some(StatusWord::APPLICATION_NOT_FOUND)) => {
                Ok(select(&mut reader, Aid::SECURITY_DOMAIN).is_ok())
            }
            Err(_) => Ok(false),
        }
    }

    /// Blocks a purse, or takes it into use again.
    pub fn block(&mut self, number: u64, blocked: bool) -> Result<(), Error> {
        let name = name(AppletKind::Purse)?;
        self.managed(&Which::Purse(number), |reader, access, random| {
            SecurityDomain::open(reader, access, random)?.block(&name, blocked)
        })
    }

    /// Gives a purse another PIN with all its tries, in the issuer's channel.
    pub fn reset_pin(&mut self, number: u64, pin: &Pin) -> Result<(), Error> {
        self.managed(&Which::Purse(number), |reader, access, random| {
            if PurseCard::select(&mut *reader)?.is_blocked() {
                return Err(host::Error::Blocked);
            }
            let mut channel = SecureReader::open(reader, &access.keys, access.wish, random)?;
            PurseCard::selected(&mut channel).reset_pin(pin)
        })
    }

    /// Brings a purse or a PSAM the keys of a version, and the newest keys of card management.
    pub fn rekey(&mut self, which: &Which, version: u8) -> Result<(), Error> {
        let (kind, block) = match which {
            Which::Purse(number) => {
                let iep = self.iep(*number)?;
                (AppletKind::Purse, self.background.purse_generation(iep, &[GROUP], version)?)
            }
            Which::Sam(_) => (AppletKind::Sam, self.background.sam_generation(GROUP, version)?),
            Which::Transfer => {
                return Err(Error::Order("a transfer card keeps its keys for its life".into()));
            }
        };
        let newest = self.own_access(self.holder(which)?).into_iter().next();
        let name = name(kind)?;
        let brought = self.managed(which, |reader, access, random| {
            let mut domain = SecurityDomain::open(&mut *reader, access, random)?;
            domain.personalise(&name, &[block])?;
            if let Some(newest) = newest.filter(|newest| newest.wish != access.wish) {
                domain.put_keys(domain.key_version(), newest.wish.key_version, &newest.keys)?;
                SecurityDomain::open(reader, &newest, random)?;
            }
            Ok(())
        });
        brought.map_err(refusal)
    }

    /// Retires the keys of a purse or a PSAM up to a version.
    pub fn retire(&mut self, which: &Which, version: u8) -> Result<(), Error> {
        let kind = if matches!(which, Which::Sam(_)) { AppletKind::Sam } else { AppletKind::Purse };
        let name = name(kind)?;
        let above =
            version.checked_add(1).ok_or_else(|| Error::Order("there is no version above this".into()))?;
        let block = floor(above)?;
        let retired = self.managed(which, |reader, access, random| {
            SecurityDomain::open(reader, access, random)?.personalise(&name, &[block])
        });
        retired.map_err(refusal)
    }

    /// Does something with a card and its own keys of card management.
    fn managed<T>(
        &mut self,
        which: &Which,
        action: impl FnOnce(&mut dyn Reader, &Access, &mut dyn Rng) -> Result<T, host::Error>,
    ) -> Result<T, Error> {
        let holder = self.holder(which)?;
        // A terminal that runs would go on with what its PSAM was.
        if let Which::Sam(name) = which {
            self.terminals.remove(&self.scheme.terminal(name)?.sam);
        }
        let mut reader = match which {
            Which::Purse(number) => {
                self.purse(*number)?;
                self.purses.remove(number).ok_or(Error::NoPurse(*number))?
            }
            _ => self.card(which)?.0,
        };
        let done = select_domain(&mut reader).and_then(|()| {
            refuse_blocked(&mut reader)?;
            let versions = key_versions(&mut reader)?;
            let own = self.own_access(holder);
            let access = own.iter().find(|own| versions.contains(&own.wish.key_version));
            let missing = || {
                if own.is_empty() {
                    host::Error::NoManagementKeys
                } else {
                    host::Error::ForeignKeys(versions)
                }
            };
            let access = access.ok_or_else(missing)?;
            action(&mut reader, access, &mut self.random)
        });
        if let Which::Purse(number) = which {
            self.purses.insert(*number, reader);
        }
        Ok(done?)
    }

    fn holder(&self, which: &Which) -> Result<Holder, Error> {
        Ok(match which {
            Which::Purse(number) => self.iep(*number)?.into(),
            Which::Sam(name) => self.scheme.module(self.scheme.terminal(name)?.sam).into(),
            Which::Transfer => self.scheme.module(self.scheme.transfer_card).into(),
        })
    }

    /// A new version of every key. Its number.
    pub fn add_key_version(&mut self, algorithm: Algorithm) -> Result<u8, Error> {
        let Self { background, vault_file, random, .. } = self;
        let version = background.add_key_version(vault_file, algorithm, &[GROUP], random)?;
        if !self.is_demo() {
            // The generator still has the keys that it gave.
            self.random = ChaCha12Rng::from_rng(&mut self.random);
        }
        Ok(version)
    }

    /// A reader with a card of which nothing is known, under the observer's eyes.
    pub fn unknown(&self, reader: AnyReader) -> AnyReader {
        Box::new(Watched::new(reader, CardLabel::UNKNOWN, self.observer.clone()))
    }

    /// All that the own management keys of a card can be, newest first.
    #[must_use]
    pub fn own_access(&self, holder: Holder) -> Vec<Access> {
        let keys = self.background.all_channel_keys(holder);
        keys.into_iter().map(|(version, keys)| Access::with(keys, version)).collect()
    }

    /// Whose management keys the card in `reader` has: a purse of this scheme says so itself; of
    /// one that is being made a personalisation line knows it.
    pub fn holder_of(&self, reader: &mut dyn Reader) -> Result<Option<Holder>, Error> {
        let told = PurseCard::select(&mut *reader).and_then(|mut purse| purse.information());
        if let Ok(information) = told {
            let iep = information.identity.iep;
            return Ok(Some(Holder::from(iep)).filter(|_| iep.provider == self.scheme.provider()));
        }
        let card = job::card_name(reader)?;
        let (_, cards) = job::known(&self.jobs())?;
        let iep = |number: &u64| -> Result<IepId, Error> { self.iep(*number) };
        Ok(cards.get(&card).map(iep).transpose()?.map(Holder::from))
    }

    /// Where personalisation lines remember their orders.
    pub(crate) fn jobs(&self) -> PathBuf {
        self.directory.join("orders")
    }
}

fn name(kind: AppletKind) -> Result<Aid, Error> {
    Aid::new(kind.aid()).map_err(|_| Error::Order("an application has no name".into()))
}

/// Why a card refuses keys, or to retire some.
fn refusal(error: Error) -> Error {
    let status = if let Error::Card(error) = &error { error.status() } else { None };
    let why = match status {
        Some(StatusWord::REFERENCE_NOT_FOUND) => {
            "the card has no keys above this version; `rekey` brings them first"
        }
        Some(StatusWord::WRONG_DATA) => "the card has retired this version, or newer ones",
        Some(StatusWord::CONDITIONS_NOT_SATISFIED) => {
            "not now: a purse must not be blocked, and no purchase be open at a PSAM whose keys are retired"
        }
        Some(StatusWord::NOT_ENOUGH_MEMORY) => {
            "the card has no room for another version; retire old ones first"
        }
        _ => return error,
    };
    Error::Refused(why.into())
}
