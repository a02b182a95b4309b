#![no_main]

#[path = "../targets.rs"]
#[allow(dead_code, reason = "every target's binary has all targets in it")]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    targets::stamps(bytes);
});
