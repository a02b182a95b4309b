//! The terminal that the view is drawn on.

use std::io;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use super::draw::draw;
use super::findings::in_full;
use super::keys::press;
use super::model::{Model, Page};
use crate::analysis::Analysis;
use crate::cli::charset::lacks_utf8;
use crate::cli::live::shared::Shared;
use crate::report::{Canvas, Clock, Detail, LadderInput, Palette, SegmentLog, ladder};

/// The view is drawn anew so often, and at once after a key.
const DRAW_EVERY: Duration = Duration::from_millis(250);

/// How the view looks.
#[derive(Clone, Debug)]
pub struct Look {
    /// Colours are wanted.
    pub is_coloured: bool,
    /// The terminal knows no more than ASCII.
    pub is_ascii: bool,
    /// The clock of the times shown.
    pub clock: Clock,
    /// Text of ladders.
    pub canvas: Canvas,
}

impl Look {
    /// As `canvas` is.
    pub fn new(canvas: &Canvas) -> Self {
        let plain = Canvas { palette: Palette::Plain, ..canvas.clone() };
        let (is_coloured, is_ascii) = (canvas.palette == Palette::Ansi, lacks_utf8());
        Self { is_coloured, is_ascii, clock: canvas.clock.clone(), canvas: plain }
    }
}

/// The terminal in its alternate screen; as it was when this is dropped.
pub struct Screen {
    terminal: DefaultTerminal,
    look: Look,
    model: Shared<Model>,
    /// What is shown while the view stands still.
    frozen: Option<Box<Model>>,
    drawn: Option<Instant>,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// It is none, or does not do what it is told.
    pub fn open(model: Shared<Model>, look: Look) -> io::Result<Self> {
        Ok(Self { terminal: ratatui::try_init()?, look, model, frozen: None, drawn: None })
    }

    /// Takes the keys that wait, and draws if it is time to.
    ///
    /// # Errors
    /// Those of the terminal.
    pub fn tick(&mut self, analysis: &Analysis<'_>) -> io::Result<()> {
        let mut is_pressed = false;
        while event::poll(Duration::ZERO)? {
            let happened = event::read()?;
            is_pressed = true;
            if let Event::Key(key) = happened
                && key.kind != KeyEventKind::Release
            {
                match &mut self.frozen {
                    Some(frozen) => press(frozen, key),
                    None => self.model.with(|model| press(model, key)),
                }
                self.stand_still_or_go_on();
            }
        }
        self.open_wanted(analysis)?;
        self.stay_on_page()?;
        if is_pressed || self.drawn.is_none_or(|drawn| drawn.elapsed() >= DRAW_EVERY) {
            self.drawn = Some(Instant::now());
            let Self { terminal, look, model, frozen, .. } = self;
            match frozen {
                Some(frozen) => terminal.draw(|frame| draw(frozen, look, frame)).map(drop)?,
                None => model.with(|model| terminal.draw(|frame| draw(model, look, frame)).map(drop))?,
            }
        }
        Ok(())
    }

    /// The user wants to end.
    pub fn is_leaving(&self) -> bool {
        self.frozen.as_ref().is_some_and(|frozen| frozen.is_leaving) || self.model.with(|model| model.is_leaving)
    }

    fn stand_still_or_go_on(&mut self) {
        match &self.frozen {
            None => self.frozen = self.model.with(|model| model.is_paused.then(|| Box::new(model.clone()))),
            Some(frozen) if !frozen.is_paused => {
                self.model.with(|model| model.choose_as(frozen));
                self.frozen = None;
            }
            Some(_) => {}
        }
    }

    /// Nobody scrolls past the end of the findings: the way back would be as long.
    fn stay_on_page(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        let Self { look, model, frozen, .. } = self;
        let stay = |model: &mut Model| {
            if let Page::Findings { top } = model.page {
                let lines = in_full(model, look, size.width).len();
                model.page =
                    Page::Findings { top: top.min(lines.saturating_sub(usize::from(size.height.saturating_sub(2)))) };
            }
        };
        match frozen {
            Some(frozen) => stay(frozen),
            None => model.with(stay),
        }
        Ok(())
    }

    /// Writes out the ladder of the stream that the user wants to see.
    fn open_wanted(&mut self, analysis: &Analysis<'_>) -> io::Result<()> {
        let width = usize::from(self.terminal.size()?.width);
        let Self { look, model, frozen, .. } = self;
        let open = |model: &mut Model| match model.wanted.take() {
            Some(stream) => ladder_of(model, analysis, stream, &Canvas { width, ..look.canvas.clone() }),
            None => Ok(()),
        };
        match frozen {
            Some(frozen) => open(frozen),
            None => model.with(open),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Puts the ladder of a stream on the page, from the segments that are still there.
pub fn ladder_of(model: &mut Model, analysis: &Analysis<'_>, stream: u64, canvas: &Canvas) -> io::Result<()> {
    let Some(row) = model.row(stream) else { return Ok(()) };
    let (client, server) = (row.client, row.server);
    let alive = analysis.table().between(client, server).filter(|connection| connection.stream == stream);
    let verdict = alive.map(|connection| analysis.judge(&connection)).or_else(|| model.verdict_of(stream).cloned());
    let Some(verdict) = verdict else { return Ok(()) };
    let mut log = SegmentLog::default();
    let own = |frame: u64| (verdict.first_frame..=verdict.last_frame).contains(&frame);
    model.segments_between(client, server).filter(|segment| own(segment.frame.0)).for_each(|segment| log.push(segment));
    let mut text = Vec::new();
    ladder(&mut text, canvas, &LadderInput { verdict: &verdict, log: &log, late: &[], detail: Detail::Elided })?;
    let lines = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
    model.page = Page::Ladder { stream, lines, top: 0 };
    Ok(())
}
