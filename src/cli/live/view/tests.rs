//! What the view shows, drawn on a terminal in memory, and what keys do to it. `UPDATE_GOLDEN=1` writes the screens anew, to be
//! read before they are committed.

use std::path::Path;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::draw::draw;
use super::keys::press;
use super::model::{Feed, Model, Page, Sort};
use super::screen::{Look, ladder_of};
use crate::analysis::{Analysis, Options};
use crate::base::{Endpoint, Timestamp};
use crate::cli::live::shared::Shared;
use crate::cli::live::watch::{Turn, settled};
use crate::finding::{Confidence, Severity};
use crate::report::{Canvas, FindingEvent, Palette, PopulationFinding, Sink};
use crate::source::live::Counters;
use crate::source::script::parse;

/// A connection that the client aborts, one whose server never closes, one that is refused, one between long addresses.
const TRACE: &str = "\
       client > SYN <mss 1460>
       server > SYN ACK <mss 1460>
       client > ACK
       client > data 100
       server > ACK
       client > RST ACK
b.client 10.0.0.1:40001
b.client > SYN <mss 1460>
b.server > SYN ACK <mss 1460>
b.client > ACK
b.client > FIN ACK
b.server > ACK
c.client 10.0.0.1:40002
c.client > SYN
c.server > RST ACK
d.client [2001:db8:85a3:1234:5678:8a2e:370:7334]:40003
d.server [2001:db8:85a3:1234:5678:8a2e:370:1]:443
d.client > SYN <mss 1440>
d.server > SYN ACK <mss 1440>
d.client > ACK
";

fn look() -> Look {
    Look { is_ascii: false, ..Look::new(&Canvas::new(80, Palette::Plain, jiff::tz::TimeZone::UTC)) }
}

/// A model of the trace, half a minute after the beginning, and its analysis.
fn with_model<T>(work: impl FnOnce(&mut Model, &Analysis<'_>) -> T) -> T {
    let items = parse(TRACE).unwrap();
    let mut nowhere = Feed(Shared::new(Model::new("")));
    let mut analysis = Analysis::new(&Options::default(), &mut nowhere);
    for item in &items {
        analysis.advance(item.time()).unwrap();
        analysis.take(&mut vec![*item]).unwrap();
    }
    let model = Shared::new(Model::new("eth0"));
    let mut feed = Feed(model.clone());
    let mut connections: Vec<_> = analysis.table().connections().collect();
    connections.sort_by_key(|connection| connection.stream);
    for connection in &connections {
        let verdict = analysis.judge(connection);
        for finding in settled(&verdict) {
            let (stream, client, server) = (verdict.stream, verdict.client, verdict.server);
            feed.event(&FindingEvent { stream, client, server, finding: finding.clone() }).unwrap();
        }
        model.with(|model| model.see(connection, &verdict, Turn::Round));
    }
    model.with(|model| {
        model.keep(&items);
        model.round(&[]);
        for second in 1..=30 {
            let frames = second * second * 40;
            let mut dropped = Counters::default();
            dropped.dropped_by_kernel = 7;
            model.advance(Duration::from_secs(second), frames, dropped, (second * 3, 4));
        }
        work(model, &analysis)
    })
}

fn screen(model: &Model, width: u16, height: u16) -> String {
    screen_as(model, &look(), width, height)
}

fn screen_as(model: &Model, look: &Look, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(model, look, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        format!("{}\n", line.trim_end())
    };
    (0..height).map(line).collect()
}

/// Holds `actual` to the file `golden/NAME.txt` beside this one.
fn assert_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/cli/live/view/golden/{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == actual, "{} differs; it should be\n{expected}\nand is\n{actual}", path.display());
}

fn type_keys(model: &mut Model, keys: &[KeyCode]) {
    keys.iter().for_each(|&code| press(model, KeyEvent::new(code, KeyModifiers::NONE)));
}

#[test]
fn the_overview_fits_the_smallest_terminal_and_uses_a_larger_one() {
    with_model(|model, _| {
        assert_golden("overview-80x24", &screen(model, 80, 24));
        assert_golden("overview-120x30", &screen(model, 120, 30));
        // Nothing to see, and no room to see it in.
        let nothing = Model::new("lo");
        assert_golden("nothing-80x24", &screen(&nothing, 80, 24));
        for (width, height) in [(1, 1), (20, 5), (79, 3), (240, 80)] {
            assert_eq!(screen(model, width, height).lines().count(), usize::from(height));
        }
    });
}

#[test]
fn a_terminal_without_utf8_is_shown_every_column_in_ascii() {
    with_model(|model, _| {
        let plain = screen_as(model, &Look { is_ascii: true, ..look() }, 120, 30);
        let drawn = screen(model, 120, 30);
        assert!(!drawn.is_ascii() && plain.is_ascii(), "{plain}");
        let columns = |text: &str| text.lines().map(|line| line.chars().count()).collect::<Vec<_>>();
        assert_eq!(columns(&plain), columns(&drawn));
        assert!(plain.ends_with(" q end  p pause  / filter  s sort  ^v choose  Enter segments  f findings  ? help\n"));
    });
}

