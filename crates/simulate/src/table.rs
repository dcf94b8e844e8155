//! Tables of text: what is wrong is refused with file, line and value.

const LINES_MAX: usize = 5_000_000;

/// Why a file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A column is missing.
    #[error("{file} line 1: there is no column `{column}`; the first line must name the columns, {expected} among them")]
    NoColumn {
        /// The file.
        file: String,
        /// The column.
        column: &'static str,
        /// The columns that must be there.
        expected: String,
    },
    /// A value is not what it must be.
    #[error("{file} line {line}: {what} is `{value}`, expected {expected}")]
    Value {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// Column or part of the line.
        what: &'static str,
        /// The value, cut short where it is long.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// A line is no line of the table.
    #[error("{file} line {line}: {why}; expected as many fields as the first line has")]
    Line {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// It is not what a file of its kind is.
    #[error("{file}: {why}")]
    Form {
        /// The file.
        file: String,
        /// What is wrong, and where.
        why: String,
    },
    /// There is nothing in it.
    #[error("{file} has no line of {what}; expected at least one")]
    Empty {
        /// The file.
        file: String,
        /// Nodes, pods or orders.
        what: &'static str,
    },
    /// A seed has no order.
    #[error("{file} has no order for seed {seed}; it has {}", have.iter().map(u64::to_string).collect::<Vec<_>>().join(", "))]
    NoSeed {
        /// The file.
        file: String,
        /// The seed.
        seed: u64,
        /// The seeds that it has.
        have: Vec<u64>,
    },
}

/// A table of text with named columns.
pub(crate) struct Table<'t> {
    file: &'t str,
    text: &'t str,
    columns: csv::StringRecord,
}

pub(crate) struct Row<'t> {
    file: &'t str,
    columns: &'t csv::StringRecord,
    fields: csv::StringRecord,
    pub line: u64,
}

impl<'t> Table<'t> {
    /// The table in `text`; `file` is its name, for messages.
    pub fn new(text: &'t str, file: &'t str, needed: &[&'static str]) -> Result<Self, ReadError> {
        let columns = csv::Reader::from_reader(text.as_bytes())
            .headers()
            .map_err(|error| ReadError::Line { file: file.to_owned(), line: 1, why: error.to_string() })?
            .clone();
        match needed.iter().find(|column| !columns.iter().any(|have| have == **column)) {
            Some(column) => Err(ReadError::NoColumn { file: file.to_owned(), column, expected: needed.join(", ") }),
            None => Ok(Self { file, text, columns }),
        }
    }

    /// Its lines.
    pub fn rows(&'t self) -> Result<Vec<Row<'t>>, ReadError> {
        let mut rows = Vec::new();
        for record in csv::Reader::from_reader(self.text.as_bytes()).into_records() {
            let line = |error: &csv::Error| error.position().map_or(rows.len() as u64 + 2, csv::Position::line);
            let fields = record.map_err(|error| ReadError::Line { file: self.file.to_owned(), line: line(&error), why: why(&error) })?;
            let line = fields.position().map_or(rows.len() as u64 + 2, csv::Position::line);
            if rows.len() >= LINES_MAX {
                return Err(ReadError::Line { file: self.file.to_owned(), line, why: format!("more than {LINES_MAX} lines") });
            }
            rows.push(Row { file: self.file, columns: &self.columns, fields, line });
        }
        Ok(rows)
    }
}

fn why(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!("there are {len} fields, not {expected_len}"),
        _ => error.to_string(),
    }
}

impl Row<'_> {
    /// The text in a column; empty where there is no such column.
    pub fn text(&self, column: &str) -> &str {
        self.columns.iter().position(|have| have == column).and_then(|at| self.fields.get(at)).unwrap_or("").trim()
    }

    /// The value of a column is refused.
    pub fn wrong(&self, what: &'static str, expected: impl Into<String>) -> ReadError {
        ReadError::Value { file: self.file.to_owned(), line: self.line, what, value: cut(self.text(what)), expected: expected.into() }
    }

    /// A whole number in a column.
    pub fn number(&self, column: &'static str, least: u64, most: u64) -> Result<u64, ReadError> {
        let number: Option<u64> = self.text(column).parse().ok();
        number.filter(|number| (least..=most).contains(number)).ok_or_else(|| match most {
            u64::MAX => self.wrong(column, format!("a whole number, {least} or more")),
            _ => self.wrong(column, format!("a whole number from {least} to {most}")),
        })
    }

    /// Something of the line is refused.
    pub fn refuses(&self, what: &'static str, value: &str, expected: &str) -> ReadError {
        ReadError::Value { file: self.file.to_owned(), line: self.line, what, value: cut(value), expected: expected.to_owned() }
    }
}

/// At most 60 characters of a value.
pub(crate) fn cut(value: &str) -> String {
    if value.chars().count() > 60 { value.chars().take(60).chain(['…']).collect() } else { value.to_owned() }
}
