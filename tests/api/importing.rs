//! ImportCustomers and `threadline import`: each row is told, the good ones are kept, and the same
//! rows again change nothing.

use std::path::Path;
use std::process::{Command, Output};

use reqwest::Method;
use threadline::clock::HOUR;
use threadline::grpc::proto::{
    Identifier, ImportCustomersRequest, ImportCustomersResponse, ImportRow, ImportSettings,
};
use tonic::Code;

use super::customers::{attributes, mail, phone, upsert_with, value};
use super::settling::{MAIL, NUMBER, staff};
use super::ties::unlink;
use crate::support::client::{Said, assert_refused, refused, said};
use crate::support::requests::{at, email_hint, start_with};
use crate::support::web::Web;
use crate::support::{Client, Engine, World, each_engine};

each_engine!(
    rows_make_and_change_customers,
    the_same_rows_change_nothing,
    what_is_left_out_is_told_again_where_nothing_changes,
    every_bad_field_is_named_with_the_identifiers,
    a_dry_run_changes_nothing,
    rejected_rows_are_told_and_the_others_kept,
    one_person_in_many_rows_is_one_customer,
    an_older_import_fits_in,
    a_file_is_imported,
    what_is_imported_is_not_written_over_by_its_report,
    who_may_import,
    a_line_that_is_too_long_is_too_large_a_request,
);

fn row(number: i64, identifiers: Vec<Identifier>, name: &str) -> ImportRow {
    let profile = if name.is_empty() { Default::default() } else { attributes(&[("name", name)]) };
    ImportRow { row_number: number, identifiers, profile }
}

fn message(rows: Vec<ImportRow>) -> Vec<ImportCustomersRequest> {
    vec![ImportCustomersRequest { settings: None, rows }]
}

fn counts(of: &ImportCustomersResponse) -> [i64; 4] {
    [of.created_count, of.updated_count, of.unchanged_count, of.rejected_count]
}

async fn found(client: &Client, address: &str) -> String {
    let answer = client.start(start_with(&format!("find {address}"), "email", email_hint(address)));
    answer.await.expect("a start").customer_ref
}

fn three() -> Vec<ImportRow> {
    vec![
        row(2, vec![mail(MAIL), phone(NUMBER)], "Ada Lovelace"),
        row(3, vec![mail("b@example.com")], "Bob"),
        row(4, vec![phone("+14155550142")], ""),
    ]
}

async fn rows_make_and_change_customers(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let answer = client.import(message(three())).await.expect("an import");
    assert_eq!(counts(&answer), [3, 0, 0, 0]);
    let more = vec![
        row(2, vec![mail(MAIL)], "Ada King"),
        row(3, vec![mail("b@example.com"), phone("+14155550143")], "Bob"),
        row(4, vec![phone("+14155550142")], ""),
    ];
    let answer = client.import(message(more)).await.expect("an import");
    assert_eq!(counts(&answer), [0, 2, 1, 0]);
    let both = start_with("both", "email", email_hint(MAIL));
    let answer = client.start(both).await.expect("a start");
    assert_eq!(said(&answer), Said::Reuse, "who was imported is known");
    let person = client.person(&answer.customer_ref).await;
    assert_eq!((value(&person, "name"), person.identifiers.len()), (Some("Ada King"), 2));
    assert_eq!(client.conflicts(&person.customer_ref).await.len(), 1, "both names are kept");
    world.close().await;
}

async fn the_same_rows_change_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.import(message(three())).await.expect("an import");
    let before = client.person(&found(&client, MAIL).await).await;
    for _ in 0..2 {
        let answer = client.import(message(three())).await.expect("an import");
        assert_eq!(counts(&answer), [0, 0, 3, 0]);
    }
    assert!(client.person(&before.customer_ref).await == before);
    world.close().await;
}

