//! Fuzzes `compression::inflate`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| wirewool_fuzz_bodies::compression::inflate(data));
