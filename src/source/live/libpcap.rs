//! What libpcap knows and the `pcap` crate does not pass on: with what status a device opened, and which clocks it has.
//!
//! The crate takes a status above 0 for a failure, but that is a warning and the capture runs; and it lets a kind of time stamps that the
//! device refuses pass without a word.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};

use pcap::{Active, Capture, Inactive};

// As `pcap/pcap.h` declares them; the crate links the library.
//
// SAFETY: the signatures are those of the header, where `pcap_t` is opaque.
unsafe extern "C" {
    fn pcap_activate(capture: *mut c_void) -> c_int;
    fn pcap_geterr(capture: *mut c_void) -> *const c_char;
    fn pcap_statustostr(status: c_int) -> *const c_char;
    fn pcap_list_tstamp_types(capture: *mut c_void, types: *mut *mut c_int) -> c_int;
    fn pcap_free_tstamp_types(types: *mut c_int);
}

/// A status that is no success. Its meanings are `PCAP_ERROR_…` below 0 and `PCAP_WARNING_…` above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub code: c_int,
    pub words: String,
}

impl Status {
    /// There is no such device.
    pub const NO_SUCH_DEVICE: c_int = -5;
    /// This process may not open it.
    pub const PERM_DENIED: c_int = -8;
    /// It may, but not in promiscuous mode.
    pub const PROMISC_PERM_DENIED: c_int = -11;
}

/// Opens the device, and says what libpcap warns of.
pub(super) fn activate(inactive: Capture<Inactive>) -> Result<(Capture<Active>, Option<Status>), Status> {
    let handle = inactive.as_ptr();
    // SAFETY: the handle lives as long as `inactive` and was not activated before.
    let status = match unsafe { pcap_activate(handle.cast()) } {
        0 => None,
        code => Some(Status { code, words: words(&inactive, code) }),
    };
    match (status, NonNull::new(handle)) {
        (Some(status), _) if status.code < 0 => Err(status),
        (warning, Some(handle)) => {
            // Its owner is from now on the one that is active: two would close it twice.
            std::mem::forget(inactive);
            Ok((Capture::from(handle), warning))
        }
        (_, None) => Err(Status { code: -1, words: "no handle".to_owned() }),
    }
}

/// What libpcap says of a status: what it wrote down, or what such a status means in general.
fn words(capture: &Capture<Inactive>, code: c_int) -> String {
    // SAFETY: both give a string that ends with 0. The first lies in the handle, which `capture` keeps alive, and the second is
    // a constant or a buffer that only another call changes; both are copied at once.
    let [written, general] = unsafe {
        [pcap_geterr(capture.as_ptr().cast()), pcap_statustostr(code)]
            .map(|text| CStr::from_ptr(text).to_string_lossy().into_owned())
    };
    if written.is_empty() { general } else { written }
}

/// The numbers (`PCAP_TSTAMP_…`) of the clocks that can stamp what is captured with `capture`, where libpcap knows them.
pub(super) fn time_stamp_types(capture: &Capture<Inactive>) -> Vec<c_int> {
    let mut types: *mut c_int = ptr::null_mut();
    // SAFETY: the handle lives as long as `capture`. The function writes a pointer to as many numbers as it returns, which are freed
    // by the other one; null may be freed too.
    unsafe {
        let count = pcap_list_tstamp_types(capture.as_ptr().cast(), &raw mut types);
        let numbers = match usize::try_from(count) {
            Ok(count @ 1..) if !types.is_null() => std::slice::from_raw_parts(types, count).to_vec(),
            _ => Vec::new(),
        };
        pcap_free_tstamp_types(types);
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_not_there_has_a_status_and_words() {
        let status = activate(Capture::from_device("lastack-none").unwrap()).err().unwrap();
        // Who may not capture is told that first.
        assert!([Status::NO_SUCH_DEVICE, Status::PERM_DENIED].contains(&status.code), "{status:?}");
        assert!(!status.words.is_empty());
    }
}
