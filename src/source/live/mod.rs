//! Frames of a running interface, through libpcap: lent out of the kernel's ring, batch by batch, never copied.

mod counters;
mod libpcap;
mod stamps;

use std::fmt;
use std::time::Duration;

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};

pub use counters::{Counters, Increase};
pub use stamps::Stamps;

use self::libpcap::Status;
use super::{CaptureFilter, FilterError, Frame, LinkType};
use crate::base::{FrameNumber, Timestamp};

/// How to capture.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// The interface's name as the system has it; `any` for all of them.
    pub interface: String,
    /// A capture filter, which the kernel applies.
    pub filter: Option<String>,
    /// Also what is not addressed to this host.
    pub promiscuity: Promiscuity,
    /// Most octets kept of each frame. Lengths are true whatever it is.
    pub snaplen: u32,
    /// The ring that frames wait in, in bytes.
    pub buffer_bytes: u32,
    /// How soon frames are handed over.
    pub delivery: Delivery,
    /// Whose clock stamps frames; libpcap's choice, the host's, when it is not said.
    pub stamps: Option<Stamps>,
}

/// Which frames an interface lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Promiscuity {
    /// Those for this host and from it.
    #[default]
    Own,
    /// All that pass by.
    All,
}

/// How soon frames are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Delivery {
    /// In blocks, after [`BATCH_DELAY_MS`] at most: fewer wake-ups and room for many more frames.
    #[default]
    Batched,
    /// Each at once.
    Immediate,
}

/// How long a frame may wait for its block to fill. Well below the 200 ms in which a capture must be able to end.
pub const BATCH_DELAY_MS: i32 = 50;

/// Octets kept of a frame by default: Ethernet with two tags, IPv6 with an extension, and TCP with all options.
pub const SNAPLEN: u32 = 128;

/// The most that libpcap keeps of a frame.
const SNAPLEN_MAX: u32 = 262_144;

/// Size of the ring by default, in bytes. With 128 octets a frame it holds about a tenth of a second of the smallest frames
/// of a 1 Gbit/s link.
pub const RING_BYTES: u32 = 32 << 20;

/// What the fastest interface puts into a ring: ten million frames a second, with what the kernel writes beside each.
const RING_BYTES_PER_SECOND_MAX: u64 = 2_000_000_000;

/// Frames are left to gather in the ring so long at most, well below [`BATCH_DELAY_MS`].
const PATIENCE_MAX: Duration = Duration::from_millis(16);

/// Less than that is no rest.
const PATIENCE_MIN: Duration = Duration::from_millis(2);

/// Why there is no capture, or no more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError {
    /// The process may not open a packet socket.
    #[error("{interface}: not allowed to capture ({words})")]
    NotAllowed {
        /// Which interface.
        interface: String,
        /// What libpcap said.
        words: String,
    },
    /// There is no such interface.
    #[error("{interface}: no such interface; there are {}", present.join(", "))]
    NoSuchInterface {
        /// Which interface.
        interface: String,
        /// Those that there are.
        present: Vec<String>,
    },
    /// The device cannot stamp frames so.
    #[error("{interface}: no time stamps of type {wanted}; it has {}", offered.iter().map(|stamps| stamps.name()).collect::<Vec<_>>().join(", "))]
    NoSuchStamps {
        /// Which interface.
        interface: String,
        /// What was asked for.
        wanted: Stamps,
        /// What it has.
        offered: Vec<Stamps>,
    },
    /// The capture filter is none.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Everything else that libpcap reports: the interface went down or away, or something that it cannot do.
    #[error("{interface}: {words}")]
    Failed {
        /// Which interface.
        interface: String,
        /// What libpcap said.
        words: String,
    },
}

/// An interface that can be captured on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// What libpcap says about it.
    pub description: Option<String>,
    /// Its addresses.
    pub addresses: Vec<std::net::IpAddr>,
    /// It is up and running.
    pub running: bool,
}

/// The interfaces of this host, in libpcap's order: those that are up first.
///
/// # Errors
/// The system does not say.
pub fn devices() -> Result<Vec<Device>, LiveError> {
    let failed = |error| LiveError::Failed { interface: "interfaces".to_owned(), words: words_of(error) };
    let found = pcap::Device::list().map_err(failed)?;
    let device = |device: pcap::Device| Device {
        running: device.flags.is_up() && device.flags.is_running(),
        addresses: device.addresses.iter().map(|address| address.addr).collect(),
        description: device.desc,
        name: device.name,
    };
    Ok(found.into_iter().map(device).collect())
}

/// An interface that is being captured on.
pub struct LiveCapture {
    handle: pcap::Capture<pcap::Active>,
    interface: String,
    link: LinkType,
    snaplen: u32,
    counters: Counters,
    delivered: u64,
    newest: Timestamp,
    warning: Option<String>,
    patience: Duration,
    /// [`LiveCapture::delivered`] when it was last asked whether frames flow.
    delivered_before: u64,
}

