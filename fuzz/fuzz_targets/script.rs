//! Arbitrary lines, read as a person's commands to a card.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| purse_fuzz::trace::script::run(bytes));
