//! Arbitrary bytes from a reader, in pieces of any size, to a served card.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| purse_fuzz::vpcd::run(bytes));
