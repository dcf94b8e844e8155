//! Lines, styles and bars of a given width. What is written here is measured before it is coloured.

use crate::words;
use anstyle::{AnsiColor, Style};

/// A style by what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Strong,
    Quiet,
    Good,
    Warn,
    Name,
}

impl Ink {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Quiet => Style::new().dimmed(),
            Self::Good => colour(AnsiColor::Green).bold(),
            Self::Warn => colour(AnsiColor::Yellow),
            Self::Name => colour(AnsiColor::Cyan).bold(),
        }
    }
}

/// A piece of a line.
pub(crate) type Piece = (Ink, String);

/// What is written so far.
#[derive(Debug)]
pub(crate) struct Paper {
    out: String,
    pub(crate) width: usize,
    colour: bool,
}

impl Paper {
    pub(crate) fn new(width: usize, colour: bool) -> Self {
        Self { out: String::new(), width, colour }
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    fn put(&mut self, (ink, text): &Piece) {
        let style = ink.style();
        if self.colour && !style.is_plain() && !text.trim().is_empty() {
            self.out.push_str(&format!("{style}{text}{style:#}"));
        } else {
            self.out.push_str(text);
        }
    }

    /// A line of pieces. Nothing trails.
    pub(crate) fn line(&mut self, pieces: impl IntoIterator<Item = Piece>) {
        let mut pieces: Vec<Piece> = pieces.into_iter().collect();
        while let Some((_, last)) = pieces.last_mut() {
            last.truncate(last.trim_end().len());
            if !last.is_empty() {
                break;
            }
            pieces.pop();
        }
        pieces.iter().for_each(|piece| self.put(piece));
        self.out.push('\n');
    }

    /// An empty line.
    pub(crate) fn gap(&mut self) {
        self.out.push('\n');
    }

    /// A section's name.
    pub(crate) fn heading(&mut self, text: &str) {
        self.gap();
        self.line([(Ink::Strong, text.to_owned())]);
    }

    /// Text, broken to fit, indented.
    pub(crate) fn text(&mut self, indent: usize, ink: Ink, text: &str) {
        for line in words::wrap(text, self.width - indent) {
            self.line([(Ink::Plain, " ".repeat(indent)), (ink, line)]);
        }
    }

    /// Text that hangs from `head`: its further lines are indented by the head's width.
    pub(crate) fn hung(&mut self, head: &[Piece], ink: Ink, text: &str) {
        let indent = head.iter().map(|piece| piece.1.chars().count()).sum::<usize>();
        let mut lines = words::wrap(text, self.width.saturating_sub(indent)).into_iter();
        self.line(head.iter().cloned().chain(lines.next().map(|first| (ink, first))));
        for line in lines {
            self.line([(Ink::Plain, " ".repeat(indent)), (ink, line)]);
        }
    }

    /// A command or patch as it is to be typed: its lines are kept, never broken, and at most `lines_max` shown.
    pub(crate) fn code(&mut self, indent: usize, code: &str, lines_max: usize) {
        let lines: Vec<&str> = code.trim_end().lines().collect();
        for line in lines.iter().take(lines_max) {
            self.line([(Ink::Plain, " ".repeat(indent)), (Ink::Name, words::clean(line))]);
        }
        if lines.len() > lines_max {
            self.line([(Ink::Plain, " ".repeat(indent)), (Ink::Quiet, "…".to_owned())]);
        }
    }
}

/// A bar of `cells` characters for a `part` of `whole`, in eighths of a character.
pub(crate) fn bar(part: f64, whole: f64, cells: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 };
    let mut eighths = (share * cells as f64 * 8.0).round() as usize;
    if part > 0.0 {
        eighths = eighths.max(1);
    }
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share() {
        assert_eq!(bar(1.0, 1.0, 4), "████");
        assert_eq!(bar(0.5, 1.0, 3), "█▌");
        assert_eq!(bar(1.0, 1_000.0, 4), "▏");
        assert_eq!(bar(0.0, 1.0, 4), "");
        assert_eq!(bar(1.0, 0.0, 4), "▏");
    }

    #[test]
    fn without_colour_there_is_no_escape() {
        let mut plain = Paper::new(80, false);
        let mut coloured = Paper::new(80, true);
        for paper in [&mut plain, &mut coloured] {
            paper.heading("x");
        }
        assert!(!plain.finish().contains('\u{1b}'));
        assert!(coloured.finish().contains('\u{1b}'));
    }
}
