//! `lastack live` on the loopback interface of a network namespace of its own, with real sockets. Wants root, `unshare` and
//! `ip`; where they are missing, each test says so and passes.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

mod recorded;

/// What takes longer does not come any more, however busy the machine is: the tests here take a second or two each.
const PATIENCE: Duration = Duration::from_secs(120);

/// Ends a process, and so every wait for it and for what it says, when a test has waited for it in vain. A test that fails leaves no
/// process behind.
struct Guard {
    process: Pid,
    _over: Sender<()>,
}

impl Guard {
    fn of(child: &Child) -> Self {
        let process = Pid::from_child(child);
        let (over, is_over) = channel();
        thread::spawn(move || {
            if is_over.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                eprintln!(
                    "what process {process} should have said or done did not come within {PATIENCE:?}: it is ended"
                );
                end_at_once(process);
            }
        });
        Self { process, _over: over }
    }
}

/// And those of its group, if it leads one.
fn end_at_once(process: Pid) {
    let _ = kill_process_group(process, Signal::KILL);
    let _ = kill_process(process, Signal::KILL);
}

impl Drop for Guard {
    fn drop(&mut self) {
        if thread::panicking() {
            end_at_once(self.process);
        }
    }
}

/// A network namespace that lives as long as this.
struct Namespace {
    holder: Child,
    _guard: Guard,
}

impl Namespace {
    /// A new one with its loopback interface up; none, and the reason printed, where that cannot be.
    fn new() -> Option<Self> {
        let skipped = |reason: &str| {
            eprintln!("skipped: {reason}");
            None
        };
        if !rustix::process::geteuid().is_root() {
            return skipped("a network namespace wants root");
        }
        let up = "ip link set lo up && echo up && exec sleep 600";
        let holder = Command::new("unshare")
            .args(["--net", "sh", "-c", up])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut holder) = holder else { return skipped("there is no unshare") };
        let guard = Guard::of(&holder);
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let namespace = Self { holder, _guard: guard };
        if said == "up\n" {
            Some(namespace)
        } else {
            skipped("no network namespace with a loopback interface to be had")
        }
    }

    /// Runs `work` inside, on a thread of its own.
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/proc/{}/ns/net", self.holder.id())).unwrap();
        let body = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        thread::scope(|scope| scope.spawn(body).join().unwrap())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A running `lastack live`.
struct Live {
    process: Child,
    out: BufReader<ChildStdout>,
    guard: Guard,
}

impl Live {
    /// Starts it in the current namespace, and returns when it captures.
    fn start(arguments: &[&str]) -> Self {
        Self::start_as(arguments, &[])
    }

    /// The same with an environment.
    fn start_as(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_lastack"))
            .args(["live", "-i", "lo", "--format", "ndjson"])
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, guard) = (BufReader::new(process.stdout.take().unwrap()), Guard::of(&process));
        let mut live = Self { process, out, guard };
        assert_eq!(live.next().expect("a capture record")["type"], "capture");
        live
    }

    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    /// Reads records until one of them satisfies `wanted`.
    fn read_until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let record = self.next().expect("the record that is waited for");
            if wanted(&record) {
                return record;
            }
        }
    }

    /// Ends it by `signal`. Returns the remaining records and the exit code.
    fn end(self, signal: Signal) -> (Vec<Value>, Option<i32>) {
        let (records, code, said) = self.end_saying(signal);
        assert_eq!(said, "");
        (records, code)
    }

    /// The same, with what it said beside.
    fn end_saying(mut self, signal: Signal) -> (Vec<Value>, Option<i32>, String) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
        let records: Vec<Value> = std::iter::from_fn(|| self.next()).collect();
        let mut said = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (records, self.process.wait().unwrap().code(), said)
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The records that `lastack read` gives of what was kept.
fn read_again(capture: &Path) -> Vec<Value> {
    read_again_with(capture, &[])
}

