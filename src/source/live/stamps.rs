//! Whose clock says when a frame came: the host's, or that of the network adapter.

use std::ffi::c_int;
use std::fmt;

use super::libpcap;

/// A clock that stamps frames. The names are tcpdump's (pcap-tstamp(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamps {
    /// The host's, however exact.
    Host,
    /// The host's, cheap and less exact.
    HostLowPrecision,
    /// The host's, exact.
    HostHighPrecision,
    /// The adapter's, in step with the host's.
    Adapter,
    /// The adapter's, which goes its own way: times are good for comparing frames, not for saying when it was.
    AdapterUnsynced,
}

impl Stamps {
    /// Those that can be asked for.
    pub const ALL: [Stamps; 5] =
        [Stamps::Host, Stamps::HostLowPrecision, Stamps::HostHighPrecision, Stamps::Adapter, Stamps::AdapterUnsynced];

    /// tcpdump's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Stamps::Host => "host",
            Stamps::HostLowPrecision => "host_lowprec",
            Stamps::HostHighPrecision => "host_hiprec",
            Stamps::Adapter => "adapter",
            Stamps::AdapterUnsynced => "adapter_unsynced",
        }
    }

    pub(super) const fn of_libpcap(self) -> pcap::TimestampType {
        match self {
            Stamps::Host => pcap::TimestampType::Host,
            Stamps::HostLowPrecision => pcap::TimestampType::HostLowPrec,
            Stamps::HostHighPrecision => pcap::TimestampType::HostHighPrec,
            Stamps::Adapter => pcap::TimestampType::Adapter,
            Stamps::AdapterUnsynced => pcap::TimestampType::AdapterUnsynced,
        }
    }
}

impl fmt::Display for Stamps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The clocks that can stamp what is captured with `capture`: the host's at least.
pub(super) fn offered(capture: &pcap::Capture<pcap::Inactive>) -> Vec<Stamps> {
    let numbers = libpcap::time_stamp_types(capture);
    let is_there = |stamps: &Stamps| *stamps == Stamps::Host || numbers.contains(&(stamps.of_libpcap() as c_int));
    Stamps::ALL.into_iter().filter(is_there).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_has_the_clock_of_its_host_and_loopback_no_other() {
        let capture = pcap::Capture::from_device(if cfg!(target_os = "linux") { "lo" } else { "lo0" }).unwrap();
        let offered = offered(&capture);
        assert!(offered.contains(&Stamps::Host) && !offered.contains(&Stamps::Adapter), "{offered:?}");
    }
}
