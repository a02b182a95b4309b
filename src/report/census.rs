//! Sockets over time: charts for people, rows and records for programs.

use std::io::{self, Write};
use std::net::IpAddr;

use super::json::Json;
use super::layout::{Canvas, columns, left, wrap};
use super::quantity::{count, counted, duration};
use super::record::{Address, SCHEMA, Word};
use super::style::Role;
use crate::base::{Endpoint, Timestamp};
use crate::connection::{Profile, State};
use crate::finding::PopulationThresholds;
use crate::population::{AtLimit, Level, Pile, Population, PortUse};

/// Whose sockets are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// All of a host.
    Host,
    /// The server's of a service.
    Service,
    /// A client's toward one destination.
    Destination,
}

impl Grouping {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Grouping::Host => "host",
            Grouping::Service => "service",
            Grouping::Destination => "destination",
        }
    }
}

/// A group and its sockets.
struct Group<'a> {
    host: IpAddr,
    service: Option<Endpoint>,
    pile: &'a Pile,
    ports: Option<PortUse>,
    at_limit: Option<AtLimit>,
}

impl Group<'_> {
    fn name(&self, by: Grouping) -> String {
        match (by, self.service) {
            (Grouping::Destination, Some(service)) => format!("{} → {service}", self.host),
            (_, Some(service)) => service.to_string(),
            (_, None) => self.host.to_string(),
        }
    }
}

/// The groups that had a socket, and the sockets of groups that were too many to keep.
fn groups<'a>(population: &'a Population, by: Grouping, hosts: &[IpAddr]) -> (Vec<Group<'a>>, u64) {
    let (groups, let_go): (Vec<Group<'a>>, u64) = match by {
        Grouping::Host => {
            let all = population.hosts.sorted().into_iter();
            let of = |(host, pile)| Group { host, service: None, pile, ports: None, at_limit: None };
            (all.map(of).collect(), population.hosts.let_go())
        }
        Grouping::Service => {
            let all = population.services.sorted().into_iter();
            let of = |(service, pile): (Endpoint, _)| Group {
                host: service.ip,
                service: Some(service),
                pile,
                ports: None,
                at_limit: None,
            };
            (all.map(of).collect(), population.services.let_go())
        }
        Grouping::Destination => {
            let all = population.destinations.sorted().into_iter();
            let of = |((host, service), pile)| Group {
                host,
                service: Some(service),
                pile,
                ports: PortUse::of(population, pile),
                at_limit: AtLimit::of(population, pile, PopulationThresholds::default().ports_share_out),
            };
            (all.map(of).collect(), population.destinations.let_go())
        }
    };
    let is_asked_for = |group: &Group<'_>| {
        let of_service = group.service.is_some_and(|service| hosts.contains(&service.ip));
        hosts.is_empty() || hosts.contains(&group.host) || of_service
    };
    (groups.into_iter().filter(|group| group.pile.sockets > 0 && is_asked_for(group)).collect(), let_go)
}

/// Groups that are shown in text, those with most sockets.
const GROUPS_SHOWN: usize = 12;
const LABEL_WIDTH: usize = 14;
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Prints a chart of every state of every group.
///
/// # Errors
/// `out` could not be written.
pub fn census(
    out: &mut impl Write,
    canvas: &Canvas,
    population: &Population,
    by: Grouping,
    hosts: &[IpAddr],
) -> io::Result<()> {
    let (mut groups, let_go) = groups(population, by, hosts);
    let (Some((from, to)), false) = (population.span, groups.is_empty()) else {
        let asked: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        match asked.as_slice() {
            [] => writeln!(out, "No sockets.")?,
            _ => writeln!(out, "No sockets of {} in the whole capture.", asked.join(", "))?,
        }
        return out.flush();
    };
    groups.sort_by_key(|group| (std::cmp::Reverse(group.pile.sockets), group.host, group.service));
    let clock = &canvas.clock;
    let title = format!("{}, {} from {}", by.name().to_uppercase(), duration(to.since(from)), clock.date_time(from));
    writeln!(out, "{}", canvas.palette.paint(Role::Heading, title))?;
    for group in groups.iter().take(GROUPS_SHOWN) {
        writeln!(out)?;
        write_group(out, canvas, (from, to), group, (by, &population.profile))?;
    }
    let rest = groups.len().saturating_sub(GROUPS_SHOWN);
    if rest > 0 {
        let hint = format!("and {} with fewer sockets: --host IP, or --format csv", counted(rest as u64, "group"));
        writeln!(out, "\n{}", canvas.palette.paint(Role::Faint, hint))?;
    }
    if let_go > 0 {
        let hint = format!("{} in groups that were too many to keep", counted(let_go, "socket"));
        writeln!(out, "\n{}", canvas.palette.paint(Role::Faint, hint))?;
    }
    out.flush()
}

