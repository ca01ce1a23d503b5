//! libFuzzer asks for a program a target; what it does stands in `targets/pop3.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| smtpd_fuzz::pop3::run(octets));
