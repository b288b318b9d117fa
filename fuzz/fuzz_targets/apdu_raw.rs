//! Arbitrary frames to one card.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| purse_fuzz::bodies::raw::run(bytes));
