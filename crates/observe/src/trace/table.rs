//! A CSV file whose first line names its columns. It is not trusted: every error names file, line, column and value.

use super::TraceError;
use std::{
    fs::File,
    path::{Path, PathBuf},
    str::FromStr,
};

/// The largest file of a fleet's trace that is read. The largest at hand has 8 MB.
const BYTES_MAX: u64 = 1 << 30;
/// Letters of a wrong value that an error repeats.
const VALUE_MAX: usize = 40;

pub(super) struct Table {
    path: PathBuf,
    reader: csv::Reader<File>,
    columns: csv::StringRecord,
    record: csv::StringRecord,
    line: u64,
}

impl Table {
    pub(super) fn open(path: PathBuf) -> Result<Self, TraceError> {
        let file = File::open(&path).map_err(|source| TraceError::Io { path: path.clone(), source })?;
        let bytes = file.metadata().map_err(|source| TraceError::Io { path: path.clone(), source })?.len();
        if bytes > BYTES_MAX {
            return Err(TraceError::TooLarge { path, bytes, most: BYTES_MAX });
        }
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let columns = reader.headers().map_err(|source| TraceError::Line { path: path.clone(), line: 1, source })?.clone();
        Ok(Self { path, reader, columns, record: csv::StringRecord::new(), line: 1 })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|name| name == column)
    }

    /// The place of a column that must be there.
    pub(super) fn column(&self, column: &'static str) -> Result<Column, TraceError> {
        let place = self.columns.iter().position(|name| name == column);
        place.map(|place| Column { place, name: column }).ok_or_else(|| TraceError::NoColumn { path: self.path.clone(), column })
    }

    /// The place of a column that some versions of the file have.
    pub(super) fn maybe(&self, column: &'static str) -> Result<Option<Column>, TraceError> {
        if self.has(column) { self.column(column).map(Some) } else { Ok(None) }
    }

    /// Goes to the next line, if there is one.
    pub(super) fn next(&mut self) -> Result<bool, TraceError> {
        self.line = self.reader.position().line();
        self.reader.read_record(&mut self.record).map_err(|source| TraceError::Line { path: self.path.clone(), line: self.line, source })
    }

    pub(super) fn text(&self, column: Column) -> &str {
        self.record.get(column.place).unwrap_or_default()
    }

    /// The value of `column`, which holds `expected`.
    pub(super) fn value<T: FromStr>(&self, column: Column, expected: &'static str) -> Result<T, TraceError> {
        self.text(column).parse().map_err(|_| self.wrong(column, expected))
    }

    /// A whole number of zero or more, at most `most`.
    pub(super) fn number(&self, column: Column, most: u64) -> Result<u64, TraceError> {
        let number: u64 = self.value(column, "a whole number of zero or more")?;
        if number <= most { Ok(number) } else { Err(self.wrong(column, "a number of this world")) }
    }

    pub(super) fn wrong(&self, column: Column, expected: &'static str) -> TraceError {
        let value = self.text(column).chars().take(VALUE_MAX).collect();
        TraceError::Value { path: self.path.clone(), line: self.line, column: column.name, value, expected }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Column {
    place: usize,
    name: &'static str,
}
