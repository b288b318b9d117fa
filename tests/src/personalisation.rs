//! Blank purses become purses through the secure channel of their issuer: the line of
//! production, with what passes on it counted.

use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::{ChannelKey, KeySet};
use apdu_spec::personalisation::DataGroup;
use apdu_spec::security_domain::DataBlock;
use card_os::applets::AppletKind;
use host::card::domain::Access;
use host::reader::Reader;
use host::reader::virtual_reader::VirtualReader;
use host::terminal::personalise::{personalise, replace_keys};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng as _;

use crate::scheme;

/// Version of the issuer's own keys.
const OWN: u8 = 0x30;

/// A virtual reader with a card in it, where what passes is counted.
#[derive(Debug)]
pub struct Line {
    card: VirtualReader,
    /// Commands so far.
    pub apdus: usize,
    /// Bytes of commands and responses so far.
    pub bytes: usize,
}

impl Reader for Line {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, host::Error> {
        let answer = self.card.transmit(command)?;
        self.apdus += 1;
        self.bytes += command.len() + answer.len();
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), host::Error> {
        self.card.reset()
    }
}

/// A blank purse of 16 KiB, with the keys that it came with.
///
/// # Panics
/// Never: there is room.
#[must_use]
pub fn blank(number: u64) -> Line {
    let random = Box::new(ChaCha12Rng::seed_from_u64(number));
    Line { card: VirtualReader::blank(AppletKind::Purse, random).expect("formatted"), apdus: 0, bytes: 0 }
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

/// Personalises a blank purse, and puts the issuer's own keys in the place of the first ones.
///
/// # Panics
/// Where the card refuses.
pub fn make(line: &mut Line, number: u64, blocks: &[DataBlock]) {
    let key = |which| {
        let mut bytes = [which; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        ChannelKey::aes(&bytes).expect("16 bytes")
    };
    let own = Access::with(KeySet { enc: key(1), mac: key(2), dek: key(3) }, OWN);
    let initial = Access::initial();
    let mut random = ChaCha12Rng::seed_from_u64(number);
    personalise(line, &initial, Aid::PURSE, blocks, &mut random).expect("personalised");
    replace_keys(line, &initial, &own, &mut random).expect("keys are replaced");
}