/// The same with further arguments.
fn read_again_with(capture: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_lastack"))
        .arg("read")
        .arg(capture)
        .args(["--format", "ndjson"])
        .args(arguments)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The connection records by stream number.
fn connections(records: &[Value]) -> Vec<&Value> {
    let mut found: Vec<&Value> = records.iter().filter(|record| record["type"] == "connection").collect();
    found.sort_by_key(|record| record["stream"].as_u64());
    found
}

/// What a connection's applications saw: the errors of client and server as errno names.
type Seen = (u16, [Option<&'static str>; 2]);

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn pair() -> (TcpStream, TcpStream) {
    let (listener, address) = listener();
    let client = TcpStream::connect(address).unwrap();
    let server = listener.accept().unwrap().0;
    for socket in [&client, &server] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    (client, server)
}

fn abort(socket: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
    drop(socket);
}

/// Does `work` while connections come and are reset.
fn while_traffic_goes_on<T>(work: impl FnOnce() -> T) -> T {
    let (over, is_over) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while is_over.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
                abort(pair().1);
            }
        });
        let done = work();
        drop(over);
        done
    })
}

fn port(socket: &TcpStream) -> u16 {
    socket.local_addr().unwrap().port()
}

fn receive(socket: &mut TcpStream) -> Option<&'static str> {
    match socket.read_to_end(&mut Vec::new()) {
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Some("ECONNRESET"),
        Err(error) => panic!("{error}"),
    }
}

/// Connections that end in every common way, with what the sockets themselves saw.
fn traffic() -> Vec<Seen> {
    let mut seen = Vec::new();
    // The client closes first, in order.
    let (mut client, mut server) = pair();
    let at = port(&client);
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(receive(&mut server), None);
    server.write_all(b"answer").unwrap();
    drop(server);
    seen.push((at, [receive(&mut client), None]));
    drop(client);
    // The server aborts.
    let (mut client, server) = pair();
    let at = port(&client);
    abort(server);
    seen.push((at, [receive(&mut client), None]));
    // The client goes without having read.
    let (client, mut server) = pair();
    let at = port(&client);
    server.write_all(&[7; 3_000]).unwrap();
    while client.peek(&mut [0; 4_096]).unwrap() < 3_000 {}
    drop(client);
    seen.push((at, [None, receive(&mut server)]));
    // Nobody listens. The client's port is not known, so that of the server stands for it.
    let (listener, address) = listener();
    drop(listener);
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    seen.push((address.port(), [Some("ECONNREFUSED"), None]));
    // Stays open.
    let (client, server) = pair();
    seen.push((port(&client), [None, None]));
    std::mem::forget((client, server));
    seen
}

#[test]
fn what_was_kept_gives_the_same_records_and_the_sockets_agree() {
    let Some(namespace) = Namespace::new() else { return };
    let kept = folder("same").join("kept.pcapng");
    let (seen, (records, code)) = namespace.inside(|| {
        let live = Live::start(&["--write", kept.to_str().unwrap(), "-s", "96"]);
        let seen = traffic();
        (seen, live.end(Signal::TERM))
    });
    assert_eq!(code, Some(0));
    let again = read_again(&kept);
    assert_eq!(connections(&records), connections(&again));
    let (summary, summary_again) = (records.last().unwrap(), again.last().unwrap());
    for count in ["frames", "segments", "non_tcp", "skipped", "connections", "findings", "late_segments"] {
        assert_eq!(summary[count], summary_again[count], "{count}");
    }
    assert_eq!(summary["truncated"], false);
    let connections = connections(&records);
    assert_eq!(connections.len(), seen.len());
    for (at, errors) in seen {
        let is_it =
            |connection: &&&Value| [&connection["client"], &connection["server"]].iter().any(|end| end["port"] == at);
        let connection = connections.iter().find(is_it).unwrap_or_else(|| panic!("no connection of port {at}"));
        for (side, error) in ["client", "server"].into_iter().zip(errors) {
            assert_eq!(connection["endpoints"][side]["error"].as_str(), error, "{side} of {connection}");
        }
    }
}

