//! SQL as words and signs, read while the program is compiled.

/// A word, a quoted text or a sign: where it begins and ends.
#[derive(Clone, Copy)]
pub(super) struct Token {
    pub start: usize,
    pub end: usize,
}

impl Token {
    /// Whether the text had ended before it.
    pub(super) const fn is_end(self) -> bool {
        self.start == self.end
    }

    pub(super) const fn is_word(self, sql: &[u8]) -> bool {
        !self.is_end() && in_word(sql[self.start])
    }

    pub(super) const fn is_sign(self, sql: &[u8], sign: u8) -> bool {
        !self.is_end() && sql[self.start] == sign
    }
}

const fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

/// The next word, quoted text or sign from there on.
pub(super) const fn next(sql: &[u8], mut start: usize) -> Token {
    while start < sql.len() && sql[start].is_ascii_whitespace() {
        start += 1;
    }
    let mut end = start;
    if start == sql.len() {
        return Token { start, end };
    }
    if in_word(sql[start]) {
        while end < sql.len() && in_word(sql[end]) {
            end += 1;
        }
    } else if sql[start] == b'\'' {
        end += 1;
        while end < sql.len() && sql[end] != b'\'' {
            end += 1;
        }
        end = if end < sql.len() { end + 1 } else { end };
    } else {
        end += 1;
    }
    Token { start, end }
}

/// Whether it is this word, in capitals or not.
pub(super) const fn is(sql: &[u8], token: Token, word: &str) -> bool {
    let word = word.as_bytes();
    if token.end - token.start != word.len() {
        return false;
    }
    let mut at = 0;
    while at < word.len() {
        if !sql[token.start + at].eq_ignore_ascii_case(&word[at]) {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether two words are the same.
pub(super) const fn same(sql: &[u8], one: Token, other: Token) -> bool {
    if one.end - one.start != other.end - other.start {
        return false;
    }
    let mut at = 0;
    while at < one.end - one.start {
        if !sql[one.start + at].eq_ignore_ascii_case(&sql[other.start + at]) {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether there are quoted names or comments, in which words would be misread.
pub(super) const fn hides(sql: &[u8]) -> bool {
    let mut at = 0;
    while at < sql.len() {
        let pair = if at + 1 < sql.len() { sql[at + 1] } else { 0 };
        let comment = (sql[at] == b'-' && pair == b'-') || (sql[at] == b'/' && pair == b'*');
        if comment || matches!(sql[at], b'"' | b'`' | b'[') {
            return true;
        }
        at += 1;
    }
    false
}