fn write_group(
    out: &mut impl Write,
    canvas: &Canvas,
    (from, to): (Timestamp, Timestamp),
    group: &Group<'_>,
    (by, profile): (Grouping, &Profile),
) -> io::Result<()> {
    let pile = group.pile;
    let levels: Vec<Level> = pile.series().levels().collect();
    let name = canvas.palette.paint(Role::Name, group.name(by));
    let interval = duration(pile.series().interval_ns());
    let sockets = counted(pile.sockets, "socket");
    writeln!(out, "{name}")?;
    writeln!(out, "  {sockets} in all, counted every {interval}")?;
    let mut in_passing = Vec::new();
    let mut rows = Vec::new();
    for state in State::ALL {
        let peak = pile.peak(state);
        let entered = pile.entered[state as usize];
        if peak.sockets > 0 {
            let now = levels.last().map_or(0, |level| level.of(state));
            let words = format!("{} at {}, {} at the end", count(peak.sockets), time(canvas, peak.at), count(now));
            rows.push((state, words));
        } else if entered > 0 {
            in_passing.push(format!("{state} {}", count(entered)));
        }
    }
    let words_width = rows.iter().map(|(_, words)| columns(words)).max().unwrap_or_default();
    let width = canvas.width.saturating_sub(2 + LABEL_WIDTH + 2 + words_width).max(1);
    for (state, words) in rows {
        let bars = chart(&levels, (from, to), width, |level| level.of(state));
        writeln!(out, "  {}{bars}  {words}", left(state.name(), LABEL_WIDTH))?;
    }
    if !in_passing.is_empty() {
        prose(out, canvas, &format!("within an interval: {}", in_passing.join(", ")))?;
    }
    let closers = pile.closers;
    if closers.total() > 0 {
        let [client, server, both] = [closers.client, closers.server, closers.both].map(count);
        prose(out, canvas, &format!("closed first: client {client}, server {server}, both at once {both}"))?;
    }
    if let Some(words) = time_wait_words(pile, profile) {
        prose(out, canvas, &words)?;
    }
    if pile.attempts.reused > 0 && by != Grouping::Host {
        let [all, illegally] = [pile.attempts.reused, pile.attempts.reused_illegally].map(count);
        let words = format!(
            "four numbers taken out of TIME-WAIT: {all}, of them {illegally} with neither a higher number nor a newer \
             timestamp"
        );
        prose(out, canvas, &words)?;
    }
    let waiting: Vec<String> = WAITING.into_iter().filter_map(|state| longest(pile, state)).collect();
    if !waiting.is_empty() {
        prose(out, canvas, &format!("longest: {}", waiting.join(", ")))?;
    }
    if let Some(ports) = group.ports {
        prose(out, canvas, &port_words(canvas, &ports, group.at_limit.as_ref()))?;
    }
    Ok(())
}

/// States that wait for somebody; how long shows who does not come.
const WAITING: [State; 4] = [State::SynReceived, State::FinWait2, State::CloseWait, State::LastAck];
/// Shorter waits are round trips, ns.
const WAITED_NS_MIN: i64 = 1_000_000_000;

/// `CLOSE-WAIT 5min (stream 12)`.
fn longest(pile: &Pile, state: State) -> Option<String> {
    let example = pile.longest(state).first().filter(|example| example.lasted_ns >= WAITED_NS_MIN)?;
    Some(format!("{state} {} (stream {})", duration(example.lasted_ns), example.stream))
}

/// So few TIME-WAITs make no rate.
const RATE_MIN: u64 = 10;

/// The rate of the densest stretch times the duration of TIME-WAIT, for this profile and for others, and what there
/// would be with connections that stay open.
fn time_wait_words(pile: &Pile, profile: &Profile) -> Option<String> {
    let stretch = pile.densest(State::TimeWait, profile.time_wait_ns).filter(|stretch| stretch.count >= RATE_MIN)?;
    let rate = stretch.per_second();
    let held =
        |wait_ns: i64| format!("{} in {}", count((rate * wait_ns as f64 / 1e9).round() as u64), duration(wait_ns));
    let mut others: Vec<Profile> = vec![Profile::MACOS, Profile::LINUX, Profile::WINDOWS, Profile::RFC];
    others.retain(|other| other.time_wait_ns != profile.time_wait_ns);
    let others: Vec<String> =
        others.iter().map(|other| format!("{} ({})", held(other.time_wait_ns), other.name)).collect();
    let open = pile.peak(State::Established).sockets.max(1);
    Some(format!(
        "TIME-WAIT: {rate:.1} a second entered at most, going on like this {}; with other stacks {}; none if the other \
         side closed first; kept open, about {}",
        held(profile.time_wait_ns),
        others.join(", "),
        counted(open, "connection")
    ))
}

