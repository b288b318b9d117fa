//! The command table: every row against its golden vector, COMMANDS.md against the table,
//! and what must hold for all rows.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod bless;
mod examples;
#[path = "../story/mod.rs"]
mod story;
mod vectors;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use apdu_spec::Apdu;
use apdu_spec::catalog::{find, rows, write_markdown};
use apdu_spec::declare::Row;
use vectors::{Vector, body, name, parse};

const VECTORS: &str = "vectors/commands.txt";
const COMMANDS: &str = "COMMANDS.md";

/// The vectors; with `PURSE_BLESS=1` missing ones are added first.
fn golden() -> &'static [Vector] {
    static GOLDEN: OnceLock<Vec<Vector>> = OnceLock::new();
    GOLDEN.get_or_init(|| {
        if bless::wanted() {
            bless::add_missing(VECTORS, &examples::all());
        }
        parse(&std::fs::read_to_string(bless::path(VECTORS)).unwrap())
    })
}

/// The APDU of a row around these request bytes.
fn rebuild(row: &Row, body: &[u8]) -> Vec<u8> {
    let mut rest = body.iter().copied();
    let p1 = row.p1.unwrap_or_else(|| rest.next().unwrap());
    let p2 = row.p2.unwrap_or_else(|| rest.next().unwrap());
    let data: Vec<u8> = rest.collect();
    let lc = (!data.is_empty()).then(|| u8::try_from(data.len()).unwrap());
    let le = (row.response.max > 0).then_some(0);
    [row.cla, row.ins, p1, p2].into_iter().chain(lc).chain(data).chain(le).collect()
}

#[test]
fn every_row_has_one_vector_and_every_vector_a_row() {
    let names: Vec<String> = golden().iter().map(|vector| vector.name.clone()).collect();
    let unique: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!(unique.len(), names.len(), "a row has two vectors");
    assert_eq!(unique, rows().map(name).collect());
}

#[test]
fn vectors_decode_to_their_fields_and_encode_to_their_bytes() {
    for vector in golden() {
        let apdu = Apdu::parse(&vector.request).unwrap();
        let row = find(&apdu).unwrap();
        assert_eq!(&Vector::decode(row, &vector.request, &vector.response), vector);

        let mut buffer = [0; 257];
        let body = body(row, &vector.request);
        let length = (row.request.recode)(&body, &mut buffer).unwrap();
        assert_eq!(rebuild(row, &buffer[..length]), vector.request, "{}", vector.name);
        let length = (row.response.recode)(&vector.response, &mut buffer).unwrap();
        assert_eq!(buffer[..length], vector.response, "{}", vector.name);
    }
}

#[test]
fn typed_values_encode_to_the_vectors() {
    let golden = golden();
    let examples = examples::all();
    assert_eq!(examples.len(), golden.len());
    for example in examples {
        let vector = golden.iter().find(|vector| vector.name == name(&example.row)).unwrap();
        assert_eq!(example.request, vector.request, "{}", vector.name);
        assert_eq!(example.response, vector.response, "{}", vector.name);
    }
}

#[test]
fn a_byte_more_or_less_is_refused_where_the_length_is_fixed() {
    let mut fixed = 0;
    for vector in golden() {
        let row = rows().find(|row| name(row) == vector.name).unwrap();
        let body = body(row, &vector.request);
        for (shape, bytes) in [(&row.request, &body), (&row.response, &vector.response)] {
            assert!((shape.min..=shape.max).contains(&bytes.len()), "{}", vector.name);
            if shape.min == shape.max {
                let visit = |bytes: &[u8]| (shape.visit)(bytes, &mut |_, _| ());
                assert!(visit(&[bytes, &[0][..]].concat()).is_err(), "{}", vector.name);
                assert!(bytes.is_empty() || visit(&bytes[..bytes.len() - 1]).is_err(), "{}", vector.name);
                fixed += 1;
            }
        }
    }
    assert!(fixed > rows().count());
}

#[test]
fn commands_md_is_fresh() {
    let mut markdown = String::new();
    write_markdown(&mut markdown).unwrap();
    if bless::wanted() {
        bless::page(COMMANDS, &markdown);
    }
    let page = std::fs::read_to_string(bless::path(COMMANDS)).unwrap_or_default();
    assert!(page == markdown, "COMMANDS.md is stale: run the tests with PURSE_BLESS=1");
}

#[test]
fn no_two_rows_share_a_header() {
    // But that the file views read records of any file, the purse's own of one.
    let all: Vec<&Row> = rows().filter(|row| row.name != "ReadFileRecord").collect();
    let overlap = |a: Option<u8>, b: Option<u8>| a.is_none() || b.is_none() || a == b;
    for (index, row) in all.iter().enumerate() {
        for other in &all[index + 1..] {
            let same = (row.cla, row.ins) == (other.cla, other.ins);
            let clash = same && overlap(row.p1, other.p1) && overlap(row.p2, other.p2);
            assert!(!clash, "{} and {}", name(row), name(other));
        }
    }
}

#[test]
fn everything_fits_a_short_apdu() {
    for row in rows() {
        assert!(row.request.max - row.in_header() <= 255, "{}", name(row));
        assert!(row.response.max <= 256, "{}", name(row));
        let total =
            |shape: &apdu_spec::declare::Shape| shape.fields.iter().map(|field| field.max).sum::<usize>();
        assert_eq!((total(&row.request), total(&row.response)), (row.request.max, row.response.max));
    }
}

#[test]
fn every_row_says_what_it_does_and_where_it_comes_from() {
    for row in rows() {
        let fields = row.request.fields.iter().chain(row.response.fields);
        assert!(!row.doc.is_empty() && !row.source.is_empty(), "{}", name(row));
        fields.for_each(|field| assert!(!field.doc.is_empty(), "{} {}", name(row), field.name));
        assert!(row.status.iter().all(|word| word.meaning().is_some()), "{}", name(row));
    }
}

#[test]
fn what_is_shown_of_a_secret_is_its_length() {
    let shown = |command: &str| {
        let vector = golden().iter().find(|vector| vector.name == command).unwrap();
        let lines = [&vector.request_fields[..], &vector.response_fields].concat();
        (lines.join("\n").to_uppercase(), &vector.request, &vector.response)
    };
    let hidden = |text: &str, secret: &[u8]| {
        // In hexadecimal, and as a list of numbers.
        let list: Vec<String> = secret[..3].iter().map(u8::to_string).collect();
        !text.contains(&hex::encode_upper(&secret[..3])) && !text.contains(&list.join(", "))
    };
    let (text, request, _) = shown("SecurityDomainCommand.StoreData");
    assert!(request.windows(16).any(|window| window == examples::STORED_KEY), "the key is on the wire");
    assert!(hidden(&text, &examples::STORED_KEY) && text.contains("NOT SHOWN"), "{text}");
    let (text, request, _) = shown("PurseCommand.CreditCancellation");
    assert!(hidden(&text, &request[5..21]) && text.contains("NOT SHOWN"), "{text}");
    let (text, _, response) = shown("SamCommand.PsamCancel");
    assert!(hidden(&text, response) && text.contains("NOT SHOWN"), "{text}");
}
