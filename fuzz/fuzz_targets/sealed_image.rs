//! Sealed card images, changed and cut.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    purse_fuzz::sealed_image::run(bytes);
});
