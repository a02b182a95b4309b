//! Counters for a monitoring system: OpenMetrics on a port of the loopback interface, and a file for the node exporter. Labels
//! are names of states, findings and reasons, never addresses, so that their number is bounded.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::view::Model;
use crate::base::{Side, Sides};
use crate::connection::State;
use crate::finding::{CATALOGUE, Detect};
use crate::report::Summary;

/// Clients that are served at a time; more wait in the kernel's queue.
const CLIENTS_MAX: usize = 8;
/// A request is shorter than this.
const REQUEST_BYTES_MAX: usize = 4_096;
/// A client has so long to ask and to read.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the file is written.
const FILE_EVERY: Duration = Duration::from_secs(15);

/// The two ways of writing the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// What a scraper asks for.
    OpenMetrics,
    /// What the node exporter reads from files.
    Prometheus,
}

/// Serves and writes the numbers.
#[derive(Default)]
pub struct Metrics {
    listener: Option<TcpListener>,
    clients: Vec<Client>,
    file: Option<PathBuf>,
    written: Option<Instant>,
}

struct Client {
    stream: TcpStream,
    since: Instant,
    request: Vec<u8>,
    /// What is still to be sent, once the request is whole.
    answer: Option<Vec<u8>>,
}

impl Metrics {
    /// Listens on `address` and writes to `file`, as far as they are given.
    ///
    /// # Errors
    /// The address is taken or not this host's.
    pub fn open(address: Option<SocketAddr>, file: Option<&Path>) -> io::Result<Self> {
        let listen = |address| {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok::<_, io::Error>(listener)
        };
        let listener = address.map(listen).transpose()?;
        Ok(Self { listener, file: file.map(Path::to_path_buf), ..Self::default() })
    }

    /// Somebody may want the numbers.
    pub fn is_wanted(&self) -> bool {
        self.listener.is_some() || self.file.is_some()
    }

    /// Where it listens.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr().ok()
    }

    /// What to wait for.
    pub fn waits_for(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let clients = self.clients.iter().filter(|client| client.answer.is_none()).map(|client| client.stream.as_fd());
        self.listener.iter().map(AsFd::as_fd).chain(clients)
    }

    /// It is `now`: answers who asks, and writes the file when it is due.
    ///
    /// # Errors
    /// The file cannot be written. A client that fails is let go.
    pub fn tick(&mut self, now: Instant, summary: &Summary, model: &Model) -> io::Result<()> {
        if let Some(listener) = &self.listener {
            while self.clients.len() < CLIENTS_MAX
                && let Ok((stream, _)) = listener.accept()
            {
                if stream.set_nonblocking(true).is_ok() {
                    self.clients.push(Client { stream, since: now, request: Vec::new(), answer: None });
                }
            }
            let text = || render(summary, model, Dialect::OpenMetrics);
            self.clients.retain_mut(|client| now.duration_since(client.since) < PATIENCE && client.goes_on(text));
        }
        if self.file.is_some() && self.written.is_none_or(|written| now.duration_since(written) >= FILE_EVERY) {
            self.written = Some(now);
            self.write(summary, model)?;
        }
        Ok(())
    }

    /// Writes the file, whole under its name.
    ///
    /// # Errors
    /// It cannot be written; the error names it.
    pub fn write(&mut self, summary: &Summary, model: &Model) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut partial = file.file_name().unwrap_or_default().to_owned();
        partial.push(".partial");
        let partial = file.with_file_name(partial);
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: cannot write: {error}", file.display()));
        fs::write(&partial, render(summary, model, Dialect::Prometheus)).map_err(named)?;
        fs::rename(&partial, file).map_err(named)
    }
}

