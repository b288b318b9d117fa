//! What comes over a line, and batches from files.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| purse_fuzz::messages::run(bytes));
