//! Commands of the catalogue to a purse, a PSAM and a transfer card, with power that fails.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| purse_fuzz::bodies::structured::run(bytes));