/// What holds across connections.
fn standing(name: &'static str, severity: Severity, message: &str) -> PopulationFinding {
    let host = "10.0.0.2".parse().unwrap();
    PopulationFinding {
        name,
        severity,
        confidence: Confidence::High,
        host,
        service: Some(Endpoint::new(host, 80)),
        owner: None,
        from: Timestamp(0),
        to: Timestamp(30_000_000_000),
        peak: None,
        per_second: None,
        limit: None,
        runs_out: None,
        streams: Vec::new(),
        frames: Vec::new(),
        message: message.to_owned(),
    }
}

#[test]
fn a_connection_that_was_reset_is_open_no_more_though_more_may_come_of_it() {
    let title = with_model(|model, _| screen(model, 80, 24).lines().next().unwrap_or_default().to_owned());
    assert!(title.contains("2 open, 2 ended"), "{title}");
}

#[test]
fn what_holds_now_comes_first_and_a_page_has_the_whole_sentences() {
    with_model(|model, _| {
        let ports = "27,702 of 28,232 ports (98 %) toward 10.0.0.2:80 were in use at 2026-11-21T03:31:00Z, 27,001 of them in \
                     TIME-WAIT; connect() fails while none is free";
        let waits = "56 sockets of the service 10.0.0.2:80 are in CLOSE-WAIT and not being closed, the oldest for 50 s";
        let found = [
            standing("port-exhaustion", Severity::Error, ports),
            standing("close-wait-accumulation", Severity::Warning, waits),
        ];
        model.round(&found);
        model.find_across(&found[0]);
        assert_golden("standing-80x24", &screen(model, 80, 24));
        type_keys(model, &[KeyCode::Char('f')]);
        assert_golden("findings-80x24", &screen(model, 80, 24));
        type_keys(model, &[KeyCode::Down, KeyCode::PageDown, KeyCode::Up, KeyCode::Char('f')]);
        assert_eq!(model.page, Page::Overview);
    });
}

#[test]
fn help_and_ladder_are_pages_that_one_leaves() {
    with_model(|model, analysis| {
        type_keys(model, &[KeyCode::Char('?')]);
        assert_golden("help-80x24", &screen(model, 80, 24));
        type_keys(model, &[KeyCode::Char('x')]);
        assert_eq!(model.page, Page::Overview);
        type_keys(model, &[KeyCode::Char('/'), KeyCode::Char('0'), KeyCode::Enter, KeyCode::Down, KeyCode::Enter]);
        let stream = model.wanted.take().expect("a stream to be shown");
        assert_eq!(stream, 0);
        ladder_of(model, analysis, stream, &look().canvas).unwrap();
        let shown = screen(model, 80, 24);
        for words in ["lastack eth0", "stream 0  10.0.0.1:40000 → 10.0.0.2:80", "RST ACK", "Esc back"] {
            assert!(shown.contains(words), "no {words}: {shown}");
        }
        type_keys(model, &[KeyCode::End, KeyCode::PageUp, KeyCode::Esc]);
        assert_eq!(model.page, Page::Overview);
    });
}

#[test]
fn the_table_is_filtered_sorted_and_stepped_through() {
    with_model(|model, _| {
        let streams = |model: &Model| model.shown().iter().map(|row| row.stream).collect::<Vec<u64>>();
        assert_eq!(streams(model), [3, 2, 1, 0]);
        model.sort = Sort::Bytes;
        assert_eq!(streams(model)[0], 0);
        model.sort = Sort::Findings;
        assert_eq!(streams(model)[0], 2, "the error first");
        for (filter, found) in [
            ("10.0.0.1", vec![2, 1, 0]),
            ("443", vec![3]),
            ("2001:db8:85", vec![3]),
            ("close-wait", vec![1]),
            ("linger 10.0.0.1", vec![0]),
            ("nothing-like-it", vec![]),
        ] {
            model.sort = Sort::Newest;
            filter.clone_into(&mut model.filter);
            assert_eq!(streams(model), found, "{filter}");
        }
        model.filter.clear();
        type_keys(model, &[KeyCode::Down, KeyCode::Down, KeyCode::Down]);
        assert_eq!(model.selected, Some(1));
        type_keys(model, &[KeyCode::End]);
        assert_eq!(model.selected, Some(0));
        type_keys(model, &[KeyCode::Up, KeyCode::Home]);
        assert_eq!(model.selected, Some(3));
        type_keys(model, &[KeyCode::Char('s')]);
        assert_eq!(model.sort, Sort::Findings);
        type_keys(model, &[KeyCode::Char('/'), KeyCode::Char('q'), KeyCode::Backspace, KeyCode::Esc]);
        assert!(!model.is_leaving && model.filter.is_empty());
        type_keys(model, &[KeyCode::Char('p')]);
        assert!(model.is_paused);
        press(model, KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(model.is_leaving);
    });
}
