//! Personalisation of a card through the secure channel of its issuer.
//!
//! [`Personalisation`] is a whole card as it is to become, from whatever an interruption has
//! left of it; [`personalise`] brings data groups alone.

use apdu_spec::aid::{Aid, ApplicationKind};
use apdu_spec::life_cycle::{CardState, LifeCycle};
use apdu_spec::personalisation::{DataGroup, DomainParameters};
use apdu_spec::security_domain::{DataBlock, GetStatus, Install, StoreData};
use apdu_spec::{Command as _, Element as _};
use rand_core::Rng;

use crate::Error;
use crate::card::domain::{Access, SecurityDomain, key_versions, select_domain};
use crate::reader::Reader;

/// Brings `blocks` to the application `name`. Interrupted, it may be done again from the start,
/// until the last block has made the application PERSONALIZED.
pub fn personalise(
    reader: &mut dyn Reader,
    access: &Access,
    name: &[u8],
    blocks: &[DataBlock],
    random: &mut dyn Rng,
) -> Result<(), Error> {
    SecurityDomain::open(reader, access, random)?.personalise(&aid(name)?, blocks)
}

/// A card as it is to become.
#[derive(Debug)]
pub struct Personalisation<'p> {
    /// Its application.
    pub kind: ApplicationKind,
    /// The application's name.
    pub name: &'p [u8],
    /// The application's data.
    pub blocks: &'p [DataBlock],
    /// How its security domain opens channels; nothing leaves it as it is.
    pub domain: Option<DomainParameters>,
    /// The keys that it comes with.
    pub initial: &'p Access,
    /// The issuer's own keys, newest first. A card that has some of them keeps those; else it
    /// gets the newest.
    pub own: &'p [Access],
}

/// How a card came to be what it was to become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Personalised {
    /// From a card that nobody had begun with.
    New,
    /// From what an interruption had left.
    Finished,
    /// It was so before.
    Already,
}

impl Personalisation<'_> {
    /// Makes the card what it is to be: own keys first, so that nobody else comes in between,
    /// then the application, its data, and the card's state SECURED. Interrupted anywhere, it
    /// may be done again, and goes on. `begin` is called once a card that nobody had begun with
    /// has let us in, and before anything is changed on it.
    pub fn carry_out(
        &self,
        reader: &mut dyn Reader,
        begin: &mut dyn FnMut() -> Result<(), Error>,
        random: &mut dyn Rng,
    ) -> Result<Personalised, Error> {
        let (own, begun) = self.take_over(&mut *reader, begin, random)?;
        let name = aid(self.name)?;
        let mut domain = SecurityDomain::open(reader, own, random)?;
        let state = self.install(&mut domain, &name)?;
        let ready = state != LifeCycle::Selectable;
        if !ready {
            domain.personalise(&name, self.blocks)?;
        }
        let secure = domain.card_state()?.may_become(CardState::Secured);
        if secure {
            domain.set_card_state(CardState::Secured)?;
        }
        Ok(match (begun, ready && !secure) {
            (false, _) => Personalised::New,
            (true, false) => Personalised::Finished,
            (true, true) => Personalised::Already,
        })
    }

    /// Sees to it that the card has own keys, perhaps not confirmed yet. Which, and whether it
    /// had them before.
    fn take_over(
        &self,
        reader: &mut dyn Reader,
        begin: &mut dyn FnMut() -> Result<(), Error>,
        random: &mut dyn Rng,
    ) -> Result<(&Access, bool), Error> {
        select_domain(&mut *reader)?;
        let versions = key_versions(reader)?;
        if let Some(own) = self.own.iter().find(|own| versions.contains(&own.wish.key_version)) {
            return Ok((own, true));
        }
        let own = self.own.first().ok_or(Error::NoManagementKeys)?;
        let initial = self.initial.wish.key_version;
        if initial != 0 && !versions.contains(&initial) {
            return Err(Error::ForeignKeys(versions));
        }
        let mut domain = SecurityDomain::open(reader, self.initial, random)?;
        begin()?;
        if let Some(parameters) = self.domain {
            let block = DataBlock::of(true, 0, DataGroup::Domain, &parameters);
            domain.store(&block.map_err(|_| Error::Request { command: StoreData::ROW.name })?)?;
        }
        domain.put_keys(domain.key_version(), own.wish.key_version, &own.keys)?;
        Ok((own, false))
    }

    /// Installs the application where there is none; its state.
    fn install(&self, domain: &mut SecurityDomain<&mut dyn Reader>, name: &Aid) -> Result<LifeCycle, Error> {
        let found = domain.applications()?.into_iter().find(|entry| entry.aid == *name);
        let malformed = |_| Error::Answer { command: GetStatus::ROW.name };
        match found.map(|entry| LifeCycle::from_bytes(&[entry.state])).transpose().map_err(malformed)? {
            Some(LifeCycle::Installed) => domain.delete(name)?,
            Some(state) => return Ok(state),
            None => {}
        }
        domain.install(self.kind, name)?;
        Ok(LifeCycle::Selectable)
    }
}

/// Makes the application of a card one that nobody has personalised: it is deleted, which the
/// card refuses where there is value in it, and installed again.
pub fn reinstall(
    domain: &mut SecurityDomain<&mut dyn Reader>,
    kind: ApplicationKind,
    name: &[u8],
) -> Result<(), Error> {
    let name = aid(name)?;
    if domain.applications()?.iter().any(|entry| entry.aid == name) {
        domain.delete(&name)?;
    }
    domain.install(kind, &name)
}

fn aid(name: &[u8]) -> Result<Aid, Error> {
    Aid::new(name).map_err(|_| Error::Request { command: Install::ROW.name })
}
