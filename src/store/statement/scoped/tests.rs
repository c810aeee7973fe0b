//! What is bound to its tenant, and the ways to forget it.

use super::*;

#[test]
fn what_is_bound_may_run() {
    for sql in [
        "SELECT token FROM label WHERE tenant = $1 AND token",
        "select token from label where tenant = $1",
        "SELECT 1",
        "BEGIN IMMEDIATE; PRAGMA data_version; UPDATE tenant_head SET position = position + $2 \
         WHERE tenant = $1 RETURNING position",
        "DELETE FROM data_key WHERE tenant = $1 AND data_key = \
         (SELECT data_key FROM customer WHERE tenant = $1 AND customer = $2)",
        "SELECT a FROM journal WHERE tenant = $1 AND (a < $2 OR (a = $2 AND b = $3)) ORDER BY a",
        "SELECT 1, a FROM head WHERE tenant = $1 UNION ALL SELECT 2, b FROM link WHERE tenant = $1",
        "SELECT c.a FROM customer AS c JOIN link l ON l.tenant = $1 AND l.customer = c.customer \
         WHERE c.tenant = $1",
        "SELECT a FROM customer, link WHERE customer.tenant = $1 AND link.tenant = $1",
        "SELECT a FROM (SELECT a FROM block WHERE tenant = $1) AS b WHERE a > $2",
        "UPDATE head SET stamp = $2, time = CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS BIGINT) \
         WHERE tenant = $1",
        "SELECT a FROM tie WHERE tenant = $1 AND a IS DISTINCT FROM b AND c = 'FROM head OR'",
        "INSERT INTO label (tenant, token) VALUES ($1, $2), ($1, $3) ON CONFLICT DO NOTHING",
        "INSERT INTO label (tenant, token) SELECT $1, token FROM head WHERE tenant = $1",
        "INSERT INTO a (tenant, b) VALUES ($1, $2); UPDATE a SET b = $3 WHERE tenant = $1; COMMIT",
    ] {
        assert_eq!(fault(sql), None, "{sql}");
    }
}

#[test]
fn what_forgets_the_tenant_is_no_program() {
    for (sql, expected) in [
        ("SELECT name FROM tenant", UNBOUND),
        ("SELECT a FROM customer WHERE customer = $2", UNBOUND),
        ("DELETE FROM link WHERE customer = $1", UNBOUND),
        ("UPDATE head SET stamp = $2", UNBOUND),
        ("SELECT a FROM label WHERE tenant = $1; SELECT a FROM label", UNBOUND),
        ("SELECT a FROM label WHERE tenant = $1 UNION SELECT a FROM head", UNBOUND),
        ("SELECT a FROM label WHERE tenant = $1 OR a = $2", EITHER),
        ("SELECT a FROM label WHERE a = $2 OR tenant = $1", EITHER),
        ("SELECT a FROM label WHERE (tenant = $1 OR a = $2)", UNBOUND),
        ("SELECT a FROM label WHERE NOT tenant = $1", UNBOUND),
        ("SELECT a FROM label WHERE tenant = $1 + 1", UNBOUND),
        ("SELECT a FROM label WHERE tenant >= $1", UNBOUND),
        ("SELECT a FROM label WHERE tenant <> $1 AND a = $2", UNBOUND),
        ("SELECT a FROM label WHERE tenant = $2", OTHER),
        ("SELECT a FROM label WHERE tenant = tenant", OTHER),
        ("SELECT a FROM label WHERE tenant = ?", OTHER),
        ("SELECT a FROM label WHERE tenant = $1 AND b IN (SELECT b FROM head)", UNBOUND),
        ("SELECT a, (SELECT MAX(b) FROM head) FROM label WHERE tenant = $1", UNBOUND),
        ("SELECT a FROM label GROUP BY a HAVING tenant = $1", UNBOUND),
        ("SELECT CASE WHEN tenant = $1 THEN a END FROM label", UNBOUND),
        ("SELECT a FROM customer c JOIN link l ON l.tenant = c.tenant WHERE c.tenant = $1", OTHER),
        ("SELECT a FROM customer c JOIN link l ON l.a = c.a WHERE c.tenant = $1", UNBOUND),
        ("SELECT a FROM customer c JOIN link l ON l.a = c.a WHERE tenant = $1", UNBOUND),
        ("SELECT a FROM a LEFT JOIN b ON a.tenant = $1 AND b.tenant = $1", UNBOUND),
        ("SELECT a FROM a RIGHT JOIN b ON b.tenant = $1 WHERE a.tenant = $1", JOINED),
        ("SELECT a FROM customer, link WHERE customer.tenant = $1", UNBOUND),
        ("SELECT a FROM public.label WHERE tenant = $1", NAMED),
        ("SELECT a FROM \"label\" WHERE tenant = $1", HIDDEN),
        ("SELECT a FROM label -- WHERE tenant = $1", HIDDEN),
        ("SELECT a FROM label /* WHERE tenant = $1 */", HIDDEN),
        ("UPDATE label SET tenant = $1 WHERE tenant = $1", OTHER),
        ("UPDATE label SET tenant = $2 WHERE tenant = $1", OTHER),
        ("INSERT INTO label VALUES ($1, $2)", INSERTED),
        ("INSERT INTO label (token, tenant) VALUES ($1, $2)", INSERTED),
        ("INSERT INTO label (tenant, token) VALUES ($2, $1)", INSERTED),
        ("INSERT INTO label (tenant, token) VALUES ($1, $2), ($3, $4)", INSERTED),
        (
            "INSERT INTO label (tenant, token) SELECT tenant, a FROM head WHERE tenant = $1",
            INSERTED,
        ),
        ("INSERT INTO label (tenant, token) SELECT $1, a FROM head", UNBOUND),
        (
            "INSERT INTO a (tenant) VALUES ($1) ON CONFLICT (tenant) DO UPDATE SET tenant = $1",
            OTHER,
        ),
        ("WITH a AS (SELECT b FROM head) SELECT b FROM a", UNKNOWN),
        ("DROP TABLE label", UNKNOWN),
        ("TRUNCATE label", UNKNOWN),
    ] {
        assert_eq!(fault(sql), Some(expected), "{sql}");
    }
}

#[test]
fn what_follows_keys_adds_nothing_to_them() {
    for tail in ["", "GROUP BY interaction", "AND a = b ORDER BY a LIMIT 5"] {
        assert_eq!(tail_fault(tail), None, "{tail}");
    }
    for tail in ["OR a = b", "AND a = b OR c", "UNION SELECT a FROM b", "; DELETE", "a", "AND [a"] {
        assert_eq!(tail_fault(tail), Some(TAILED), "{tail}");
    }
}
