//! Fuzzes `packets::packets`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| wirewool_fuzz_bodies::packets::packets(data));
