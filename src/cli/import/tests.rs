//! Reading files: whatever they look like, a row is what was written, or is said to be none.

use std::io::Cursor;

use csv::StringRecord;
use proptest::prelude::*;

use super::columns::{Column, Columns};
use super::file::CsvFile;
use super::sending::Call;
use crate::grpc::proto::ImportRow;

fn file(bytes: &[u8]) -> anyhow::Result<CsvFile> {
    CsvFile::read(Box::new(Cursor::new(bytes.to_vec())), bytes.len() as u64)
}

/// A line and what it holds.
type Line<T> = (u64, T);

/// Lines and fields of all rows; the mistakes of those that are none.
fn rows(bytes: &[u8]) -> (Vec<Line<Vec<String>>>, Vec<Line<String>>) {
    let mut file = file(bytes).expect("a file");
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    while let Some(row) = file.next().expect("rows") {
        match row.fields {
            Ok(fields) => {
                let fields = fields.iter().map(|field| field.trim().to_owned());
                good.push((row.line, fields.collect()));
            }
            Err(why) => bad.push((row.line, why)),
        }
    }
    (good, bad)
}

fn columns(names: &[&str]) -> anyhow::Result<Columns> {
    let tier = [("Tier".to_owned(), "tier".to_owned())];
    let mapped = if names.contains(&"Tier") { &tier[..] } else { &[] };
    Columns::read(&StringRecord::from(names.to_vec()), mapped, &[])
}

#[test]
fn a_mark_quotes_and_any_separator_are_read() {
    let expected = vec![
        (2, vec!["a@example.com".to_owned(), "Ada \"the\" L; x,\ty".to_owned()]),
        (3, vec!["b@example.com".to_owned(), "two\nlines".to_owned()]),
        (5, vec!["c@example.com".to_owned(), String::new()]),
    ];
    for (mark, separator, told) in
        [("", ',', ""), ("\u{feff}", ';', ""), ("\u{feff}", '\t', ""), ("", ';', "sep=;\r\n")]
    {
        let quoted = "\"Ada \"\"the\"\" L; x,\ty\"";
        let text = format!(
            "{mark}{told}E-mail{separator}Customer Name\r\na@example.com{separator}{quoted}\r\n\
             b@example.com{separator}\"two\nlines\"\r\nc@example.com{separator}\r\n\r\n"
        );
        let (good, bad) = rows(text.as_bytes());
        let lines: Vec<(u64, Vec<String>)> = good
            .into_iter()
            .map(|(line, fields)| (line - u64::from(!told.is_empty()), fields))
            .collect();
        assert_eq!((lines, bad), (expected.clone(), Vec::new()), "{text:?}");
    }
}

#[test]
fn a_bad_row_spoils_no_other() {
    let text = b"E-mail,Customer Name\na@example.com,Ada\nb@example.com\n\
                 c@example.com,x,y\n\xff@example.com,Eve\nd@example.com,Dan\n";
    let (good, bad) = rows(text);
    let lines: Vec<u64> = good.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 6]);
    let why: Vec<(u64, &str)> = bad.iter().map(|(line, why)| (*line, why.as_str())).collect();
    assert_eq!(
        why,
        [(3, "has 1 fields, the header 2"), (4, "has 3 fields, the header 2"), (5, "is not UTF-8")]
    );
}

#[test]
fn a_quote_that_is_not_closed_ends_the_reading_and_not_the_memory() {
    let mut text = b"E-mail,Customer Name\na@example.com,Ada\nb@example.com,\"Bob\n".to_vec();
    text.extend(b"c@example.com,Carol\n".repeat(100_000));
    let mut file = file(&text).expect("a file");
    let columns = columns(&["E-mail", "Customer Name"]).expect("columns");
    let call = Call::next(&mut file, &columns).expect("what came before").expect("a row");
    assert!(call.ends_at > 0);
    let error = Call::next(&mut file, &columns).err().expect("a mistake").to_string();
    assert!(error.contains("quote not closed"), "{error}");
}

