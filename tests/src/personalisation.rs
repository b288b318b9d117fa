//! Blank purses become purses through the secure channel of their issuer: the line of
//! production, with what passes on it counted.

use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::{ChannelKey, KeySet};
use apdu_spec::personalisation::DataGroup;
use apdu_spec::security_domain::DataBlock;
use card_os::applets::AppletKind;
use host::card::domain::Access;
use host::reader::Reader;
use host::reader::meter::Metered;
use host::reader::virtual_reader::VirtualReader;
use host::terminal::personalise::{Personalisation, Personalised};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

use crate::scheme;

/// Version of the issuer's own keys.
const OWN: u8 = 0x30;

/// A blank purse of 16 KiB, with the keys that it came with.
///
/// # Panics
/// Never: there is room.
#[must_use]
pub fn blank(number: u64) -> Metered<VirtualReader> {
    let random = Box::new(ChaCha12Rng::seed_from_u64(number));
    Metered::new(VirtualReader::blank(AppletKind::Purse, random).expect("formatted"))
}

/// What makes it purse `number`: parameters, then a key in each block.
///
/// # Panics
/// Never: each fits its block.
#[must_use]
pub fn blocks(number: u64) -> Vec<DataBlock> {
    let (parameters, keys) = scheme::purse_data(number);
    let first = DataBlock::of(false, 0, DataGroup::Purse, &parameters).expect("fits");
    let keys = (1..).zip(&keys).map(|(block, key)| {
        DataBlock::of(usize::from(block) == keys.len(), block, DataGroup::Key, key).expect("fits")
    });
    core::iter::once(first).chain(keys).collect()
}

/// Brings a blank purse to what the line of production makes of it: the issuer's own keys, its
/// data, and the state SECURED.
///
/// # Panics
/// Where the card refuses.
pub fn make(reader: &mut dyn Reader, number: u64, blocks: &[DataBlock]) {
    let key = |which| {
        let mut bytes = [which; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        ChannelKey::aes(&bytes).expect("16 bytes")
    };
    let own = [Access::with(KeySet { enc: key(1), mac: key(2), dek: key(3) }, OWN)];
    let initial = Access::initial();
    let card = Personalisation {
        kind: AppletKind::Purse,
        name: Aid::PURSE,
        blocks,
        domain: None,
        initial: &initial,
        own: &own,
    };
    let made = card.carry_out(reader, &mut || Ok(()), &mut ChaCha12Rng::seed_from_u64(number));
    assert_eq!(made.expect("personalised"), Personalised::New);
}
