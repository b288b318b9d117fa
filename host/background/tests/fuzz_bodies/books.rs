//! The body of the target `books`: what somebody has written into the chain, a row, or the head of
//! the books. None of it is believed, and none of it does harm.

use std::sync::LazyLock;

use apdu_spec::element::Algorithm;
use background::Vault;
use background::audit::read_any;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

static VAULT: LazyLock<Vault> = LazyLock::new(|| {
    let mut vault = Vault::new();
    vault.add_version(1, Algorithm::AesCmac, &[], &mut ChaCha20Rng::seed_from_u64(1)).expect("keys");
    vault
});

/// Runs one input.
pub fn run(bytes: &[u8]) {
    read_any(bytes, &VAULT).expect("a vault with keys");
}