async fn what_is_left_out_is_told_again_where_nothing_changes(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let rows = || {
        vec![
            row(2, vec![mail(MAIL), phone("anonymous")], "Ada 4111 1111 1111 1111"),
            row(3, vec![mail("b@example.com")], "Bob"),
        ]
    };
    let dry = || {
        let settings = ImportSettings { dry_run: true, ..Default::default() };
        vec![ImportCustomersRequest { settings: Some(settings), rows: rows() }]
    };
    let mut told = Vec::new();
    for (messages, expected) in
        [(message(rows()), [2, 0, 0, 0]), (message(rows()), [0, 0, 2, 0]), (dry(), [0, 0, 2, 0])]
    {
        let answer = client.import(messages).await.expect("an import");
        assert_eq!(counts(&answer), expected);
        assert_eq!(answer.warning_count, answer.warnings.len() as i64);
        let warnings = answer.warnings.into_iter().map(|it| {
            let warning = it.warning.expect("a warning");
            (it.row_number, warning.code, warning.field)
        });
        told.push(warnings.collect::<Vec<_>>());
    }
    let withheld = (2, "withheld_number".to_owned(), "identifiers[1]".to_owned());
    assert!(told[0].contains(&withheld), "{told:?}");
    assert!(told[0].iter().any(|(_, code, _)| code == "redacted"), "{told:?}");
    assert!(told[1] == told[0] && told[2] == told[0], "{told:?}");
    world.close().await;
}

async fn every_bad_field_is_named_with_the_identifiers(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let bad = || vec![mail("no address"), mail(MAIL)];
    let refusal = refused(client.upsert(upsert_with("", bad(), &[("name", "A\u{1}")])).await);
    let fields: Vec<&str> = refusal.fields.iter().map(|(field, _)| field.as_str()).collect();
    for field in ["request_id", "customer.profile[name].value", "customer.identifiers[0]"] {
        assert_eq!(fields.iter().filter(|it| **it == field).count(), 1, "{field}: {fields:?}");
    }
    assert_eq!(fields.len(), 3, "{fields:?}");
    let answer = client.import(message(vec![row(2, bad(), "A\u{1}")])).await.expect("an import");
    let violations = answer.rejected_rows[0].violations.iter();
    let fields: Vec<&str> = violations.map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["profile[name].value", "identifiers[0]"]);
    world.close().await;
}

async fn a_dry_run_changes_nothing(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let dry = |rows| {
        let settings = ImportSettings { dry_run: true, ..Default::default() };
        vec![ImportCustomersRequest { settings: Some(settings), rows }]
    };
    let bad = || row(5, vec![mail("no address")], "");
    let answer = client.import(dry([three(), vec![bad()]].concat())).await.expect("an import");
    assert_eq!(counts(&answer), [3, 0, 0, 1]);
    let answer = client.import(message(three())).await.expect("an import");
    assert_eq!(counts(&answer), [3, 0, 0, 0], "nothing had been written");
    let mut changed = three();
    changed[0] = row(2, vec![mail(MAIL)], "Ada King");
    let answer = client.import(dry(changed)).await.expect("an import");
    assert_eq!(counts(&answer), [0, 1, 2, 0]);
    let person = client.person(&found(&client, MAIL).await).await;
    assert_eq!(value(&person, "name"), Some("Ada Lovelace"));
    world.close().await;
}

async fn rejected_rows_are_told_and_the_others_kept(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    client.import(message(three())).await.expect("an import");
    let rows = vec![
        row(2, vec![mail("c@example.com"), phone("anonymous")], "Carol"),
        row(3, vec![mail("no address")], "Dan"),
        row(4, vec![mail(MAIL), mail("b@example.com")], "Eve"),
        row(5, vec![], "Nobody"),
        row(6, vec![phone("anonymous")], "Withheld"),
        row(7, vec![mail("f@example.com")], "F\u{1}"),
        row(8, vec![mail("g@example.com")], "Grace"),
    ];
    let answer = client.import(message(rows)).await.expect("an import");
    assert_eq!(counts(&answer), [2, 0, 0, 5]);
    let told: Vec<(i64, &str, &str)> = answer
        .rejected_rows
        .iter()
        .map(|it| (it.row_number, it.reason.as_str(), it.violations[0].field.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (3, "INVALID_FIELD", "identifiers[0]"),
            (4, "CUSTOMER_AMBIGUOUS", told[1].2),
            (5, "INVALID_FIELD", "identifiers"),
            (6, "INVALID_FIELD", "identifiers"),
            (7, "INVALID_FIELD", "profile[name].value"),
        ]
    );
    assert_eq!(answer.rejected_rows[1].violations.len(), 2, "both identifiers are named");
    assert_eq!(answer.warning_count, 1);
    assert_eq!(answer.warnings[0].row_number, 2);
    let warning = answer.warnings[0].warning.as_ref().expect("a warning");
    assert_eq!(
        (warning.code.as_str(), warning.field.as_str()),
        ("withheld_number", "identifiers[1]")
    );
    let values = answer.rejected_rows.iter().flat_map(|row| &row.violations);
    assert!(values.into_iter().all(|it| !it.description.contains("no address")), "no value");
    world.close().await;
}

