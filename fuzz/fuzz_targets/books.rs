//! What somebody has written into the chain and the head of the books.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| purse_fuzz::background::books::run(bytes));
