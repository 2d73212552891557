//! See `vestibule_fuzz::html`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| vestibule_fuzz::html(data));
