//! An attacker on the line between the two ends of a secure channel.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| purse_fuzz::secure_channel::run(bytes));
