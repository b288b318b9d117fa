//! Lines that somebody types: read or refused with a reason, never more; what is read as
//! a command of the catalogue decodes to it.

use apdu_spec::{Apdu, catalog};
use host::trace::script::{Step, check, parse};

/// Reads `bytes` as lines.
pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines() {
        match parse(line) {
            Err(reason) => assert!(!reason.is_empty()),
            Ok(Step::Send(command)) => named(line, &command),
            Ok(Step::Expect(status, fields)) => {
                let answer = [&[0; 11][..], &status.to_bytes()].concat();
                let _ = check(Some((&[0x90, 0x5C, 0, 0, 0], &answer)), status, &fields);
            }
            Ok(Step::Nothing | Step::Reset) => {}
        }
    }
}

/// A command that was named makes an APDU of its row, which the row reads.
fn named(line: &str, command: &[u8]) {
    let Some(row) = line.split_whitespace().next().and_then(catalog::find_by_name) else { return };
    let apdu = Apdu::parse(command).expect("an APDU");
    assert!(row.matches(&apdu), "{line}");
    let mut buffer = [0; 257];
    let body = row.body(&apdu, &mut buffer).expect("a body");
    assert!((row.request.visit)(body, &mut |_, _| ()).is_ok(), "{line}");
    assert!(row.request.leaves(body, &mut |_| ()).is_ok(), "{line}");
}
