//! What a personalisation through SCP03 cannot do without, on the bare cipher: the calls of
//! both ends, which are in one process here.
//!
//! Two channels are needed: one with the keys that the card came with, and one that confirms
//! the new ones and personalises. Counted from Amendment D and from the sizes of the declared
//! layouts; nothing here was recorded from our own run. Keys are set up once a session.

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Block};
use apdu_spec::Element;
use apdu_spec::aid::Aid;
use apdu_spec::personalisation::{KeyData, PurseParameters};
use apdu_spec::security_domain::{Confirmation, PutKeyResponse};

/// Both ends compute the same.
const ENDS: usize = 2;
/// Bytes of a cipher's block, and of the chaining value before a MAC.
const BLOCK: usize = 16;
/// Header and Lc, which a MAC covers; the status word, which it covers too.
const HEADER: usize = 5;
const STATUS: usize = 2;
/// S-ENC, S-MAC and S-RMAC are derived, and two cryptograms.
const DERIVATIONS: usize = 5;
/// They themselves, and K-ENC and K-MAC that they are derived from, are set up.
const SET_UPS: usize = 5;
/// A derivation: label, separator, length, counter, and both challenges.
const DERIVATION: usize = 32;
/// The same of the card's challenge: sequence counter and AID in the place of challenges.
const CHALLENGE: usize = BLOCK + 3 + Aid::SECURITY_DOMAIN.len();
/// Host cryptogram in EXTERNAL AUTHENTICATE.
const CRYPTOGRAM: usize = 8;
/// A key of 16 bytes in PUT KEY: type, two lengths, key, length and check value.
const SEALED: usize = 3 + 16 + 1 + 3;
/// Length bytes and name of INSTALL [for personalization].
const INSTALL: usize = 6 + Aid::PURSE.len();
/// Tag and length of a data group.
const GROUP: usize = 3;

/// Plain data of commands and answers in the first channel, which puts the keys.
const FIRST: &[(usize, usize)] = &[(1 + 3 * SEALED, PutKeyResponse::MAX)];
/// The second one personalises, and makes the card SECURED.
const SECOND: &[(usize, usize)] = &[
    (INSTALL, Confirmation::MAX),
    (GROUP + PurseParameters::MAX, 0),
    (GROUP + KeyData::MAX, 0),
    (GROUP + KeyData::MAX, 0),
    (GROUP + KeyData::MAX, 0),
    (0, 0),
];

/// Key set-ups and blocks of a personalisation.
pub(crate) fn totals() -> (usize, usize) {
    let channels = [FIRST, SECOND].map(channel);
    // K-DEK, and the check values of three keys.
    let put_key = (4 * ENDS, (3 + 3) * ENDS);
    channels.into_iter().chain([put_key]).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

fn channel(passed: &[(usize, usize)]) -> (usize, usize) {
    let blocks = |bytes: usize| bytes.div_ceil(BLOCK);
    // Padding is at least a byte.
    let padded = |data: usize| if data == 0 { 0 } else { data / BLOCK + 1 };
    let secured = |(command, answer): &(usize, usize)| {
        let (command, answer) = (padded(*command), padded(*answer));
        let encryption = [command, answer].map(|data| if data == 0 { 0 } else { 1 + data });
        let macs = blocks(BLOCK + HEADER + BLOCK * command) + blocks(BLOCK + BLOCK * answer + STATUS);
        encryption[0] + encryption[1] + macs
    };
    let opening = DERIVATIONS * blocks(DERIVATION) + blocks(BLOCK + HEADER + CRYPTOGRAM);
    let all = opening + passed.iter().map(secured).sum::<usize>();
    // The challenge is the card's alone.
    (SET_UPS * ENDS, all * ENDS + blocks(CHALLENGE))
}

/// The calls on the bare cipher; a set-up is the schedule and a block, for CMAC's subkeys.
pub(crate) fn play(state: &mut Block) {
    let (set_ups, blocks) = totals();
    let mut cipher = Aes128Enc::new(&Array::from([0x4B; 16]));
    for _ in 0..set_ups {
        cipher = Aes128Enc::new(state);
        cipher.encrypt_block(state);
    }
    (0..blocks).for_each(|_| cipher.encrypt_block(state));
}
