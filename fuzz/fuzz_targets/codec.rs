//! Fuzzes `codec::codec`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| wirewool_fuzz_bodies::codec::codec(data));
