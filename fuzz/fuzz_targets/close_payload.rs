//! Fuzzes `text::close_payload`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| wirewool_fuzz_bodies::text::close_payload(data));