fn port_words(canvas: &Canvas, ports: &PortUse, at_limit: Option<&AtLimit>) -> String {
    let mut words = format!(
        "ports: {} of {} in use at most ({:.1} %), {} of them in TIME-WAIT; {:.1} new a second at most, {:.1} can go on for ever",
        count(ports.peak.sockets),
        count(ports.range),
        ports.share() * 100.0,
        count(ports.waiting),
        ports.stretch.per_second(),
        ports.allowed_per_second()
    );
    if let Some(at) = ports.runs_out {
        let after = duration(at.since(ports.stretch.from));
        words.push_str(&format!("; at this rate they run out {after} after {}", time(canvas, ports.stretch.from)));
    }
    if let Some(at_limit) = at_limit {
        let (lasted, from) = (duration(at_limit.lasted_ns), time(canvas, at_limit.from));
        words.push_str(&format!("; none was free for {lasted} from {from} on: {} began", count(at_limit.begun)));
        if at_limit.failed() > 0 {
            words.push_str(&format!(", {} failed visibly", count(at_limit.failed())));
        }
        if at_limit.missing > 0 {
            words.push_str(&format!(", about {} fewer than at the rate of before", count(at_limit.missing)));
        }
    }
    words
}

fn prose(out: &mut impl Write, canvas: &Canvas, words: &str) -> io::Result<()> {
    for (index, line) in wrap(words, canvas.width - 4).iter().enumerate() {
        writeln!(out, "  {}{line}", if index == 0 { "" } else { "  " })?;
    }
    Ok(())
}

/// `03:31:00.123`: intervals are no finer.
fn time(canvas: &Canvas, moment: Timestamp) -> String {
    let time = canvas.clock.time(moment);
    time[..time.len() - 3].to_owned()
}

/// The highest level within each of `width` equal parts of the time, as bars; the least that is not nothing shows.
fn chart(levels: &[Level], (from, to): (Timestamp, Timestamp), width: usize, of: impl Fn(&Level) -> u64) -> String {
    let span = i128::from(to.since(from)).max(1);
    let place = |time: Timestamp| {
        let passed = i128::from(time.since(from)).clamp(0, span - 1);
        usize::try_from(passed * width as i128 / span).unwrap_or(0)
    };
    let mut heights = vec![0; width];
    for (index, level) in levels.iter().enumerate() {
        let height = of(level);
        let until = levels.get(index + 1).map_or(width, |next| place(next.from));
        let first = place(level.from);
        for column in &mut heights[first..until.max(first + 1)] {
            *column = height.max(*column);
        }
    }
    let most = heights.iter().copied().max().unwrap_or(0).max(1);
    let top = BARS.len() as u64 - 1;
    heights
        .iter()
        .map(|&height| BARS[(u128::from(height) * u128::from(top)).div_ceil(u128::from(most)) as usize])
        .collect()
}

/// Writes a row for every interval in which something changed.
///
/// # Errors
/// `out` could not be written.
pub fn census_csv(out: &mut impl Write, population: &Population, by: Grouping, hosts: &[IpAddr]) -> io::Result<()> {
    let states: Vec<String> =
        State::OF_SOCKETS.iter().map(|state| state.name().to_ascii_lowercase().replace('-', "_")).collect();
    writeln!(out, "host,service,time,interval_ns,{},total,opened,failed", states.join(","))?;
    for Group { host, service, pile, .. } in groups(population, by, hosts).0 {
        let service = service.map(|service| service.to_string()).unwrap_or_default();
        let interval_ns = pile.series().interval_ns();
        for level in pile.series().levels() {
            write!(out, "{host},{service},{},{interval_ns}", level.to)?;
            State::OF_SOCKETS.iter().try_for_each(|&state| write!(out, ",{}", level.of(state)))?;
            writeln!(out, ",{},{},{}", level.total(), level.born, level.failed)?;
        }
    }
    out.flush()
}

/// Sockets by the name of their state, those that there are.
struct States<'a>(&'a Level);

