//! One end of the twin: a smoltcp socket with an application that follows a plan.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::IpAddr;

use lastack::base::{Endpoint, Timestamp};
use lastack::connection::State;
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpEndpoint};

const MTU: usize = 576;

/// What an application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Waits for a connection.
    Listen,
    /// Opens one.
    Connect,
    /// Writes so many octets.
    Write(usize),
    /// Reads all there is.
    Read,
    /// Stops sending. smoltcp's close() is shutdown(SHUT_WR): it goes on reading.
    Close,
    /// Discards the connection.
    Abort,
    /// FIN-WAIT-2 has lasted too long for a socket that nobody holds (Linux tcp_fin_timeout). smoltcp has no such timer.
    Forget,
    /// Stops sending and reading: close() where nobody is left to read, as on Linux. smoltcp has none such.
    Leave,
}

/// How an application behaves.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Calls by their time, in order.
    pub calls: VecDeque<(Timestamp, Call)>,
    /// How long after the peer's FIN it closes too; none: never.
    pub close_after_fin_us: Option<i64>,
    /// It reads at once whatever arrives.
    pub reads_at_once: bool,
    /// Octets of its receive buffer.
    pub receive_buffer: usize,
    /// How often an idle socket probes.
    pub keepalive_ms: Option<u64>,
    /// Its segments carry timestamps.
    pub timestamps: bool,
}

/// What the life of a host follows from, but for what comes to it.
#[derive(Clone, Debug)]
pub struct Origin {
    pub endpoint: Endpoint,
    pub peer: Endpoint,
    pub plan: Plan,
    pub seed: u64,
}

/// A socket on a host of its own.
pub struct Host {
    endpoint: Endpoint,
    peer: Endpoint,
    plan: Plan,
    queue: Queue,
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    state: State,
    /// Every state entered, with the time; without the first CLOSED.
    pub steps: Vec<(Timestamp, State)>,
    /// close() was called and its FIN is not on the wire yet.
    pub fin_due: bool,
    /// Something has arrived.
    heard: bool,
    /// The peer closed while the own FIN was due: the order of the two calls is not on the wire.
    pub closed_in_secret: bool,
    /// Nobody reads any more.
    has_left: bool,
}