#[test]
fn everything_received_is_accounted_for_and_ctrl_c_tells_what_was_seen() {
    let Some(namespace) = Namespace::new() else { return };
    let (records, code) = namespace.inside(|| {
        let live = Live::start(&[]);
        traffic();
        live.end(Signal::INT)
    });
    assert_eq!(code, Some(130));
    let summary = records.last().unwrap();
    let interface = &summary["interface"];
    let count = |of: &Value, name: &str| of[name].as_u64().unwrap();
    assert_eq!(
        count(interface, "received"),
        count(summary, "frames") + count(interface, "dropped_by_kernel") + count(interface, "not_analysed")
    );
    assert_eq!(connections(&records).len(), 5);
    assert_eq!(summary["truncated"], true);
}

#[test]
fn who_lived_while_the_ring_was_full_says_so_and_every_frame_is_accounted_for() {
    const FLOOD: usize = 20_000;
    let Some(namespace) = Namespace::new() else { return };
    let kept = folder("dropped").join("kept.pcapng");
    let (before, after, (records, _, said)) = namespace.inside(|| {
        let mut live = Live::start(&["-B", "1", "--time-wait", "1", "--write", kept.to_str().unwrap()]);
        let (mut client, server) = pair();
        let before = port(&client);
        client.write_all(b"seen").unwrap();
        let process = Pid::from_child(&live.process);
        kill_process(process, Signal::STOP).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for _ in 0..FLOOD {
            // That nobody listens comes back as an error of the next one, which is sent again.
            if socket.send_to(&[0; 64], nobody).is_err() {
                let _ = socket.send_to(&[0; 64], nobody);
            }
        }
        kill_process(process, Signal::CONT).unwrap();
        // That the ring has room again and the drop was counted shows when a connection has been told that ended since.
        while_traffic_goes_on(|| {
            live.read_until(|record| record["type"] == "connection" && record["close"]["kind"] == "reset")
        });
        let later = pair();
        let after = port(&later.0);
        drop(later);
        let ended = live.end_saying(Signal::TERM);
        drop((client, server));
        (before, after, ended)
    });
    assert!(said.contains("for want of room in the ring"), "{said}");
    let summary = records.last().unwrap();
    let interface = &summary["interface"];
    let count = |of: &Value, name: &str| of[name].as_u64().unwrap();
    let dropped = count(interface, "dropped_by_kernel");
    assert!(dropped > 1_000, "{interface}");
    assert_eq!(count(interface, "received"), count(summary, "frames") + dropped + count(interface, "not_analysed"));
    let has_gap = |port: u16| {
        let connections = connections(&records);
        let connection = connections.iter().find(|connection| connection["client"]["port"] == port)?;
        Some(connection["findings"].as_array().unwrap().iter().any(|finding| finding["name"] == "capture-gap"))
    };
    assert_eq!((has_gap(before), has_gap(after)), (Some(true), Some(false)));
    let again = read_again_with(&kept, &["--time-wait", "1"]);
    let again_told = connections(&again);
    for connection in connections(&records) {
        assert!(again_told.contains(&connection), "{connection} is not among {again_told:?}");
    }
    assert_eq!(again.last().unwrap()["dropped"], summary["dropped"]);
}

#[test]
fn events_come_while_their_connections_are_still_tracked() {
    let Some(namespace) = Namespace::new() else { return };
    let (event, records) = namespace.inside(|| {
        let mut live = Live::start(&["--events", "--finding", "reset-linger-zero"]);
        traffic();
        // The connection itself is told only when its time has passed, long after this test.
        let event = live.read_until(|record| record["type"] == "finding");
        (event, live.end(Signal::TERM).0)
    });
    assert_eq!(event["name"], "reset-linger-zero");
    let connections = connections(&records);
    let [connection] = connections.as_slice() else { panic!("one connection: {connections:?}") };
    assert_eq!((&event["stream"], &event["client"]), (&connection["stream"], &connection["client"]));
    assert!(records.iter().all(|record| record["type"] != "finding"), "told twice: {records:?}");
}

