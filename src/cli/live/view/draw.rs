//! Draws the model. Sober: one screen, text that a monochrome terminal shows as well; colour only for what costs somebody.

use ratatui::Frame;
use ratatui::buffer::Cell;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline};

use super::findings;
use super::model::{Life, Model, Page, Row, Sample, TREND_SECONDS};
use crate::base::{Side, Sides};
use crate::cli::charset::plainest;
use crate::cli::live::view::screen::Look;
use crate::connection::State;
use crate::finding::Severity;
use crate::report::{clipped, clipped_in_middle, count, octets};

/// States worth a line: those of sockets, and CLOSED for what has just ended.
const STATES_SHOWN: usize = State::OF_SOCKETS.len() + 1;

/// Lines of the list of findings on a small terminal, and one more for every few lines beyond.
const FINDING_LINES: u16 = 5;
/// The height of a small terminal.
const SMALL_LINES: u16 = 24;

const HELP: &str = "\
 lastack live: the sockets behind the frames of one interface

   ↑ ↓ PgUp PgDn    choose a connection
   Enter            its segments, with both ends' states beside them
   f                all findings in full
   /                filter by words that must all match: an address or how it
                    begins, a port, a state, a finding, the number of a stream
   s                sort by newest, findings, bytes, state
   Esc              clear filter and choice; leave a page
   p, space         stand still; frames are still analysed
   q, Ctrl-C        end, with the report of what was seen

 STATES counts the ends of connections, clients and servers (srv), by what
 their packets imply.
 TREND is the last minute. \"ports\" are client ports in use toward one
 server, of the fullest pair; when they run out, connect() fails with
 EADDRNOTAVAIL.
 FINDINGS: first what holds now across connections (sockets that pile up,
 ports that run out), then the newest of single ones, told when a connection
 has settled for a moment. What is said when it has ended is the last word.";