impl Client {
    /// Reads and answers as far as it goes without waiting. False when there is nothing more to do.
    fn goes_on(&mut self, text: impl FnOnce() -> String) -> bool {
        let mut piece = [0; 1_024];
        while self.answer.is_none() {
            match self.stream.read(&mut piece) {
                Ok(0) => return false,
                Ok(len) => self.request.extend_from_slice(&piece[..len]),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
            if self.request.len() > REQUEST_BYTES_MAX {
                return false;
            }
            if self.request.windows(4).any(|end| end == b"\r\n\r\n") {
                break;
            }
        }
        let answer = self.answer.get_or_insert_with(|| answer_to(&self.request, text).into_bytes());
        while !answer.is_empty() {
            match self.stream.write(answer) {
                Ok(0) => return false,
                Ok(len) => drop(answer.drain(..len)),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        false
    }
}

fn answer_to(request: &[u8], text: impl FnOnce() -> String) -> String {
    let is_for = |path: &[u8]| request.strip_prefix(b"GET ").and_then(|rest| rest.strip_prefix(path)).is_some();
    let (status, body) = if is_for(b"/metrics ") || is_for(b"/ ") {
        ("200 OK", text())
    } else if request.starts_with(b"GET ") {
        ("404 Not Found", "the numbers are at /metrics\n".to_owned())
    } else {
        ("405 Method Not Allowed", "only GET\n".to_owned())
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\nContent-Length: \
         {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn render(summary: &Summary, model: &Model, dialect: Dialect) -> String {
    let mut page = Page { text: String::new(), dialect };
    page.counter("frames", "Frames analysed.", [("", summary.frames)]);
    let dropped = [
        (r#"by="kernel""#, model.counters.dropped_by_kernel),
        (r#"by="interface""#, model.counters.dropped_by_interface),
    ];
    page.counter("frames_received", "Frames that passed the capture filter.", [("", model.counters.received)]);
    page.counter("frames_dropped", "Frames that were not seen.", dropped);
    let skipped = summary.skipped.iter().map(|(reason, count)| (format!("reason=\"{reason}\""), *count));
    page.counter("frames_skipped", "Frames that could not be decoded.", skipped);
    page.counter("connections_opened", "Connections seen.", [("", model.opened)]);
    page.counter("connections_ended", "Connections that were reported.", [("", summary.connections)]);
    page.counter("connections_evicted", "Connections reported early for want of room.", [("", summary.evicted)]);
    let findings = summary.findings.iter().map(|(name, count)| (format!("finding=\"{name}\""), *count));
    page.counter("findings", "Findings on connections that were reported.", findings);
    page.gauge("connections", "Connections that are being tracked.", [("", model.live)]);
    let sockets = State::ALL.into_iter().flat_map(|state| {
        let Sides { client, server } = model.census.of(state);
        [(Side::Client, client), (Side::Server, server)]
            .map(|(side, count)| (format!("end=\"{side}\",state=\"{state}\""), count))
    });
    page.gauge("sockets", "Ends of tracked connections by the state that their packets imply.", sockets);
    let across = CATALOGUE.iter().filter(|entry| matches!(entry.detect, Detect::Population(_)));
    let standing = across.map(|entry| {
        let count = model.standing.iter().filter(|found| found.name == entry.name).count();
        (format!("finding=\"{}\"", entry.name), count as u64)
    });
    page.gauge("standing_findings", "Hosts and services of which a finding across connections holds now.", standing);
    let ports = [("", model.census.ports)];
    page.gauge("ports_in_use", "Client ports in use toward one server, of the fullest pair of hosts.", ports);
    if dialect == Dialect::OpenMetrics {
        page.text.push_str("# EOF\n");
    }
    page.text
}

struct Page {
    text: String,
    dialect: Dialect,
}

impl Page {
    fn counter<L: AsRef<str>>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (L, u64)>) {
        // OpenMetrics names the family without the suffix of its samples.
        let suffix = if self.dialect == Dialect::OpenMetrics { "" } else { "_total" };
        self.family(&format!("{name}{suffix}"), "counter", help);
        self.samples(&format!("{name}_total"), samples);
    }

    fn gauge<L: AsRef<str>>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = (L, u64)>) {
        self.family(name, "gauge", help);
        self.samples(name, samples);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "# TYPE lastack_{name} {kind}\n# HELP lastack_{name} {help}");
    }

    fn samples<L: AsRef<str>>(&mut self, name: &str, samples: impl IntoIterator<Item = (L, u64)>) {
        for (labels, value) in samples {
            let labels = labels.as_ref();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            let _ = writeln!(self.text, "lastack_{name}{labels} {value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_page_has_every_family_once_and_no_addresses() {
        let summary = Summary {
            frames: 12,
            connections: 2,
            findings: BTreeMap::from([("half-close".to_owned(), 3)]),
            ..Summary::default()
        };
        let page = render(&summary, &Model::new("eth0"), Dialect::OpenMetrics);
        for line in [
            "# TYPE lastack_frames counter",
            "lastack_frames_total 12",
            "lastack_findings_total{finding=\"half-close\"} 3",
            "lastack_frames_dropped_total{by=\"kernel\"} 0",
            "lastack_sockets{end=\"server\",state=\"CLOSE-WAIT\"} 0",
            "lastack_connections 0",
            "lastack_standing_findings{finding=\"port-exhaustion\"} 0",
        ] {
            assert!(page.lines().any(|found| found == line), "no {line} in\n{page}");
        }
        assert!(page.ends_with("# EOF\n"));
        let mut families: Vec<&str> = page.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let count = families.len();
        families.sort_unstable();
        families.dedup();
        assert_eq!(families.len(), count);
        let file = render(&summary, &Model::new("eth0"), Dialect::Prometheus);
        assert!(file.contains("# TYPE lastack_frames_total counter\n") && !file.contains("EOF"));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let mut metrics = Metrics::open(None, Some(Path::new("/no/such/folder/lastack.prom"))).unwrap();
        let refused = metrics.write(&Summary::default(), &Model::new("eth0")).unwrap_err();
        assert!(refused.to_string().starts_with("/no/such/folder/lastack.prom: cannot write: "), "{refused}");
    }

    #[test]
    fn only_the_page_is_served() {
        let status = |request: &str| {
            let answer = answer_to(request.as_bytes(), || "numbers\n".to_owned());
            answer.lines().next().unwrap_or_default().to_owned()
        };
        assert_eq!(status("GET /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 OK");
        assert_eq!(status("GET /metrics.old HTTP/1.1\r\n\r\n"), "HTTP/1.1 404 Not Found");
        assert_eq!(status("POST /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 405 Method Not Allowed");
    }
}