impl fmt::Debug for LiveCapture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LiveCapture of {}, {} frames", self.interface, self.delivered)
    }
}

/// The `any` interface prefers the cooked header that has the interface in it.
const LINUX_SLL2: pcap::Linktype = pcap::Linktype(LinkType::LINUX_SLL2.0 as i32);

/// The unit of the fraction of a second in libpcap's headers: nanoseconds where it takes the wish, which the `pcap` crate does
/// not tell, and which holds for Linux since libpcap 1.5.
const FRACTION_NS: i64 = if cfg!(target_os = "linux") { 1 } else { 1_000 };

impl LiveCapture {
    /// Opens the interface.
    ///
    /// # Errors
    /// Not allowed, no such interface, a filter that libpcap refuses.
    pub fn open(options: &LiveOptions) -> Result<Self, LiveError> {
        let name = options.interface.as_str();
        let (mut handle, warning) = activate(options).map_err(|status| refused(name, status))?;
        // Asked for and not to be had, it is left out in silence.
        if let Some(wanted) = options.stamps {
            let offered = stamps::offered(&inactive(options).map_err(|status| refused(name, status))?);
            if !offered.contains(&wanted) {
                return Err(LiveError::NoSuchStamps { interface: name.to_owned(), wanted, offered });
            }
        }
        if name == "any" && handle.list_datalinks().is_ok_and(|links| links.contains(&LINUX_SLL2)) {
            // An old libpcap keeps its older cooked header, which is read as well.
            let _ = handle.set_datalink(LINUX_SLL2);
        }
        let link = LinkType::from_file(u16::try_from(handle.get_datalink().0).unwrap_or(u16::MAX));
        if let Some(filter) = &options.filter {
            // The same words for a bad expression as offline.
            CaptureFilter::new(filter, &[link])?;
        }
        let wanted = options.filter.as_deref();
        let is_set = once(name, link).is_some_and(|once| {
            let both = wanted.map_or_else(|| once.to_owned(), |wanted| format!("{once} and ({wanted})"));
            handle.filter(&both, true).is_ok()
        });
        if let Some(wanted) = wanted.filter(|_| !is_set) {
            handle.filter(wanted, true).map_err(|error| explained(name, error))?;
        }
        let handle = handle.setnonblock().map_err(|error| explained(name, error))?;
        Ok(Self {
            handle,
            interface: name.to_owned(),
            link,
            snaplen: snaplen(options),
            counters: Counters::default(),
            delivered: 0,
            newest: Timestamp(i64::MIN),
            warning: warning.map(|status| status.words),
            patience: match options.delivery {
                Delivery::Immediate => Duration::ZERO,
                Delivery::Batched => patience(options.buffer_bytes),
            },
            delivered_before: 0,
        })
    }

    /// The interface's name.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// How its frames begin.
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// Most octets kept of each frame.
    pub fn snaplen(&self) -> u32 {
        self.snaplen
    }

    /// What could not be had as asked for, and was not needed.
    pub fn warning(&self) -> Option<&str> {
        self.warning.as_deref()
    }

    /// How long frames may be left to gather in the ring; not at all where none came since this was last asked. While they flow,
    /// waking up for every block of them costs as much as many frames, and where they do not, each is news.
    pub fn patience(&mut self) -> Duration {
        let before = std::mem::replace(&mut self.delivered_before, self.delivered);
        if before == self.delivered { Duration::ZERO } else { self.patience }
    }

    /// Frames lent so far.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// The time of the frame lent last.
    pub fn newest(&self) -> Timestamp {
        self.newest
    }

