//! Any bytes in the place of a vault.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    purse_fuzz::background::vault_file::run(bytes);
});