/// Draws everything.
pub fn draw(model: &Model, look: &Look, frame: &mut Frame<'_>) {
    let [title, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(frame.area());
    draw_title(model, frame, title);
    match &model.page {
        Page::Overview => overview(model, look, frame, body),
        Page::Help => frame.render_widget(Paragraph::new(HELP), body),
        Page::Findings { top } => {
            let lines = findings::in_full(model, look, body.width);
            frame.render_widget(Paragraph::new(lines.into_iter().skip(*top).collect::<Vec<_>>()), body);
        }
        Page::Ladder { lines, top, .. } => {
            let shown: Vec<Line<'_>> = lines.iter().skip(*top).map(|line| Line::raw(line.as_str())).collect();
            frame.render_widget(Paragraph::new(shown), body);
        }
    }
    let keys = match &model.page {
        Page::Overview if model.is_typing => format!(" filter: {}_", model.filter),
        Page::Overview => " q end  p pause  / filter  s sort  ↑↓ choose  Enter segments  f findings  ? help".to_owned(),
        Page::Help => " any key: back".to_owned(),
        Page::Findings { .. } => {
            " Esc back  ↑↓ PgUp PgDn scroll  q end   (lastack explain NAME says what to do)".to_owned()
        }
        Page::Ladder { .. } => " Esc back  ↑↓ scroll  q end".to_owned(),
    };
    frame.render_widget(Paragraph::new(keys).style(look.faint()), foot);
    if look.is_ascii {
        let beyond = |cell: &&mut Cell| !cell.symbol().is_ascii();
        for cell in frame.buffer_mut().content.iter_mut().filter(beyond) {
            let plain = cell.symbol().chars().next().map_or(' ', plainest);
            cell.set_char(plain);
        }
    }
}

fn draw_title(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let seconds = model.elapsed.as_secs();
    let time = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let rate = model.trend.back().map_or(0, |sample| sample.frames);
    let dropped = model.counters.dropped_by_kernel + model.counters.dropped_by_interface;
    let over = model.census.over.min(model.live);
    let pause = if model.is_paused { "  PAUSED" } else { "" };
    let title = format!(
        " lastack {}  {time}{pause}  {} frames, {}/s  {} dropped  {} open, {} ended",
        model.interface,
        count(model.frames),
        count(rate),
        count(dropped),
        count(model.live - over),
        count(model.ended + over),
    );
    frame.render_widget(Paragraph::new(title).style(Modifier::REVERSED), area);
}

fn overview(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) {
    let states = STATES_SHOWN.div_ceil(2) as u16 + 1;
    let known = u16::try_from(model.standing.len() + model.findings.len()).unwrap_or(u16::MAX);
    let listed = known.clamp(FINDING_LINES, FINDING_LINES + area.height.saturating_sub(SMALL_LINES) / 3);
    let [numbers, findings, table] =
        Layout::vertical([Constraint::Length(states), Constraint::Length(listed + 1), Constraint::Min(3)]).areas(area);
    let [left, right] = Layout::horizontal([Constraint::Length(50), Constraint::Min(20)]).areas(numbers);
    draw_states(model, look, frame, left);
    draw_trends(model, look, frame, right);
    draw_findings(model, look, frame, findings);
    draw_table(model, look, frame, table);
}

fn draw_states(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) {
    let head = format!(" {:<11}{:>6}{:>6} {:<11}{:>6}{:>6}", "STATES", "client", "srv", "", "client", "srv");
    let head = Line::styled(head, look.heading());
    let cell = |state: State| {
        let Sides { client, server } = model.census.of(state);
        let text = format!("{:<12}{:>5} {:>5}", state.name(), short(client), short(server));
        let worth_a_look = matches!(state, State::CloseWait) && server + client > 0;
        let style = match client + server {
            0 => look.faint(),
            _ if worth_a_look => look.severity(Severity::Warning),
            _ => Style::new(),
        };
        Span::styled(text, style)
    };
    let states: Vec<State> = State::OF_SOCKETS.into_iter().chain([State::Closed]).collect();
    let (first, second) = states.split_at(STATES_SHOWN.div_ceil(2));
    let rows =
        first.iter().zip(second).map(|(&one, &other)| Line::from(vec![" ".into(), cell(one), " ".into(), cell(other)]));
    let lines: Vec<Line<'_>> = std::iter::once(head).chain(rows).collect();
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_trends(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) {
    type Value = fn(&Sample) -> u64;
    const TRENDS: [(&str, Value); 5] = [
        ("frames/s", |sample| sample.frames),
        ("opened/s", |sample| sample.opened),
        ("TIME-WAIT", |sample| sample.time_wait),
        ("CLOSE-WAIT", |sample| sample.close_wait),
        ("ports", |sample| sample.ports),
    ];
    let head = Line::styled("TREND, last minute", look.heading());
    frame.render_widget(Paragraph::new(head), Rect { height: 1.min(area.height), ..area });
    for (index, (name, value)) in TRENDS.iter().enumerate() {
        let y = area.y + 1 + index as u16;
        if y >= area.bottom() {
            return;
        }
        let line = Rect { y, height: 1, ..area };
        let [label, bars] = Layout::horizontal([Constraint::Length(18), Constraint::Min(4)]).areas(line);
        let newest = model.trend.back().map_or(0, value);
        frame.render_widget(Paragraph::new(format!("{name:<11}{:>6}", short(newest))), label);
        let width = usize::from(bars.width).min(TREND_SECONDS);
        let values: Vec<u64> = model.trend.iter().map(value).collect();
        let newest = &values[values.len().saturating_sub(width)..];
        frame.render_widget(Sparkline::default().data(newest), bars);
    }
}

fn draw_findings(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) {
    let standing = match model.standing.len() {
        0 => String::new(),
        some => format!(", {} across connections hold now", count(some as u64)),
    };
    let mut lines = vec![Line::styled(format!(" FINDINGS  {}{standing}", count(model.finding_count)), look.heading())];
    let room = usize::from(area.height).saturating_sub(1);
    let most = if model.findings.iter().any(|told| told.stream.is_some()) { room / 2 + 1 } else { room };
    lines.extend(model.standing.iter().take(most).map(|found| findings::standing(found, look, area.width)));
    let newest = model.findings.iter().rev().filter(|told| told.stream.is_some() || model.standing.is_empty());
    lines.extend(
        newest.take((room + 1).saturating_sub(lines.len())).map(|told| findings::newest(told, look, area.width)),
    );
    if lines.len() == 1 {
        lines.push(Line::styled(" none yet", look.faint()));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_table(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) {
    let shown = model.shown();
    let filter = if model.filter.is_empty() { String::new() } else { format!(", filter \"{}\"", model.filter) };
    let head = format!(
        " CONNECTIONS  {} of {}, by {}{filter}",
        count(shown.len() as u64),
        count(model.row_count() as u64),
        model.sort.name()
    );
    let columns = Columns::fitting(area.width);
    let mut lines = vec![
        Line::styled(head, look.heading()),
        Line::styled(columns.line(["stream", "client", "server", "states", "bytes", "finding"]), look.faint()),
    ];
    let room = usize::from(area.height).saturating_sub(lines.len());
    let at = model.selected.and_then(|selected| shown.iter().position(|row| row.stream == selected));
    let top = at.map_or(0, |at| at.saturating_sub(room.saturating_sub(1)));
    lines.extend(shown.iter().skip(top).take(room).map(|row| row_line(row, &columns, model, look)));
    frame.render_widget(Paragraph::new(lines), area);
}

fn row_line(row: &Row, columns: &Columns, model: &Model, look: &Look) -> Line<'static> {
    let states = Side::BOTH.map(|side| abbreviated(row.states[side])).join("/");
    let finding = row.worst.map_or("", |(_, name)| name);
    let text = columns.line([
        &row.stream.to_string(),
        &row.client.to_string(),
        &row.server.to_string(),
        &states,
        &octets(row.bytes),
        finding,
    ]);
    let style = match row.worst {
        Some((severity, _)) => look.severity(severity),
        None if row.life == Life::Over => look.faint(),
        None => Style::new(),
    };
    let chosen = model.selected == Some(row.stream);
    Line::styled(text, if chosen { style.add_modifier(Modifier::REVERSED) } else { style })
}

/// Widths of the table's columns.
struct Columns([usize; 6]);

impl Columns {
    /// Addresses take what is there; beside those of IPv4 the finding does.
    fn fitting(width: u16) -> Self {
        const FIXED: usize = 1 + 7 + 1 + 1 + 1 + 9 + 1 + 8 + 1;
        let room = usize::from(width).saturating_sub(FIXED);
        let address = (room * 3 / 10).clamp(15, 47);
        let finding = room.saturating_sub(2 * address).max(10);
        Self([7, address, address, 9, 8, finding])
    }

    fn line(&self, cells: [&str; 6]) -> String {
        let mut line = String::from(" ");
        for (index, (cell, &width)) in cells.iter().zip(&self.0).enumerate() {
            // Of an address both its beginning and the port matter.
            let cell = if matches!(index, 1 | 2) { clipped_in_middle(cell, width) } else { clipped(cell, width) };
            let is_number = matches!(index, 0 | 4);
            line.push_str(&if is_number { format!("{cell:>width$} ") } else { format!("{cell:<width$} ") });
        }
        line.trim_end().to_owned()
    }
}

/// Four letters for a state, as in the table's narrow column.
const fn abbreviated(state: State) -> &'static str {
    match state {
        State::Closed => "-",
        State::Listen => "LIST",
        State::SynSent => "SYNS",
        State::SynReceived => "SYNR",
        State::Established => "EST",
        State::FinWait1 => "FW1",
        State::FinWait2 => "FW2",
        State::CloseWait => "CW",
        State::Closing => "CLSG",
        State::LastAck => "LACK",
        State::TimeWait => "TW",
    }
}

/// At most five columns: `12345`, `123k`, `12M`.
fn short(number: u64) -> String {
    match number {
        0..=99_999 => number.to_string(),
        100_000..=9_999_999 => format!("{}k", number / 1_000),
        _ => format!("{}M", number / 1_000_000),
    }
}

impl Look {
    pub(super) fn heading(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn faint(&self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn severity(&self, severity: Severity) -> Style {
        match (severity, self.is_coloured) {
            (Severity::Error, true) => Style::new().fg(Color::Red),
            (Severity::Warning, true) => Style::new().fg(Color::Yellow),
            (Severity::Error, false) => Style::new().add_modifier(Modifier::BOLD),
            (Severity::Warning, false) | (Severity::Note, _) => Style::new(),
        }
    }
}
