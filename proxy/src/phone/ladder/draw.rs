//! The ladder as text.

use super::layout::{TIME_WIDTH, columns};
use super::{Ladder, Mark, Step};
use crate::phone::terminal::{Terminal, Tone};
use crate::phone::wrap::wrapped;

/// One character of a row.
#[derive(Clone, Copy)]
struct Cell {
    shown: char,
    tone: Tone,
}

const BLANK: Cell = Cell {
    shown: ' ',
    tone: Tone::Plain,
};

pub(super) fn draw(ladder: &Ladder, terminal: Terminal) -> String {
    let pen = Pen {
        terminal,
        columns: columns(ladder, terminal.width),
    };
    let start = ladder.steps.first().map_or(0.0, |step| step.at);
    let mut text = String::new();
    pen.titles(ladder, &mut text);
    for step in &ladder.steps {
        match step.mark {
            Mark::Arrow { from, to } => pen.arrow(step, from, to, true, start, &mut text),
            Mark::Lost { from, to } => pen.arrow(step, from, to, false, start, &mut text),
            Mark::Note { lane } => pen.note(step, lane, &mut text),
        }
    }
    text
}

struct Pen {
    terminal: Terminal,
    columns: Vec<usize>,
}

impl Pen {
    fn titles(&self, ladder: &Ladder, text: &mut String) {
        let mut names = self.blank();
        let mut details = self.blank();
        write(&mut details, TIME_WIDTH - 4, "ms", Tone::Faint);
        for (lane, column) in ladder.lanes.iter().zip(&self.columns) {
            let centred = |title: &str| column.saturating_sub(title.chars().count() / 2);
            write(&mut names, centred(&lane.name), &lane.name, Tone::Strong);
            write(
                &mut details,
                centred(&lane.detail),
                &lane.detail,
                Tone::Faint,
            );
        }
        self.finish(&names, text);
        self.finish(&details, text);
    }

    fn arrow(
        &self,
        step: &Step,
        from: usize,
        to: usize,
        arrives: bool,
        start: f64,
        text: &mut String,
    ) {
        let mut row = self.lanes();
        write(
            &mut row,
            0,
            &format!("{:>width$.1}", step.at - start, width = TIME_WIDTH - 2),
            Tone::Faint,
        );
        let (Some(&tail), Some(&head)) = (self.columns.get(from), self.columns.get(to)) else {
            return;
        };
        let (left, right) = (tail.min(head), tail.max(head));
        let line = self.terminal.either('─', '-');
        for column in left + 1..right {
            let crossing = self.columns.contains(&column);
            let shown = if crossing {
                self.terminal.either('┼', '+')
            } else {
                line
            };
            put(&mut row, column, shown, step.tone);
        }
        let rightwards = head > tail;
        let tip = match (arrives, rightwards) {
            (true, true) => self.terminal.either('▶', '>'),
            (true, false) => self.terminal.either('◀', '<'),
            (false, _) => self.terminal.either('✗', 'x'),
        };
        put(
            &mut row,
            if rightwards { right - 1 } else { left + 1 },
            tip,
            step.tone,
        );
        // `-- label ->` and `<- label --`: the text stands in the same column both ways.
        let room = (right - left).saturating_sub(super::layout::ARROW_EXTRA - 1);
        let label = shortened(&self.sayable(&step.text), room, self.terminal);
        if !label.is_empty() {
            write(&mut row, left + 3, &format!(" {label} "), step.tone);
        }
        self.finish(&row, text);
    }

    fn note(&self, step: &Step, lane: usize, text: &mut String) {
        let indent = self.columns.get(lane).copied().unwrap_or(TIME_WIDTH) + 4;
        let room = self.terminal.width.saturating_sub(indent + 1).max(20);
        for line in wrapped(&self.sayable(&step.text), room) {
            let mut row = self.lanes();
            write(&mut row, indent - 1, &format!(" {line} "), step.tone);
            self.finish(&row, text);
        }
    }

    /// An empty row with its lanes.
    fn lanes(&self) -> Vec<Cell> {
        let mut row = self.blank();
        for column in &self.columns {
            put(
                &mut row,
                *column,
                self.terminal.either('│', '|'),
                Tone::Faint,
            );
        }
        row
    }

    fn blank(&self) -> Vec<Cell> {
        vec![
            BLANK;
            self.terminal
                .width
                .max(self.columns.last().copied().unwrap_or_default() + 1)
        ]
    }

    /// What the terminal can show of a text from elsewhere.
    fn sayable(&self, text: &str) -> String {
        text.chars()
            .map(|c| {
                let shown = !c.is_control() && (self.terminal.unicode || c.is_ascii());
                if shown { c } else { '?' }
            })
            .collect()
    }

    fn finish(&self, row: &[Cell], text: &mut String) {
        let length = row
            .iter()
            .rposition(|cell| cell.shown != ' ')
            .map_or(0, |last| last + 1);
        let row = row.get(..length).unwrap_or_default();
        for run in row.chunk_by(|a, b| a.tone == b.tone) {
            let shown: String = run.iter().map(|cell| cell.shown).collect();
            text.push_str(
                &self
                    .terminal
                    .paint(run.first().map_or(Tone::Plain, |cell| cell.tone), &shown),
            );
        }
        text.push('\n');
    }
}

fn put(row: &mut [Cell], column: usize, shown: char, tone: Tone) {
    if let Some(cell) = row.get_mut(column) {
        *cell = Cell { shown, tone };
    }
}

fn write(row: &mut [Cell], column: usize, text: &str, tone: Tone) {
    for (offset, shown) in text.chars().enumerate() {
        put(row, column + offset, shown, tone);
    }
}

/// Cut to `room` characters.
fn shortened(text: &str, room: usize, terminal: Terminal) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let ellipsis = terminal.either("…", "..");
    let kept: String = text
        .chars()
        .take(room.saturating_sub(ellipsis.chars().count()))
        .collect();
    kept.trim_end().to_owned() + ellipsis
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_labels_end_in_an_ellipsis() {
        let terminal = Terminal {
            width: 80,
            unicode: true,
            colour: false,
        };
        assert_eq!(
            shortened("487 Request Terminated", 30, terminal),
            "487 Request Terminated"
        );
        assert_eq!(
            shortened("487 Request Terminated", 13, terminal),
            "487 Request…"
        );
        assert_eq!(
            shortened(
                "487 Request Terminated",
                6,
                Terminal {
                    unicode: false,
                    ..terminal
                }
            ),
            "487.."
        );
    }
}