impl serde::Serialize for States<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let present = State::OF_SOCKETS.iter().map(|&state| (state.name(), self.0.of(state)));
        serializer.collect_map(present.filter(|&(_, sockets)| sockets > 0))
    }
}

#[derive(serde::Serialize)]
struct CensusRecord {
    r#type: &'static str,
    schema: u32,
    by: &'static str,
    from: Option<Word<Timestamp>>,
    to: Option<Word<Timestamp>>,
    groups: usize,
    let_go: u64,
}

#[derive(serde::Serialize)]
struct GroupRecord {
    r#type: &'static str,
    host: IpAddr,
    service: Option<Address>,
    interval_ns: i64,
    sockets: u64,
    peak: u64,
    peak_time: Word<Timestamp>,
    closed_first: ClosedFirst,
    attempts: AttemptsRecord,
    ports: Option<PortsRecord>,
}

#[derive(serde::Serialize)]
struct ClosedFirst {
    client: u64,
    server: u64,
    both: u64,
}

#[derive(serde::Serialize)]
struct AttemptsRecord {
    opened: u64,
    half_open: u64,
    unanswered: u64,
    reused: u64,
    reused_illegally: u64,
    renewed: u64,
    refused: u64,
    challenged: u64,
}

#[derive(serde::Serialize)]
struct PortsRecord {
    range: u64,
    peak: u64,
    peak_time: Word<Timestamp>,
    in_time_wait: u64,
    held_ns: i64,
    opened_per_second: f64,
    allowed_per_second: f64,
    runs_out: Option<Word<Timestamp>>,
    at_limit: Option<AtLimitRecord>,
}

#[derive(serde::Serialize)]
struct AtLimitRecord {
    from: Word<Timestamp>,
    to: Word<Timestamp>,
    lasted_ns: i64,
    opened: u64,
    renewed: u64,
    unanswered: u64,
    refused: u64,
    challenged: u64,
    missing: u64,
}

impl From<AtLimit> for AtLimitRecord {
    fn from(at_limit: AtLimit) -> Self {
        let AtLimit { from, to, lasted_ns, begun, renewed, unanswered, refused, challenged, missing } = at_limit;
        Self {
            from: Word(from),
            to: Word(to),
            lasted_ns,
            opened: begun,
            renewed,
            unanswered,
            refused,
            challenged,
            missing,
        }
    }
}

impl PortsRecord {
    fn of(ports: PortUse, at_limit: Option<AtLimit>) -> Self {
        let tenths = |number: f64| (number * 10.0).round() / 10.0;
        Self {
            range: ports.range,
            peak: ports.peak.sockets,
            peak_time: Word(ports.peak.at),
            in_time_wait: ports.waiting,
            held_ns: ports.held_ns,
            opened_per_second: tenths(ports.stretch.per_second()),
            allowed_per_second: tenths(ports.allowed_per_second()),
            runs_out: ports.runs_out.map(Word),
            at_limit: at_limit.map(AtLimitRecord::from),
        }
    }
}

#[derive(serde::Serialize)]
struct LevelRecord<'a> {
    r#type: &'static str,
    host: IpAddr,
    service: Option<Address>,
    time: Word<Timestamp>,
    states: States<'a>,
    total: u64,
    opened: u32,
    failed: u32,
}