#[test]
fn what_is_only_likely_is_told_when_both_sockets_are_gone() {
    let Some(namespace) = Namespace::new() else { return };
    let (event, records) = namespace.inside(|| {
        let mut live = Live::start(&["--events", "--finding", "reset-linger-zero"]);
        let (mut client, mut server) = pair();
        client.write_all(b"question").unwrap();
        server.read_exact(&mut [0; 8]).unwrap();
        server.write_all(b"answer").unwrap();
        client.read_exact(&mut [0; 6]).unwrap();
        abort(client);
        let event = live.read_until(|record| record["type"] == "finding");
        (event, live.end(Signal::TERM).0)
    });
    assert_eq!((&event["name"], &event["confidence"]), (&"reset-linger-zero".into(), &"low".into()));
    assert_eq!(connections(&records).len(), 1);
}

#[test]
fn when_nobody_reads_any_more_it_ends_also_in_silence() {
    let Some(namespace) = Namespace::new() else { return };
    let kept = folder("abandoned").join("kept.pcapng");
    let code = namespace.inside(|| {
        let Live { mut process, out, guard: _guard } = Live::start(&["--write", kept.to_str().unwrap()]);
        drop(out);
        process.wait().unwrap().code()
    });
    assert_eq!(code, Some(0));
    assert_eq!(read_again(&kept).last().unwrap()["frames"], 0);
}

#[test]
fn what_builds_up_across_connections_is_told_while_it_builds_up() {
    const LEAKED: usize = 12;
    let Some(namespace) = Namespace::new() else { return };
    let (event, records) = namespace.inside(|| {
        let mut live = Live::start(&["--events", "--finding", "close-wait-accumulation"]);
        // The clients close, and the servers never do.
        let (listener, address) = listener();
        let leak = || {
            drop(TcpStream::connect(address).unwrap());
            listener.accept().unwrap().0
        };
        let leaked: Vec<TcpStream> = std::iter::repeat_with(leak).take(LEAKED).collect();
        // How long that has been so shows by what comes later.
        let event = while_traffic_goes_on(|| live.read_until(|record| record["type"] == "finding"));
        drop(leaked);
        (event, live.end(Signal::TERM).0)
    });
    assert_eq!((&event["name"], &event["stream"]), (&"close-wait-accumulation".into(), &Value::Null));
    assert_eq!((&event["host"], &event["peak"]), (&"127.0.0.1".into(), &LEAKED.into()));
    assert!(records.iter().all(|record| record["type"] != "finding"), "told twice: {records:?}");
}

#[test]
fn a_filter_a_number_of_packets_and_a_time_end_where_they_say() {
    let Some(namespace) = Namespace::new() else { return };
    let (few, timed) = namespace.inside(|| {
        let few = Live::start(&["-c", "3", "-f", "tcp[tcpflags] & tcp-syn != 0"]);
        traffic();
        let few = few.end(Signal::WINCH);
        let timed = Live::start(&["--duration", "0.2"]);
        (few, timed.end(Signal::WINCH))
    });
    assert_eq!((few.1, timed.1), (Some(0), Some(0)));
    let summary = few.0.last().unwrap();
    assert_eq!((&summary["frames"], &summary["connections"]), (&3.into(), &2.into()));
    assert_eq!(timed.0.last().unwrap()["frames"], 0);
}

#[test]
fn files_rotate_and_a_trigger_keeps_what_is_around_a_finding() {
    let Some(namespace) = Namespace::new() else { return };
    let folder = folder("trigger");
    let kept = folder.join("web.pcapng");
    namespace.inside(|| {
        let mut live = Live::start(&["--events", "--write", kept.to_str().unwrap(), "--trigger", "linger-zero"]);
        traffic();
        live.read_until(|record| record["name"] == "reset-linger-zero");
        // What is on its way to the file when the finding is told is there at the end.
        live.end(Signal::TERM);
    });
    let files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = files.as_slice() else { panic!("one file: {files:?}") };
    let name = file.file_name().unwrap().to_string_lossy();
    assert!(name.starts_with("web_00001_") && name.ends_with("Z_reset-linger-zero.pcapng"), "{name}");
    let records = read_again(file);
    assert_eq!(records.last().unwrap()["findings"]["reset-linger-zero"], 1);

    let folder = self::folder("rotate");
    let kept = folder.join("web.pcapng");
    namespace.inside(|| {
        let rotation = ["--rotate-time", "0.000001", "--rotate-keep", "4"];
        let live = Live::start(&[&["--write", kept.to_str().unwrap()], &rotation[..]].concat());
        traffic();
        live.end(Signal::TERM);
    });
    let mut names: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(!names[0].starts_with("web_00001_"), "the oldest are gone: {names:?}");
    assert!(read_again(&folder).last().unwrap()["frames"].as_u64().unwrap() > 0);
}