#[test]
fn a_quote_that_is_open_at_the_end_takes_nobody_in() {
    for end in ["", "\n", "\r\n"] {
        let text = format!("E-mail,Name\na@x.org,Ada\nb@x.org,\"Ray, Bob\nc@x.org,Cy{end}");
        let (good, bad) = rows(text.as_bytes());
        assert_eq!(good, [(2, vec!["a@x.org".to_owned(), "Ada".to_owned()])]);
        assert_eq!(bad.len(), 1, "{bad:?}");
        assert_eq!(bad[0].0, 3);
        assert!(bad[0].1.contains("quote"), "{bad:?}");
        let closed = text.replace("\"Ray", "Ray");
        assert_eq!(rows(closed.as_bytes()).0.len(), 2, "the others, where it is closed");
    }
}

#[test]
fn what_is_no_file_of_ours_is_said() {
    for (bytes, why) in
        [(&b"\xff\xfeE\0"[..], "UTF-16"), (b"", "empty"), (b"\xff\xc0\xc0\n", "UTF-8")]
    {
        let error = format!("{:#}", file(bytes).err().expect("a mistake"));
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn columns_are_known_in_any_order_and_case() {
    let names = [
        "customer name",
        "EXTERNAL:Loyalty_Card",
        "e-MAIL",
        " Discord User ID ",
        "Telegram User ID",
        "phone number",
        "Tier",
    ];
    let read = columns(&names).expect("columns");
    let identifier = |kind, namespace: &str| Column::Identifier(kind, namespace.to_owned());
    assert_eq!(
        read.0,
        [
            Column::Attribute("name".into()),
            identifier("external", "loyalty_card"),
            identifier("email", ""),
            identifier("discord", ""),
            identifier("telegram", ""),
            identifier("phone", ""),
            Column::Attribute("tier".into()),
        ]
    );
    for (names, why) in [
        (&["E-mail", "Shoe Size", "Pet"][..], "\"Shoe Size\", \"Pet\""),
        (&["Customer Name"], "identifies"),
        (&["E-mail", "external:"], "external:"),
        (&["E-mail", "Name", "Customer Name"], "two columns"),
    ] {
        let error = columns(names).expect_err("a mistake").to_string();
        assert!(error.contains(why), "{error}");
    }
    let ignored = Columns::read(&StringRecord::from(vec!["E-mail"]), &[], &["Pet".to_owned()]);
    assert!(ignored.expect_err("a mistake").to_string().contains("no column \"Pet\""));
}

fn sent(text: &[u8]) -> Vec<ImportRow> {
    let mut file = file(text).expect("a file");
    let names = file.header().clone();
    let columns = Columns::read(&names, &[], &[]).expect("columns");
    let mut sent = Vec::new();
    while let Some(call) = Call::next(&mut file, &columns).expect("rows") {
        sent.extend(call.into_rows());
    }
    sent
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        fields in prop::collection::vec(("[ -~äß€\n\r\t\"]{0,12}", "[ -~äß€\n\r\t\"]{0,12}"), 0..20),
        separator in prop::sample::select(vec![b',', b';', b'\t']),
        mark: bool,
    ) {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(separator)
            .quote_style(csv::QuoteStyle::Always)
            .from_writer(Vec::new());
        writer.write_record(["E-mail", "Customer Name"]).unwrap();
        for (mail, name) in &fields {
            writer.write_record([mail, name]).unwrap();
        }
        let mut text = if mark { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        text.extend(writer.into_inner().unwrap());
        let rows = sent(&text);
        prop_assert_eq!(rows.len(), fields.len());
        for (row, (mail, name)) in rows.iter().zip(&fields) {
            let read = row.identifiers.first().map_or("", |it| it.value.as_str());
            prop_assert_eq!(read, mail.trim());
            let read = row.profile.get("name").map_or("", |it| it.value.as_str());
            prop_assert_eq!(read, name.trim());
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_loop(bytes: Vec<u8>) {
        if let Ok(mut file) = file(&bytes) {
            let mut rows = 0;
            while let Ok(Some(_)) = file.next() {
                rows += 1;
            }
            prop_assert!(rows <= bytes.len());
        }
    }
}
