//! Fuzzes `text::utf8`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| wirewool_fuzz_bodies::text::utf8(data));
