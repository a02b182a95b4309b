//! The truth file, format `tcplab-truth-1`, as far as it is judged by; fixtures/record/README.md describes it.

use std::net::IpAddr;

use lastack::base::{Endpoint, Side, Sides, Timestamp};
use lastack::connection::State;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What happened while one capture was recorded.
#[derive(Deserialize)]
pub struct Truth {
    /// Where the capture was taken.
    pub vantage: Vantage,
    pub connections: Vec<Connection>,
}

/// The place of a tap.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vantage {
    Client,
    Server,
    /// Between the hosts.
    Middle,
}

impl Vantage {
    /// The tap beside this end.
    pub fn at(side: Side) -> Self {
        match side {
            Side::Client => Vantage::Client,
            Side::Server => Vantage::Server,
        }
    }
}

/// One incarnation of a four-tuple.
#[derive(Deserialize)]
pub struct Connection {
    #[serde(deserialize_with = "endpoint")]
    pub client: Endpoint,
    #[serde(deserialize_with = "endpoint")]
    pub server: Endpoint,
    pub scenario: String,
    pub timeline: Timeline,
    pub expected: Labels,
    expected_at_vantage: Option<Labels>,
    #[serde(default = "yes")]
    verified: bool,
    skip: Option<String>,
    pub visible: Visible,
    /// Socket calls, in order; none of real programs.
    #[serde(default)]
    pub app: Vec<AppCall>,
    #[serde(default)]
    resets_received: Vec<ResetReceived>,
    #[serde(default)]
    samples: Vec<Sample>,
}

/// What a sample of the socket tables showed of one end: when, whose, the state or `GONE`, the kind of timer that runs,
/// octets received and sent that wait.
type Sample = (f64, String, String, u8, u64, u64);

/// A socket call of one of the applications.
#[derive(Deserialize)]
pub struct AppCall {
    /// `client` or `server`.
    pub host: String,
    pub call: String,
    #[serde(default = "super::calls::no_args")]
    pub args: Value,
    pub errno: Option<String>,
}

/// A reset that a host's kernel took.
#[derive(Deserialize)]
struct ResetReceived {
    host: String,
}

impl Connection {
    /// Whether the kernel of this end took a reset.
    pub fn was_reset(&self, side: Side) -> bool {
        self.resets_received.iter().any(|reset| reset.host == side.name())
    }

    /// When samples of the socket table showed that this end has none.
    pub fn gone(&self, side: Side) -> impl Iterator<Item = Step> {
        let gone = self.samples.iter().filter(move |sample| sample.1 == side.name() && sample.2 == "GONE");
        gone.map(|sample| Step {
            time: from_seconds(sample.0),
            state: State::Closed.name().to_owned(),
            source: StepSource::Diag,
        })
    }

    /// What is expected of an analysis at this tap.
    pub fn labels(&self) -> &Labels {
        self.expected_at_vantage.as_ref().unwrap_or(&self.expected)
    }

    /// Whether a verdict may be judged by it.
    pub fn is_judged(&self) -> bool {
        self.verified && self.skip.is_none()
    }
}

/// What a connection is an example of.
#[derive(Deserialize)]
pub struct Labels {
    pub open: String,
    pub close: String,
    pub close_initiator: Option<String>,
    pub findings: Vec<String>,
}

/// What of it is in the capture.
#[derive(Deserialize)]
pub struct Visible {
    pub packets: u64,
    #[serde(deserialize_with = "maybe_moment", default)]
    pub first: Option<Timestamp>,
    #[serde(deserialize_with = "maybe_moment", default)]
    pub last: Option<Timestamp>,
}

/// The states of both ends.
#[derive(Deserialize, Default)]
pub struct Timeline {
    #[serde(default)]
    client: Vec<Step>,
    #[serde(default)]
    server: Vec<Step>,
}

impl Timeline {
    /// Those of one end.
    pub fn of(&self, side: Side) -> &[Step] {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }
}

/// A state that a kernel entered.
#[derive(Clone, Deserialize)]
pub struct Step {
    #[serde(deserialize_with = "moment")]
    pub time: Timestamp,
    /// As the truth file spells it: `SYN_RCVD`.
    pub state: String,
    pub source: StepSource,
}

/// How a step is known.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepSource {
    /// The kernel told.
    Kernel,
    /// A frame at that host's own tap.
    Wire,
    /// A sample of the socket table, some milliseconds late.
    Diag,
    /// From what came after.
    Inferred,
}

impl Step {
    /// The RFC's name of the state.
    pub fn name(&self) -> String {
        match self.state.as_str() {
            "SYN_RCVD" => "SYN-RECEIVED".to_owned(),
            state => state.replace('_', "-"),
        }
    }
}

fn yes() -> bool {
    true
}

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    f64::deserialize(deserializer).map(from_seconds)
}

fn maybe_moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.map(from_seconds))
}

/// Truth files round to microseconds, which a float of today's seconds still holds.
fn from_seconds(seconds: f64) -> Timestamp {
    Timestamp((seconds * 1e6).round() as i64 * 1_000)
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Endpoint, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_endpoint(&text).ok_or_else(|| serde::de::Error::custom(format!("{text} is no ip:port")))
}

/// `ip:port`, an IPv6 address with or without brackets.
fn parse_endpoint(text: &str) -> Option<Endpoint> {
    let (ip, port) = text.rsplit_once(':')?;
    let ip: IpAddr = ip.trim_matches(['[', ']']).parse().ok()?;
    Some(Endpoint::new(ip, port.parse().ok()?))
}

/// The ends of a connection, whichever of them is asked for first.
pub fn pair(ends: Sides<Endpoint>) -> (Endpoint, Endpoint) {
    (ends.client.min(ends.server), ends.client.max(ends.server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_ways_to_write_an_ipv6_endpoint() {
        let expected = Endpoint::new("fd91:2::2".parse().unwrap(), 54498);
        assert_eq!(parse_endpoint("fd91:2::2:54498"), Some(expected));
        assert_eq!(parse_endpoint("[fd91:2::2]:54498"), Some(expected));
        assert_eq!(parse_endpoint("10.0.0.1"), None);
    }

    #[test]
    fn keeps_microseconds_of_today() {
        assert_eq!(from_seconds(1795227107.573028), Timestamp(1_795_227_107_573_028_000));
    }
}
