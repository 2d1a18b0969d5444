//! Fuzzes `http::request_head`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| wirewool_fuzz_bodies::http::request_head(data));