impl Host {
    pub fn new(Origin { endpoint, peer, plan, seed }: Origin) -> Self {
        let mut queue = Queue::default();
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut queue, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(address(endpoint), 24)).expect("room for one address");
        });
        let buffer = |octets| tcp::SocketBuffer::new(vec![0; octets]);
        let mut socket = tcp::Socket::new(buffer(plan.receive_buffer), buffer(65_536));
        socket.set_keep_alive(plan.keepalive_ms.map(Duration::from_millis));
        if plan.timestamps {
            socket.set_tsval_generator(Some(clock));
        }
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Host {
            endpoint,
            peer,
            plan,
            queue,
            interface,
            sockets,
            handle,
            state: State::Closed,
            steps: Vec::new(),
            fin_due: false,
            heard: false,
            closed_in_secret: false,
            has_left: false,
        }
    }

    /// When the application or the stack wants to act.
    pub fn next_event(&mut self, now: Timestamp) -> Option<Timestamp> {
        let stack = self.interface.poll_at(instant(now), &self.sockets).map(|at| timestamp(at).max(now));
        let call = self.plan.calls.front().map(|(at, _)| (*at).max(now));
        stack.into_iter().chain(call).min()
    }

    /// Lets a packet arrive. Returns what the host sends at once.
    pub fn receive(&mut self, now: Timestamp, packet: Vec<u8>) -> Vec<Vec<u8>> {
        if self.has_left && carries_payload(&packet) {
            // The socket is gone without a word; what comes is answered for it.
            self.forget();
            self.observe(now);
        }
        self.queue.arrived = Some(packet);
        self.heard = true;
        let before = self.state;
        let _ = self.interface.poll_ingress_single(instant(now), &mut self.queue, &mut self.sockets);
        self.observe(now);
        if self.fin_due && matches!(self.state, State::Closing | State::TimeWait) && before != self.state {
            self.closed_in_secret = true;
        }
        if self.state == State::CloseWait
            && before != State::CloseWait
            && let Some(delay) = self.plan.close_after_fin_us
        {
            let at = now.plus(delay * 1000);
            let index = self.plan.calls.partition_point(|(time, _)| *time <= at);
            self.plan.calls.insert(index, (at, Call::Close));
        }
        self.run(now)
    }

    /// Makes the calls that are due and lets the stack's timers run. Returns what the host sends.
    pub fn run(&mut self, now: Timestamp) -> Vec<Vec<u8>> {
        while let Some((_, call)) = self.plan.calls.pop_front_if(|(at, _)| *at <= now) {
            self.call(call);
            self.observe(now);
        }
        if self.plan.reads_at_once {
            self.call(Call::Read);
        }
        while self.interface.poll_egress(instant(now), &mut self.queue, &mut self.sockets) != PollResult::None {
            self.observe(now);
        }
        self.observe(now);
        let sent = std::mem::take(&mut self.queue.sent);
        const TCP_FLAGS: usize = 33;
        if sent.iter().any(|packet| packet.get(TCP_FLAGS).is_some_and(|flags| flags & 1 != 0)) {
            self.fin_due = false;
        }
        sent
    }

    fn call(&mut self, call: Call) {
        let socket = self.sockets.get_mut::<tcp::Socket>(self.handle);
        let (here, there) = (ip_endpoint(self.endpoint), ip_endpoint(self.peer));
        match call {
            Call::Listen => {
                let _ = socket.listen(here.port);
            }
            // It may have answered the peer's SYN with a reset before: another connection.
            Call::Connect if !self.heard => {
                let _ = socket.connect(self.interface.context(), there, here);
            }
            Call::Write(octets) if socket.may_send() => {
                let _ = socket.send_slice(&vec![b'x'; octets]);
            }
            Call::Read => while socket.recv(|octets| (octets.len(), octets.len())).is_ok_and(|len| len > 0) {},
            Call::Close | Call::Leave => match socket.state() {
                tcp::State::Established | tcp::State::CloseWait => {
                    socket.close();
                    self.fin_due = true;
                    self.has_left = call == Call::Leave;
                }
                _ => {}
            },
            Call::Forget if socket.state() == tcp::State::FinWait2 => self.forget(),
            // In SYN-SENT and LISTEN smoltcp's abort has nobody to tell; LISTEN is not part of a connection.
            Call::Abort if socket.is_active() && socket.state() != tcp::State::SynSent => socket.abort(),
            Call::Connect | Call::Write(_) | Call::Abort | Call::Forget => {}
        }
    }

    /// The socket is gone without a word.
    fn forget(&mut self) {
        let empty = || tcp::SocketBuffer::new(Vec::new());
        self.sockets.remove(self.handle);
        self.handle = self.sockets.add(tcp::Socket::new(empty(), empty()));
    }

    /// Notes the state that the socket is in.
    fn observe(&mut self, now: Timestamp) {
        let state = match self.sockets.get::<tcp::Socket>(self.handle).state() {
            tcp::State::Closed => State::Closed,
            tcp::State::Listen => State::Listen,
            tcp::State::SynSent => State::SynSent,
            tcp::State::SynReceived => State::SynReceived,
            tcp::State::Established => State::Established,
            tcp::State::FinWait1 => State::FinWait1,
            tcp::State::FinWait2 => State::FinWait2,
            tcp::State::CloseWait => State::CloseWait,
            tcp::State::Closing => State::Closing,
            tcp::State::LastAck => State::LastAck,
            tcp::State::TimeWait => State::TimeWait,
        };
        if state != self.state {
            self.state = state;
            self.steps.push((now, state));
        }
    }
}

/// Whether an IPv4 packet carries payload.
fn carries_payload(packet: &[u8]) -> bool {
    const TCP_OFFSET: usize = 32;
    let header = packet.get(TCP_OFFSET).map_or(0, |octet| usize::from(octet >> 4) * 4);
    packet.len() > 20 + header
}

fn address(endpoint: Endpoint) -> IpAddress {
    match endpoint.ip {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(_) => unreachable!("the twin speaks IPv4"),
    }
}

fn ip_endpoint(endpoint: Endpoint) -> IpEndpoint {
    IpEndpoint::new(address(endpoint), endpoint.port)
}

/// The time for smoltcp, and that of its clock from here on.
fn instant(time: Timestamp) -> Instant {
    NOW.set(time);
    Instant::from_micros(time.0 / 1000)
}

fn timestamp(instant: Instant) -> Timestamp {
    Timestamp(instant.total_micros() * 1000)
}

thread_local!(static NOW: Cell<Timestamp> = const { Cell::new(Timestamp(0)) });

/// Milliseconds, as the clocks of Linux, macOS and FreeBSD count; smoltcp asks without saying when.
fn clock() -> u32 {
    1 + (NOW.get().0 / 1_000_000) as u32
}

/// A link that holds one arriving packet and collects those sent.
#[derive(Default)]
struct Queue {
    arrived: Option<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

struct Arrived(Vec<u8>);
struct Sent<'a>(&'a mut Vec<Vec<u8>>);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut packet = vec![0; len];
        let result = f(&mut packet);
        self.0.push(packet);
        result
    }
}

impl Device for Queue {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Sent<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived, Sent<'_>)> {
        let packet = self.arrived.take()?;
        Some((Arrived(packet), Sent(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent<'_>> {
        Some(Sent(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}
