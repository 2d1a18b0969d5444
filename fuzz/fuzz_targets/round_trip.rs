//! Fuzzes `round_trip::round_trip`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| wirewool_fuzz_bodies::round_trip::round_trip(data));
