//! The block-cipher calls of a purchase that the protocol cannot do without, and the
//! same calls on the bare cipher.
//!
//! One line a key and one a MAC or derived key, from the design (sections 5 and 6) and
//! the sizes of the declared inputs; nothing here was recorded from our own run. A key
//! set-up is the key schedule, the block that CMAC's subkeys come from (NIST SP 800-38B
//! clause 6.1), and erasing the schedule; a MAC of n bytes is n / 16 blocks, rounded up
//! (clause 6.2). A key is *kept* where its holder uses it in one purchase after the
//! other without losing power in between: its set-up is not part of the floor.

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Block};
use apdu_spec::Element;
use apdu_spec::crypto::session_key::{SecretContext, SessionContext};
use apdu_spec::element::SamCounter;
use apdu_spec::signature::{Commitment, S1, S2, S3, S5, S6};

/// A key and what is computed under it.
pub(crate) struct Use {
    /// Which key.
    #[allow(dead_code)] // for whoever reads the list
    key: &'static str,
    /// Whether its schedule outlives the purchase.
    kept: bool,
    /// What for, and the bytes that go through it.
    inputs: &'static [(&'static str, usize)],
}

/// Counter, label, 00 and the length around the context of a derived key (SP 800-108).
const DERIVATION: usize = 5;

/// KMP of the purse, K1, KS, KMC of the purse, and the key of S6. A tap is a power-up:
/// nothing is kept.
pub(crate) const PURSE: &[Use] = &[
    fresh("KMP of the purse", &[("K1 from the session", DERIVATION + width::<SessionContext>())]),
    fresh("K1", &[("S1", width::<S1>()), ("KS from NT_PSAM", DERIVATION + width::<SamCounter>())]),
    fresh("KS", &[("S2, checked", width::<S2>()), ("S3", width::<S3>())]),
    fresh("KMC of the purse", &[("key of S6 from the session", DERIVATION + width::<SessionContext>())]),
    fresh("key of S6", &[("S6", width::<S6>())]),
];

/// The PSAM stays in its terminal and has power: its own keys are kept.
pub(crate) const PSAM: &[Use] = &[
    kept("KMP of the group", &[("KMP of the purse, AN10922: 01 and 16 bytes", 17)]),
    fresh("KMP of the purse", &[("K1 from the session", DERIVATION + width::<SessionContext>())]),
    fresh("K1", &[("S1, checked", width::<S1>()), ("KS from NT_PSAM", DERIVATION + width::<SamCounter>())]),
    kept("cancellation key", &[("R of this purchase", DERIVATION + width::<SecretContext>())]),
    fresh("R", &[("C, the commitment in S2", width::<Commitment>())]),
    fresh("KS", &[("S2", width::<S2>()), ("S3, checked", width::<S3>())]),
    kept("record key of the batch", &[("S5", width::<S5>())]),
];

const fn width<E: Element>() -> usize {
    E::MAX
}

const fn fresh(key: &'static str, inputs: &'static [(&'static str, usize)]) -> Use {
    Use { key, kept: false, inputs }
}

const fn kept(key: &'static str, inputs: &'static [(&'static str, usize)]) -> Use {
    Use { key, kept: true, inputs }
}

/// Key set-ups and blocks of a list; the blocks of the set-ups count as set-ups.
pub(crate) fn totals(list: &[Use]) -> (usize, usize) {
    let set_ups = list.iter().filter(|line| !line.kept).count();
    let inputs = list.iter().flat_map(|line| line.inputs);
    (set_ups, inputs.map(|(_, bytes)| bytes.div_ceil(16)).sum())
}

/// The lists on the bare cipher.
#[allow(dead_code)] // the test of the budgets only counts
pub(crate) struct Floor {
    kept: Aes128Enc,
    state: Block,
}

#[allow(dead_code)]
impl Floor {
    /// With one schedule for all keys that are kept.
    pub(crate) fn new() -> Self {
        Self { kept: Aes128Enc::new(&Array::from([0x4B; 16])), state: Block::default() }
    }

    /// Makes every call of the list. Each block depends on the one before.
    pub(crate) fn play(&mut self, list: &[Use]) {
        for line in list {
            if line.kept {
                encrypt(&self.kept, &mut self.state, line);
            } else {
                let cipher = Aes128Enc::new(&self.state);
                cipher.encrypt_block(&mut self.state);
                encrypt(&cipher, &mut self.state, line);
            }
        }
    }
}

fn encrypt(cipher: &Aes128Enc, state: &mut Block, line: &Use) {
    let blocks = line.inputs.iter().map(|(_, bytes)| bytes.div_ceil(16)).sum();
    (0..blocks).for_each(|_: usize| cipher.encrypt_block(state));
}
