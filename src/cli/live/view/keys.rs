//! What each key does to the model.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::model::{Model, Page, Sort};

/// Lines that a page up or down moves.
const PAGE_LINES: usize = 15;

/// Takes one key.
pub fn press(model: &mut Model, key: KeyEvent) {
    // In raw mode Ctrl-C is a key and no signal.
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        model.is_leaving = true;
        return;
    }
    if model.is_typing {
        type_filter(model, key.code);
        return;
    }
    match (&mut model.page, key.code) {
        (_, KeyCode::Char('q')) => model.is_leaving = true,
        (Page::Overview, KeyCode::Char('?') | KeyCode::F(1)) => model.page = Page::Help,
        (Page::Help, _) => model.page = Page::Overview,
        (Page::Ladder { .. }, KeyCode::Esc | KeyCode::Enter | KeyCode::Backspace) => model.page = Page::Overview,
        (Page::Ladder { lines, top, .. }, code) => {
            let last = lines.len().saturating_sub(1);
            *top = match code {
                KeyCode::Up => top.saturating_sub(1),
                KeyCode::Down => (*top + 1).min(last),
                KeyCode::PageUp => top.saturating_sub(PAGE_LINES),
                KeyCode::PageDown | KeyCode::Char(' ') => (*top + PAGE_LINES).min(last),
                KeyCode::Home => 0,
                KeyCode::End => last,
                _ => *top,
            };
        }
        (Page::Findings { .. }, KeyCode::Esc | KeyCode::Enter | KeyCode::Backspace | KeyCode::Char('f')) => {
            model.page = Page::Overview;
        }
        (Page::Findings { top }, code) => {
            *top = match code {
                KeyCode::Up => top.saturating_sub(1),
                KeyCode::Down => *top + 1,
                KeyCode::PageUp => top.saturating_sub(PAGE_LINES),
                KeyCode::PageDown | KeyCode::Char(' ') => *top + PAGE_LINES,
                KeyCode::Home => 0,
                _ => *top,
            };
        }
        (Page::Overview, KeyCode::Char('f')) => model.page = Page::Findings { top: 0 },
        (Page::Overview, KeyCode::Char('p' | ' ')) => model.is_paused = !model.is_paused,
        (Page::Overview, KeyCode::Char('/')) => model.is_typing = true,
        (Page::Overview, KeyCode::Char('s')) => {
            let at = Sort::ALL.iter().position(|sort| *sort == model.sort).unwrap_or(0);
            model.sort = Sort::ALL[(at + 1) % Sort::ALL.len()];
        }
        (Page::Overview, KeyCode::Esc) => {
            model.filter.clear();
            model.selected = None;
        }
        (Page::Overview, KeyCode::Enter) => model.wanted = model.selected,
        (Page::Overview, KeyCode::Up) => step(model, |at, _| at.map_or(0, |at| at.saturating_sub(1))),
        (Page::Overview, KeyCode::Down) => step(model, |at, last| at.map_or(0, |at| (at + 1).min(last))),
        (Page::Overview, KeyCode::PageUp) => step(model, |at, _| at.map_or(0, |at| at.saturating_sub(PAGE_LINES))),
        (Page::Overview, KeyCode::PageDown) => step(model, |at, last| (at.unwrap_or(0) + PAGE_LINES).min(last)),
        (Page::Overview, KeyCode::Home) => step(model, |_, _| 0),
        (Page::Overview, KeyCode::End) => step(model, |_, last| last),
        (Page::Overview, _) => {}
    }
}

fn type_filter(model: &mut Model, code: KeyCode) {
    match code {
        KeyCode::Enter => model.is_typing = false,
        KeyCode::Esc => {
            model.is_typing = false;
            model.filter.clear();
        }
        KeyCode::Backspace => {
            model.filter.pop();
        }
        KeyCode::Char(character) if model.filter.len() < 60 => model.filter.push(character),
        _ => {}
    }
}

/// Moves the selection to where `to` says, given the place of the present one and the last.
fn step(model: &mut Model, to: impl FnOnce(Option<usize>, usize) -> usize) {
    let streams: Vec<u64> = model.shown().iter().map(|row| row.stream).collect();
    let Some(last) = streams.len().checked_sub(1) else { return };
    let at = model.selected.and_then(|selected| streams.iter().position(|stream| *stream == selected));
    model.selected = streams.get(to(at, last)).copied();
}
