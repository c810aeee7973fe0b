//! A SELECT, UPDATE or DELETE: which tables it names, and which of them its conditions bind.

use super::words::{self, Token, is, next};
use super::{EITHER, Fault, JOINED, NAMED, OTHER, UNBOUND, group};

/// Tables of one query at most.
const MOST_TABLES: usize = 4;

/// Where in a query a word stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clause {
    Tables,
    Where,
    On,
    Set,
    Rest,
}

/// A query as far as it was read.
#[derive(Clone, Copy)]
struct Query {
    names: [Token; MOST_TABLES],
    bound: [bool; MOST_TABLES],
    tables: usize,
    clause: Clause,
    /// A table's name comes next.
    names_next: bool,
    /// The last three words or signs, the newest first.
    before: [Token; 3],
}

/// A SELECT, UPDATE or DELETE without what is between its parentheses; where it ends.
pub(super) const fn query(sql: &[u8], first: Token) -> Result<usize, Fault> {
    let mut query = Query {
        names: [first; MOST_TABLES],
        bound: [false; MOST_TABLES],
        tables: 0,
        clause: Clause::Rest,
        names_next: is(sql, first, "UPDATE"),
        before: [first; 3],
    };
    let mut token = next(sql, first.end);
    loop {
        let sign = if token.is_end() { b';' } else { sql[token.start] };
        let joins_another = is(sql, token, "UNION");
        if sign == b';' || sign == b')' || joins_another {
            if !query.is_bound() {
                return Err(UNBOUND);
            }
            let all = next(sql, token.end);
            return Ok(match joins_another {
                true if is(sql, all, "ALL") => all.end,
                true => token.end,
                false => token.start,
            });
        }
        let mut end = token.end;
        if sign == b'(' {
            query.names_next = false;
            end = match group(sql, token.end) {
                Ok(end) => end,
                Err(fault) => return Err(fault),
            };
        } else {
            query = match query.read(sql, token) {
                Ok(query) => query,
                Err(fault) => return Err(fault),
            };
        }
        query.before = [token, query.before[0], query.before[1]];
        token = next(sql, end);
    }
}

impl Query {
    const fn is_bound(&self) -> bool {
        let mut table = 0;
        while table < self.tables {
            if !self.bound[table] {
                return false;
            }
            table += 1;
        }
        true
    }

    /// Reads one word or sign.
    const fn read(mut self, sql: &[u8], token: Token) -> Result<Self, Fault> {
        if self.names_next && token.is_word(sql) {
            return self.table(sql, token);
        }
        if is(sql, token, "FROM") {
            // `IS DISTINCT FROM` names no table.
            if !is(sql, self.before[0], "DISTINCT") {
                (self.clause, self.names_next) = (Clause::Tables, true);
            }
        } else if is(sql, token, "JOIN") {
            (self.clause, self.names_next) = (Clause::Tables, true);
        } else if is(sql, token, "RIGHT") || is(sql, token, "FULL") || is(sql, token, "NATURAL") {
            return Err(JOINED);
        } else if is(sql, token, "WHERE") {
            self.clause = Clause::Where;
        } else if is(sql, token, "ON") {
            self.clause = Clause::On;
        } else if is(sql, token, "SET") {
            self.clause = Clause::Set;
        } else if ends_conditions(sql, token) {
            self.clause = Clause::Rest;
        } else if sql[token.start] == b',' && matches!(self.clause, Clause::Tables) {
            self.names_next = true;
        } else if is(sql, token, "OR") && matches!(self.clause, Clause::Where | Clause::On) {
            return Err(EITHER);
        } else if is(sql, token, "tenant") && next(sql, token.end).is_sign(sql, b'=') {
            return self.condition(sql, token);
        }
        Ok(self)
    }

    /// A table's name, and the other name that it may be given.
    const fn table(mut self, sql: &[u8], name: Token) -> Result<Self, Fault> {
        self.names_next = false;
        let mut after = next(sql, name.end);
        if after.is_sign(sql, b'(') {
            // A function's rows are nobody's.
            return Ok(self);
        }
        if after.is_sign(sql, b'.') || self.tables == MOST_TABLES {
            return Err(NAMED);
        }
        if is(sql, after, "AS") {
            after = next(sql, after.end);
        }
        let renamed = after.is_word(sql) && !follows_a_table(sql, after);
        self.names[self.tables] = if renamed { after } else { name };
        self.tables += 1;
        Ok(self)
    }

    /// `tenant =`, with or without a table's name before it.
    const fn condition(mut self, sql: &[u8], tenant: Token) -> Result<Self, Fault> {
        let equals = next(sql, tenant.end);
        let value = next(sql, equals.end);
        if !is(sql, value, "$1") || matches!(self.clause, Clause::Set) {
            return Err(OTHER);
        }
        let qualified = self.before[0].is_sign(sql, b'.');
        let joint = if qualified { self.before[2] } else { self.before[0] };
        let joined = is(sql, joint, "WHERE") || is(sql, joint, "AND") || is(sql, joint, "ON");
        if !joined || !ends_a_condition(sql, next(sql, value.end)) {
            return Ok(self);
        }
        let mut table = 0;
        while table < self.tables {
            let named = qualified && words::same(sql, self.before[1], self.names[table]);
            // A left join's ON says nothing of the tables before it.
            let heard = match self.clause {
                Clause::Where => true,
                Clause::On => table + 1 == self.tables,
                _ => false,
            };
            if heard && (named || (!qualified && self.tables == 1)) {
                self.bound[table] = true;
            }
            table += 1;
        }
        Ok(self)
    }
}

const fn ends_conditions(sql: &[u8], token: Token) -> bool {
    is(sql, token, "GROUP")
        || is(sql, token, "ORDER")
        || is(sql, token, "LIMIT")
        || is(sql, token, "HAVING")
        || is(sql, token, "RETURNING")
        || is(sql, token, "FOR")
}

/// Whether a condition can end before this word: nothing that would make another one of it.
const fn ends_a_condition(sql: &[u8], token: Token) -> bool {
    let joins = is(sql, token, "JOIN") || is(sql, token, "LEFT") || is(sql, token, "INNER");
    token.is_end()
        || token.is_sign(sql, b';')
        || token.is_sign(sql, b')')
        || is(sql, token, "AND")
        || is(sql, token, "WHERE")
        || is(sql, token, "UNION")
        || ends_conditions(sql, token)
        || joins
}

/// Whether this word goes on after a table and is no other name for it.
const fn follows_a_table(sql: &[u8], token: Token) -> bool {
    is(sql, token, "ON") || is(sql, token, "SET") || ends_a_condition(sql, token)
}