    /// Lends what waits in the ring to `each`, `most` frames at most. Returns how many there were; it never waits.
    ///
    /// # Errors
    /// The interface went down or away.
    pub fn dispatch(&mut self, most: usize, mut each: impl FnMut(&Frame<'_>)) -> Result<usize, LiveError> {
        let Self { handle, link, delivered, newest, .. } = self;
        let link = *link;
        let taken = handle.dispatch(Some(most), |packet| {
            *delivered += 1;
            let header = packet.header;
            let time = time_of(header);
            *newest = time;
            each(&Frame {
                number: FrameNumber(*delivered),
                time,
                bytes: packet.data,
                original_len: header.len.max(packet.data.len() as u32),
                link,
                interface: 0,
                flags: 0,
            });
        });
        match taken {
            // Of devices without a ring (nflog), some libpcaps take that nothing waits for a failure.
            Err(error) if is_nothing_there(&error) => Ok(0),
            taken => taken.map_err(|error| explained(&self.interface, error)),
        }
    }

    /// Asks libpcap what was received and dropped, and gives what came since the last time.
    ///
    /// # Errors
    /// The interface went away.
    pub fn count(&mut self) -> Result<Increase, LiveError> {
        let stat = self.handle.stats().map_err(|error| explained(&self.interface, error))?;
        Ok(self.counters.advance(stat.received, stat.dropped, stat.if_dropped))
    }

    /// The counts as of the last [`LiveCapture::count`].
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

#[cfg(unix)]
impl AsFd for LiveCapture {
    /// Readable when frames wait.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// What lets a frame of the loopback interface through once: it goes out there and comes in, and libpcap lends only what comes in.
/// When the kernel knows that, the ring holds twice as much, and what it counts as received is what is lent. On `lo` itself libpcap would
/// have to ask for the direction of the first frames without a header that tells it.
fn once(interface: &str, link: LinkType) -> Option<&'static str> {
    // Linux numbers it first in every network namespace.
    (cfg!(target_os = "linux") && interface == "any" && link == LinkType::LINUX_SLL2)
        .then_some("not (ifindex 1 and outbound)")
}

/// As long as it takes [`RING_BYTES_PER_SECOND_MAX`] to fill so large a ring, up to a moment that nobody notices.
fn patience(ring_bytes: u32) -> Duration {
    let until_full = Duration::from_nanos(u64::from(ring_bytes) * 1_000_000_000 / RING_BYTES_PER_SECOND_MAX);
    if until_full < PATIENCE_MIN { Duration::ZERO } else { until_full.min(PATIENCE_MAX) }
}

/// Of netfilter's queues and logs libpcap reads several frames at a time into room for one, and loses what does not fit.
fn snaplen(options: &LiveOptions) -> u32 {
    let is_of_netfilter = ["nflog", "nfqueue"].iter().any(|kind| options.interface.starts_with(kind));
    if is_of_netfilter { options.snaplen.max(SNAPLEN_MAX) } else { options.snaplen }
}

fn inactive(options: &LiveOptions) -> Result<pcap::Capture<pcap::Inactive>, Status> {
    let created = pcap::Capture::from_device(options.interface.as_str());
    created.map_err(|error| Status { code: -1, words: words_of(error) })
}

fn activate(options: &LiveOptions) -> Result<(pcap::Capture<pcap::Active>, Option<Status>), Status> {
    let within = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let inactive = inactive(options)?
        .promisc(options.promiscuity == Promiscuity::All)
        .snaplen(within(snaplen(options)))
        .buffer_size(within(options.buffer_bytes))
        .immediate_mode(options.delivery == Delivery::Immediate)
        .timeout(BATCH_DELAY_MS);
    let inactive = match options.stamps {
        Some(stamps) => inactive.tstamp_type(stamps.of_libpcap()),
        None => inactive,
    };
    let inactive = if FRACTION_NS == 1 { inactive.precision(pcap::Precision::Nano) } else { inactive };
    libpcap::activate(inactive)
}

#[allow(clippy::unnecessary_cast, reason = "the widths of the two fields differ between systems")]
fn time_of(header: &pcap::PacketHeader) -> Timestamp {
    let seconds = (header.ts.tv_sec as i64).saturating_mul(1_000_000_000);
    Timestamp(seconds).plus((header.ts.tv_usec as i64).saturating_mul(FRACTION_NS))
}

fn words_of(error: pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(words) => words,
        other => other.to_string(),
    }
}

/// Why a device does not open.
fn refused(interface: &str, Status { code, words }: Status) -> LiveError {
    let interface = interface.to_owned();
    let present = || pcap::Device::list().unwrap_or_default().into_iter().map(|device| device.name).collect();
    match code {
        Status::PERM_DENIED | Status::PROMISC_PERM_DENIED => LiveError::NotAllowed { interface, words },
        Status::NO_SUCH_DEVICE => LiveError::NoSuchInterface { interface, present: present() },
        _ => LiveError::Failed { interface, words },
    }
}

/// The system's words for EAGAIN stand at the end of libpcap's; nobody sets another language here.
fn is_nothing_there(error: &pcap::Error) -> bool {
    matches!(error, pcap::Error::PcapError(words) if words.ends_with("Resource temporarily unavailable"))
}

/// Why what is open does not go on.
fn explained(interface: &str, error: pcap::Error) -> LiveError {
    LiveError::Failed { interface: interface.to_owned(), words: words_of(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ring_overflows_while_frames_gather_in_it() {
        assert_eq!(patience(1 << 20), Duration::ZERO);
        for mib in [4, 32, 128, 2_047] {
            let rest = patience(mib << 20);
            assert!((PATIENCE_MIN..=PATIENCE_MAX).contains(&rest), "{mib} MiB: {rest:?}");
            let gathered = rest.as_secs_f64() * RING_BYTES_PER_SECOND_MAX as f64;
            assert!(gathered <= f64::from(mib << 20), "{mib} MiB: {gathered}");
        }
    }
}