/// A line of a process' status by its name.
fn status(process: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn whoever_reads_frames_has_given_up_what_root_may() {
    let Some(namespace) = Namespace::new() else { return };
    let kept = folder("privileges").join("kept.pcapng");
    for (arguments, user) in [(&[][..], "65534 65534 65534 65534"), (&["--write", kept.to_str().unwrap()], "0 0 0 0")] {
        namespace.inside(|| {
            // Not that of whoever runs the tests by sudo.
            let live = Live::start_as(arguments, &[("SUDO_UID", ""), ("SUDO_GID", "")]);
            let process = live.process.id();
            assert_eq!(status(process, "Uid"), user);
            for capabilities in ["CapEff", "CapPrm", "CapInh"] {
                assert_eq!(status(process, capabilities), "0000000000000000", "{capabilities}");
            }
            assert_eq!(status(process, "NoNewPrivs"), "1");
            if cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")) {
                assert_eq!(status(process, "Seccomp"), "2");
            }
            let (records, code) = live.end(Signal::TERM);
            assert_eq!((records.last().unwrap()["type"].as_str(), code), (Some("summary"), Some(0)));
        });
    }
    namespace.inside(|| {
        let live = Live::start_as(&[], &[("SUDO_UID", "1234"), ("SUDO_GID", "4321")]);
        assert_eq!(status(live.process.id(), "Uid"), "1234 1234 1234 1234");
        assert_eq!(status(live.process.id(), "Gid"), "4321 4321 4321 4321");
        assert_eq!(status(live.process.id(), "Groups"), "");
        live.end(Signal::TERM);
    });
}

#[test]
fn metrics_are_served_and_written_without_an_address_in_them() {
    let Some(namespace) = Namespace::new() else { return };
    let file = folder("metrics").join("lastack.prom");
    namespace.inside(|| {
        let mut live = Live::start(&["--metrics", "0", "--metrics-file", file.to_str().unwrap()]);
        let mut said = String::new();
        let mut stderr = BufReader::new(live.process.stderr.take().unwrap());
        stderr.read_line(&mut said).unwrap();
        let address =
            said.trim().strip_prefix("lastack: metrics at http://").and_then(|rest| rest.strip_suffix("/metrics"));
        let address: SocketAddr = address.expect("an address").parse().unwrap();
        assert!(address.ip().is_loopback());
        let (client, server) = pair();
        let ask = || {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
            let mut answer = String::new();
            socket.read_to_string(&mut answer).unwrap();
            answer
        };
        // The sockets of the round before are told, so the open pair shows after some.
        let established = "lastack_sockets{end=\"client\",state=\"ESTABLISHED\"} ";
        let answer = std::iter::repeat_with(ask)
            .take(200)
            .find(|answer| answer.lines().any(|line| line.strip_prefix(established).is_some_and(|count| count != "0")))
            .expect("an open connection in the numbers");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("# EOF\n"), "{answer}");
        assert!(!answer.contains("127.0.0.1"), "{answer}");
        drop((client, server));
        kill_process(Pid::from_child(&live.process), Signal::TERM).unwrap();
        while live.next().is_some() {}
        assert_eq!(live.process.wait().unwrap().code(), Some(0));
    });
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains("# TYPE lastack_frames_total counter\n"), "{written}");
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing partial stays");
}
