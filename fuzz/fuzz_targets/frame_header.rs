//! Fuzzes `frames::frame_header`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| wirewool_fuzz_bodies::frames::frame_header(data));
