//! Fuzzes `http::request_body`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| wirewool_fuzz_bodies::http::request_body(data));
