//! Personalisation of a card through the secure channel of its issuer.

use apdu_spec::Command as _;
use apdu_spec::aid::Aid;
use apdu_spec::security_domain::{DataBlock, Install};
use rand_core::Rng;

use crate::Error;
use crate::card::domain::{Access, SecurityDomain};
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
    let name = Aid::new(name).map_err(|_| Error::Answer { command: Install::ROW.name })?;
    SecurityDomain::open(reader, access, random)?.personalise(&name, blocks)
}

/// Puts the issuer's own keys in the place of those that the card came with. Those are gone
/// once a channel has been opened with the new ones, which is done here.
pub fn replace_keys(
    reader: &mut dyn Reader,
    access: &Access,
    own: &Access,
    random: &mut dyn Rng,
) -> Result<(), Error> {
    let mut domain = SecurityDomain::open(&mut *reader, access, random)?;
    domain.put_keys(domain.key_version(), own.wish.key_version, &own.keys)?;
    SecurityDomain::open(reader, own, random).map(drop)
}
