//! The file of golden vectors: what stands in it, and what it looks like.
//!
//! ```text
//! PurseCommand.GetBalance        set and command
//! > 905C000000                   request, the whole APDU
//! < FFFFFECA00003A98033A02       data of the response, `-` where there is none
//!   balance = -310               its fields; those of a request stand below `>`
//! ```

use std::fmt::Write as _;

use apdu_spec::Apdu;
use apdu_spec::declare::{Row, Shape};

/// One block of the file.
#[derive(Debug, PartialEq)]
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) request: Vec<u8>,
    pub(crate) request_fields: Vec<String>,
    pub(crate) response: Vec<u8>,
    pub(crate) response_fields: Vec<String>,
}

pub(crate) fn name(row: &Row) -> String {
    format!("{}.{}", row.set, row.name)
}

/// The request's bytes in wire order, those in P1-P2 included.
pub(crate) fn body(row: &Row, request: &[u8]) -> Vec<u8> {
    row.body(&Apdu::parse(request).unwrap(), &mut [0; 257]).unwrap().to_vec()
}

/// The fields as the decoder shows them.
pub(crate) fn fields(shape: &Shape, bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    (shape.visit)(bytes, &mut |name, value| lines.push(format!("{name} = {value:?}"))).unwrap();
    lines
}

impl Vector {
    /// What the decoder makes of these bytes.
    pub(crate) fn decode(row: &Row, request: &[u8], response: &[u8]) -> Self {
        Self {
            name: name(row),
            request: request.to_vec(),
            request_fields: fields(&row.request, &body(row, request)),
            response: response.to_vec(),
            response_fields: fields(&row.response, response),
        }
    }

    pub(crate) fn write(&self, text: &mut String) {
        let hex = |bytes: &[u8]| if bytes.is_empty() { "-".into() } else { hex::encode_upper(bytes) };
        let parts =
            [('>', &self.request, &self.request_fields), ('<', &self.response, &self.response_fields)];
        writeln!(text, "\n{}", self.name).unwrap();
        for (direction, bytes, fields) in parts {
            writeln!(text, "{direction} {}", hex(bytes)).unwrap();
            fields.iter().for_each(|field| writeln!(text, "  {field}").unwrap());
        }
    }
}

/// Reads the blocks of the file.
pub(crate) fn parse(text: &str) -> Vec<Vector> {
    let mut vectors: Vec<Vector> = Vec::new();
    let unhex = |text| if text == "-" { Vec::new() } else { hex::decode(text).unwrap() };
    let mut in_response = false;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let Some(field) = line.strip_prefix("  ") {
            let vector = vectors.last_mut().unwrap();
            let fields = if in_response { &mut vector.response_fields } else { &mut vector.request_fields };
            fields.push(field.into());
        } else if let Some(request) = line.strip_prefix("> ") {
            in_response = false;
            vectors.last_mut().unwrap().request = unhex(request);
        } else if let Some(response) = line.strip_prefix("< ") {
            in_response = true;
            vectors.last_mut().unwrap().response = unhex(response);
        } else {
            let name = line.into();
            let (request, request_fields) = (Vec::new(), Vec::new());
            let (response, response_fields) = (Vec::new(), Vec::new());
            vectors.push(Vector { name, request, request_fields, response, response_fields });
        }
    }
    vectors
}