async fn one_person_in_many_rows_is_one_customer(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let now = at(world.now());
    let rows: Vec<ImportRow> = (0..600)
        .map(|number| {
            let address = format!("p{}@example.com", number % 30);
            row(number, vec![mail(&address)], &format!("name {}", number % 60))
        })
        .collect();
    let send = || {
        let settings = ImportSettings { update_time: now, ..Default::default() };
        let mut settings = Some(settings);
        rows.chunks(150)
            .map(|rows| ImportCustomersRequest { settings: settings.take(), rows: rows.to_vec() })
            .collect()
    };
    let answer = client.import(send()).await.expect("an import");
    assert_eq!((answer.created_count, answer.rejected_count), (30, 0));
    let answer = client.import(send()).await.expect("an import");
    assert_eq!(counts(&answer), [0, 0, 600, 0], "also where one file says two things");
    let all = client.list_conflicts(Default::default()).await.expect("a page").conflicts;
    assert_eq!(all.len(), 30, "what it says of one person does not agree");
    world.close().await;
}

async fn an_older_import_fits_in(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let of_hours_ago = |hours: i64, rows| {
        let update_time = at(world.now().plus(-hours * HOUR));
        let settings = ImportSettings { update_time, ..Default::default() };
        vec![ImportCustomersRequest { settings: Some(settings), rows }]
    };
    client.import(of_hours_ago(1, three())).await.expect("an import");
    let known = found(&client, MAIL).await;
    client.unlink(unlink("u", &known, phone(NUMBER))).await.expect("an unlink");
    let old = vec![row(2, vec![mail(MAIL), phone(NUMBER)], "Ada Byron")];
    let answer = client.import(of_hours_ago(24 * 30, old.clone())).await.expect("an import");
    assert_eq!(counts(&answer), [0, 1, 0, 0]);
    let person = client.person(&known).await;
    assert_eq!((value(&person, "name"), person.identifiers.len()), (Some("Ada Lovelace"), 1));
    let answer = client.import(of_hours_ago(1, three())).await.expect("an import");
    assert_eq!(counts(&answer), [0, 0, 3, 0], "nor does the same file link it again");
    let answer = client.import(of_hours_ago(0, old)).await.expect("an import");
    assert_eq!(counts(&answer), [0, 1, 0, 0]);
    assert_eq!(client.person(&known).await.identifiers.len(), 2, "a later one does");
    world.close().await;
}

async fn who_may_import(engine: Engine) {
    let world = World::on(engine).await;
    for role in ["telephony", "bot", "helpdesk", "agent", "insight"] {
        let refused = world.role(role).await.import(message(three())).await;
        assert_refused(refused, Code::PermissionDenied, "ROLE_REQUIRED");
    }
    let client = world.role("backfill").await;
    assert_eq!(client.import(Vec::new()).await.expect("nothing").created_count, 0);
    let other = ImportSettings { source: "other".into(), ..Default::default() };
    let other = vec![ImportCustomersRequest { settings: Some(other), rows: three() }];
    assert_refused(client.import(other).await, Code::PermissionDenied, "SOURCE_NOT_ALLOWED");
    let many = (0..501).map(|number| row(number, vec![mail(MAIL)], "")).collect();
    assert_refused(client.import(message(many)).await, Code::InvalidArgument, "INVALID_FIELD");
    let answer = client.import(message(three())).await.expect("an import");
    assert_eq!(answer.created_count, 3);
    world.close().await;
}

async fn a_line_that_is_too_long_is_too_large_a_request(engine: Engine) {
    let world = World::on(engine).await;
    let key = world.key(&World::new_key(&["admin"])).await;
    let web = Web::new(world.running.address, Some(&key));
    let lines = [("content-type", "application/x-ndjson")];
    let row =
        r#"{"rows":[{"row_number":2,"identifiers":[{"kind":"email","value":"a@example.com"}]}]}"#;
    let long = format!("{row}{}", " ".repeat(1_100_000));
    for text in [long.clone(), format!("{long}\n"), format!("{row}\n{long}\n{row}\n")] {
        let told =
            web.send(Method::POST, "/api/v1/customers/import", &lines, text.into_bytes()).await;
        assert_eq!((told.code, &*told.reason()), (413, "REQUEST_TOO_LARGE"), "{}", told.text);
    }
    world.close().await;
}

