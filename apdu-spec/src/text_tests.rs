//! Typed commands: every golden vector can be typed, and what is wrong is named.

use super::*;
use crate::catalog::{find_by_name, rows};
use crate::wire::Writer;
extern crate std;
use std::string::{String, ToString};
use std::vec::Vec;

/// The APDU that `line` makes.
fn typed(line: &str) -> Result<Vec<u8>, String> {
    let mut words = line.split_whitespace();
    let row = find_by_name(words.next().unwrap()).unwrap();
    let (mut body, mut apdu) = ([0; 257], [0; 261]);
    let body = request(row, words, &mut body).map_err(|error| error.to_string())?;
    Ok(row.frame(body, &mut apdu).unwrap().to_vec())
}

#[test]
fn what_is_typed_is_what_a_terminal_sends() {
    assert_eq!(typed("GetBalance").unwrap(), [0x90, 0x5C, 0, 0, 0]);
    assert_eq!(typed("select occurrence=0 aid=purse").unwrap(), b"\0\xA4\x04\0\x06\xF0PURSE\0");
    let apdu = typed(
        "InitializeLoad version=1 counterpart.sam.acquirer=280101 counterpart.sam.number=0x7 \
         counterpart.challenge=D0:D1:D2:D3:D4:D5:D6:D7 amount=2000",
    );
    let same = typed("InitializeLoad version=1 counterpart=044625000007D0D1D2D3D4D5D6D7 amount=2000");
    assert_eq!(apdu, same);
    assert_eq!(apdu.unwrap()[..9], [0x90, 0x50, 0, 0, 0x13, 1, 4, 0x46, 0x25]);
    let order = "order.amount=250 order.time=2026-01-12T06:00:00Z order.nt=1 order.taken_over=0 order.terms=0000000000000000";
    let apdu = typed(&std::format!("DebitIep {order} s2=0102030405060708")).unwrap();
    assert_eq!(apdu[5..13], [0, 0, 0, 250, 0x69, 0x64, 0x8D, 0xE0], "{apdu:02X?}");
    assert_eq!(typed("StoreData last=0x88 block=3 group=key length=2 content=A5A5").unwrap().len(), 10);
    assert_eq!(typed("StoreData last=8 block=0 group=257 length=0").unwrap().len(), 8);
}

#[test]
fn what_is_wrong_is_named() {
    for (line, words) in [
        ("GetBalance x=1", &["no field `x`"][..]),
        ("InitializeIep", &["`group` is missing", "Key group of the PSAM", "0 to 255"]),
        ("InitializeIep group=1 version=1", &["`counterpart.sam.acquirer`", "0 to 16777215"]),
        ("InitializeIep gruop=1", &["no field `gruop`"]),
        ("InitializeIep counterpart.challenge.x=1", &["no field `counterpart.challenge.x`"]),
        ("InitializeIep group=256", &["`group`", "0 to 255"]),
        ("InitializeIep group=-1", &["`group`"]),
        ("InitializeIep group", &["`group` is no assignment", "field=value"]),
        ("InitializeIep group=1 group=2", &["`version` is missing"]),
        ("ReadRecord record=1 record=2", &["`record` is given twice"]),
        (
            "StoreData last=0 block=0 group=Nobody length=1 content=00",
            &["`group`", "Purse, Sam, Transfer, View, Pin"],
        ),
        ("StoreData last=0 block=0 group=Key length=1 content=0", &["`content`", "0 to 200 bytes"]),
        ("CreditCancellation secret=0102", &["`secret`", "16 bytes in hexadecimal"]),
        ("InitializeLoad version=1 counterpart=00 amount=1", &["`counterpart`", "14"]),
        (
            "InitializeLoad version=1 counterpart=044625000007D0D1D2D3D4D5D6D7 amount=2147483648",
            &["2147483647"],
        ),
        (
            "InitializeLoad version=1 counterpart=044625000007D0D1D2D3D4D5D6D7 counterpart.sam=0 amount=1",
            &["`counterpart.sam` is given twice"],
        ),
    ] {
        let error = typed(line).unwrap_err();
        assert!(words.iter().all(|word| error.contains(word)), "{line}: {error}");
    }
    // A wrong key is not repeated.
    assert!(!typed("CreditCancellation secret=C0FFEE").unwrap_err().contains("C0FFEE"));
    assert!(typed(&std::format!("GetBalance{}", " a=1".repeat(33))).unwrap_err().contains("32"));
}

/// Every leaf as it is shown can be typed again.
#[test]
fn shown_values_can_be_typed() {
    for row in rows() {
        let mut body = [0; 257];
        let mut writer = Writer::new(&mut body);
        for field in row.request.fields.iter().filter(|field| field.min > 0) {
            // A code that exists; anything else may be one.
            match field.form {
                Form::Code { names, width } => put_number(names[0].1, width, &mut writer).unwrap(),
                _ => writer.put(&[1, 2, 3, 4].repeat(64)[..field.min]),
            }
        }
        let bytes = writer.finish().unwrap().to_vec();
        let mut words = Vec::new();
        let walked = row.request.leaves(&bytes, &mut |leaf| {
            let shown = if row.request.has_secret() { hex::encode(leaf.bytes) } else { leaf.to_string() };
            words.push(std::format!("{}={}", leaf.path, if shown == "(empty)" { "" } else { &shown }));
        });
        if walked.is_err() || row.request.has_secret() || (row.request.visit)(&bytes, &mut |_, _| ()).is_err()
        {
            continue;
        }
        let mut buffer = [0; 257];
        let again = request(row, words.iter().map(String::as_str), &mut buffer);
        assert_eq!(again.unwrap(), bytes, "{} {words:?}", row.name);
    }
}
