//! Arbitrary files, read as captures and as listings of APDUs.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| purse_fuzz::trace::recording::run(bytes));