/// Writes a record for the census, one for every group, and one for every interval in which something changed.
///
/// # Errors
/// The output could not be written.
pub fn census_json<W: Write>(
    mut json: Json<W>,
    population: &Population,
    by: Grouping,
    hosts: &[IpAddr],
) -> io::Result<()> {
    let (groups, let_go) = groups(population, by, hosts);
    json.record(CensusRecord {
        r#type: "census",
        schema: SCHEMA,
        by: by.name(),
        from: population.span.map(|(from, _)| Word(from)),
        to: population.span.map(|(_, to)| Word(to)),
        groups: groups.len(),
        let_go,
    })?;
    for Group { host, service, pile, ports, at_limit } in groups {
        let peak = pile.series().peak();
        let (closers, attempts) = (pile.closers, pile.attempts);
        json.record(GroupRecord {
            r#type: "group",
            host,
            service: service.map(Address::from),
            interval_ns: pile.series().interval_ns(),
            sockets: pile.sockets,
            peak: peak.sockets,
            peak_time: Word(peak.at),
            closed_first: ClosedFirst { client: closers.client, server: closers.server, both: closers.both },
            attempts: AttemptsRecord {
                opened: attempts.opened,
                half_open: attempts.half_open,
                unanswered: attempts.unanswered,
                reused: attempts.reused,
                reused_illegally: attempts.reused_illegally,
                renewed: attempts.renewed,
                refused: attempts.refused,
                challenged: attempts.challenged,
            },
            ports: ports.map(|ports| PortsRecord::of(ports, at_limit)),
        })?;
        for level in pile.series().levels() {
            json.record(LevelRecord {
                r#type: "level",
                host,
                service: service.map(Address::from),
                time: Word(level.to),
                states: States(&level),
                total: level.total(),
                opened: level.born,
                failed: level.failed,
            })?;
        }
    }
    json.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Side;
    use crate::connection::{Connection, Lifecycle};
    use crate::population::{Departure, Tally};
    use crate::report::sample::{assert_fits, assert_golden};
    use crate::report::style::Palette;
    use crate::source::script::segments;

    const SECOND_NS: i64 = 1_000_000_000;

    /// Forty connections that their client closes, two a second, and what is left of them 10 s later.
    fn population() -> Population {
        let profile = Profile::LINUX;
        let mut tally = Tally::new(profile, SECOND_NS);
        for n in 0..40_u16 {
            let text = format!(
                "start 2026-11-21T03:31:00Z\nclient 10.0.0.1:{}\n{:.1} client > SYN\nserver > SYN ACK\nclient > ACK\n\
                 client > FIN ACK\nserver > FIN ACK\nclient > ACK",
                40_000 + n,
                f64::from(n) / 2.0
            );
            let segments = segments(&text).unwrap();
            let mut connection = Connection::new(u64::from(n), &segments[0], None);
            segments.iter().for_each(|segment| connection.step(segment));
            let horizon = connection.start.plus((40 - i64::from(n)) * SECOND_NS / 2 + 10 * SECOND_NS);
            tally.take(&connection, &Lifecycle::of(&connection, horizon, profile), Departure::Over);
        }
        tally.finish()
    }

    #[test]
    fn every_group_has_charts_of_its_states() {
        for width in [80, 200] {
            for by in [Grouping::Service, Grouping::Destination] {
                let canvas = Canvas::new(width, Palette::Plain, jiff::tz::TimeZone::UTC);
                let mut out = Vec::new();
                census(&mut out, &canvas, &population(), by, &[]).unwrap();
                let text = String::from_utf8(out).unwrap();
                assert_fits(&text, width);
                assert_golden(&format!("census-{}-{width}", by.name()), &text);
            }
        }
    }

    #[test]
    fn rows_and_records_count_the_same_sockets() {
        let (mut csv, mut json) = (Vec::new(), Vec::new());
        census_csv(&mut csv, &population(), Grouping::Host, &[]).unwrap();
        census_json(Json::lines(&mut json), &population(), Grouping::Host, &[]).unwrap();
        let csv = String::from_utf8(csv).unwrap();
        let mut rows = csv.lines();
        let names: Vec<&str> = rows.next().unwrap().split(',').collect();
        let column = |name: &str| names.iter().position(|other| *other == name).unwrap();
        let waits = |row: &str| row.split(',').nth(column("time_wait")).unwrap().parse::<u64>().unwrap();
        let of_client: Vec<u64> = rows.filter(|row| row.starts_with("10.0.0.1,")).map(waits).collect();
        assert_eq!((of_client.len(), of_client.first(), of_client.last()), (20, Some(&2), Some(&40)));
        let records: Vec<serde_json::Value> =
            String::from_utf8(json).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let levels = records.iter().filter(|record| record["type"] == "level" && record["host"] == "10.0.0.1");
        let told: Vec<u64> = levels.map(|record| record["states"]["TIME-WAIT"].as_u64().unwrap()).collect();
        assert_eq!(told, of_client);
        assert_eq!(records[0]["groups"], 2);
        assert_eq!(records[1]["closed_first"][Side::Client.name()], 40);
    }

    #[test]
    fn only_the_hosts_that_are_asked_for_are_told() {
        let server: IpAddr = "10.0.0.2".parse().unwrap();
        let mut out = Vec::new();
        census_csv(&mut out, &population(), Grouping::Host, &[server]).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().skip(1).all(|row| row.starts_with("10.0.0.2,")), "{text}");
        let canvas = Canvas::new(80, Palette::Plain, jiff::tz::TimeZone::UTC);
        let mut out = Vec::new();
        census(&mut out, &canvas, &Tally::new(Profile::LINUX, 1).finish(), Grouping::Host, &[]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "No sockets.\n");
        let mut out = Vec::new();
        census(&mut out, &canvas, &population(), Grouping::Host, &["10.0.0.9".parse().unwrap()]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "No sockets of 10.0.0.9 in the whole capture.\n");
    }
}