/// The command itself, in a process of its own.
async fn import(world: &World, key: &str, file: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threadline"));
    command.arg("import").arg(file).args(more);
    command.env("THREADLINE_SERVER", format!("http://{}", world.running.address));
    command.env("THREADLINE_API_KEY", key);
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    output.expect("no panic").expect("it runs")
}

async fn a_file_is_imported(engine: Engine) {
    let world = World::on(engine).await;
    let client = staff(&world).await;
    let key = world.key(&World::new_key(&["admin"])).await;
    let folder = tempfile::tempdir().expect("a folder");
    let (file, report) = (folder.path().join("people.csv"), folder.path().join("report.csv"));
    let mut text = "\u{feff}Customer Name;external:crm_id;E-mail;Tier\r\n".to_owned();
    for number in 0..2_500 {
        text.push_str(&format!("\"Doe; {number}\";C-{number};p{number}@example.com;gold\r\n"));
    }
    text.push_str("\"Bad\";C-1;p2@example.com;gold\r\nWorse;C-9;no address;gold\r\nShort;C-9\r\n");
    std::fs::write(&file, text).expect("a file");
    let path = report.to_str().expect("a path");
    let refused = import(&world, &key, &file, &[]).await;
    assert_eq!(refused.status.code(), Some(1));
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(why.contains("unknown columns: \"Tier\"") && why.contains("--profile"), "{why}");
    let told = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let mapped = ["--profile", "tier=tier", "--report", path];
    let dry = import(&world, &key, &file, &[&mapped[..], &["--dry-run"]].concat()).await;
    assert!(told(&dry).starts_with("2503 rows (dry run: nothing was written): 2501 created"));
    let first = import(&world, &key, &file, &mapped).await;
    // A busy machine has calls made again, which finds rows as they are: each is told of once.
    let told_first = told(&first);
    let numbers = told_first.split(|it: char| !it.is_ascii_digit()).filter(|it| !it.is_empty());
    let numbers: Vec<u32> = numbers.take(6).map(|it| it.parse().expect("a number")).collect();
    let [2503, created, 0, unchanged, 3, 0] = numbers[..] else { panic!("{told_first}") };
    assert_eq!(created + unchanged, 2_500, "{told_first}");
    assert_eq!(first.status.code(), Some(1), "some were rejected");
    let lines = std::fs::read_to_string(&report).expect("a report");
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[1].starts_with("2502,rejected,CUSTOMER_AMBIGUOUS,"), "{}", lines[1]);
    assert!(lines[2].starts_with("2503,rejected,INVALID_FIELD,identifiers["), "{}", lines[2]);
    assert_eq!(lines[3], "2504,rejected,MALFORMED_ROW,\"has 2 fields, the header 4\"");
    let again = import(&world, &key, &file, &mapped).await;
    let expected = "2503 rows: 0 created, 0 updated, 2500 unchanged, 3 rejected";
    assert!(told(&again).starts_with(expected), "{again:?}");
    let person = client.person(&found(&client, "p77@example.com").await).await;
    assert_eq!((value(&person, "name"), value(&person, "tier")), (Some("Doe; 77"), Some("gold")));
    world.close().await;
}

async fn what_is_imported_is_not_written_over_by_its_report(engine: Engine) {
    let world = World::on(engine).await;
    let key = world.key(&World::new_key(&["admin"])).await;
    let folder = tempfile::tempdir().expect("a folder");
    let named = |name: &str| folder.path().join(name);
    let (file, linked, hard) = (named("people.csv"), named("linked.csv"), named("hard.csv"));
    let text = "E-mail\nada@example.com\nno address\n";
    std::fs::write(&file, text).expect("a file");
    std::os::unix::fs::symlink(&file, &linked).expect("a link");
    std::fs::hard_link(&file, &hard).expect("a link");
    for (input, report) in [(&file, &file), (&file, &linked), (&linked, &file), (&file, &hard)] {
        let refused =
            import(&world, &key, input, &["--report", report.to_str().expect("a path")]).await;
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!((refused.status.code(), &*refused.stdout), (Some(1), &b""[..]), "{why}");
        assert!(why.contains("is the file that is imported"), "{why}");
        assert_eq!(std::fs::read_to_string(&file).expect("it is there"), text);
    }
    // The same, however the command is given it.
    let script = r#""$0" import /dev/stdin --report "$1" < "$1""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_threadline")]).arg(&file);
    command.env("THREADLINE_API_KEY", &key);
    let refused = command.output().expect("it runs");
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("is the file that is imported"), "{why}");
    assert_eq!(std::fs::read_to_string(&file).expect("it is there"), text);
    world.close().await;
}
