//! Lines of a text of any length, one at a time and each of bounded length.

use std::io::{self, BufRead};

/// Longest line that is read, bytes. An API server takes objects of up to 3 MiB (`MaxRequestBodyBytes`); an audit event may hold one
/// twice, as it was asked for and as it was made.
pub(crate) const LINE_MAX: usize = 8 << 20;

/// What stands on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text<'a> {
    /// Its bytes, without the line break.
    Whole(&'a [u8]),
    /// It is longer than [`LINE_MAX`], and was passed over unread.
    TooLong,
}

/// Reads lines. It holds one of them at a time.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    from: R,
    number: u64,
    held: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// Of `from`, from here to its end.
    pub(crate) fn new(from: R) -> Self {
        Self { from, number: 0, held: Vec::new() }
    }

    /// The next line with its number, from 1; none: there is no more.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Text<'_>)>> {
        self.held.clear();
        let (mut is_any, mut is_long) = (false, false);
        loop {
            let part = match self.from.fill_buf() {
                Ok(part) => part,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if part.is_empty() {
                break;
            }
            is_any = true;
            let end = part.iter().position(|&byte| byte == b'\n');
            let own = &part[..end.unwrap_or(part.len())];
            is_long |= self.held.len() + own.len() > LINE_MAX;
            if !is_long {
                self.held.extend_from_slice(own);
            }
            let used = end.map_or(part.len(), |end| end + 1);
            self.from.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !is_any {
            return Ok(None);
        }
        self.number += 1;
        Ok(Some((self.number, if is_long { Text::TooLong } else { Text::Whole(&self.held) })))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::io::{BufReader, Read as _};

    #[test]
    fn lines_come_one_by_one_and_a_long_one_leaves_the_others() {
        let long = io::repeat(b'x').take(LINE_MAX as u64 + 1);
        let text = b"a\n\n".chain(long).chain(&b"\nlast"[..]);
        let mut lines = Lines::new(BufReader::with_capacity(7, text));
        let mut read = Vec::new();
        while let Some((number, text)) = lines.next().unwrap() {
            read.push((number, if let Text::Whole(bytes) = text { Some(String::from_utf8_lossy(bytes).into_owned()) } else { None }));
        }
        assert_eq!(read, [(1, Some("a".to_owned())), (2, Some(String::new())), (3, None), (4, Some("last".to_owned()))]);
        assert!(lines.held.capacity() <= 2 * LINE_MAX);
    }
}
