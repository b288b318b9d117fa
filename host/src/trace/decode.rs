//! Names and fields of an exchange, after the catalogue, without its secrets.

use apdu_spec::declare::{DATA_MAX, Row, Shape};
use apdu_spec::{Apdu, StatusWord, catalog};

use super::redact;

/// What stands in a data field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Data {
    /// Fields, by path, as text.
    Fields(Vec<(String, String)>),
    /// Bytes that nobody has declared, in hexadecimal; a command's with its length bytes.
    Bytes(String),
    /// So many bytes that may be secret.
    Withheld(usize),
    /// So many bytes that are not of this declared shape.
    Misshapen(usize, &'static str),
}

/// An exchange that has been read.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// CLA INS P1 P2 in hexadecimal, with spaces; less where the frame is shorter.
    pub header: String,
    /// The command, where the catalogue has it.
    pub row: Option<&'static Row>,
    /// The command's data.
    pub request: Data,
    /// The status word, where an answer came.
    pub status: Option<StatusWord>,
    /// The answer's data.
    pub response: Data,
}

const NOTHING: Data = Data::Fields(Vec::new());

/// Reads an exchange; of secrets the length alone is in the result.
#[must_use]
pub fn decode(command: &[u8], answer: Option<&[u8]>) -> Decoded {
    let header: Vec<String> = command.iter().take(4).map(|byte| format!("{byte:02X}")).collect();
    let apdu = Apdu::parse(command).ok();
    let row = apdu.and_then(|apdu| catalog::find(&apdu));
    let request = match (apdu, row) {
        (Some(apdu), Some(row)) => request(row, &apdu),
        (Some(apdu), None) if apdu.data.is_empty() || redact::is_public(command) => bytes(apdu.data),
        (Some(apdu), None) => Data::Withheld(apdu.data.len()),
        (None, _) => Data::Misshapen(command.len(), "command APDU"),
    };
    let (status, response) = match answer.map(<[u8]>::split_last_chunk::<2>) {
        None => (None, NOTHING),
        Some(None) => (None, Data::Misshapen(answer.map_or(0, <[u8]>::len), "response APDU")),
        Some(Some((data, status))) => {
            let status = StatusWord(u16::from_be_bytes(*status));
            (Some(status), response(row, command, status, data))
        }
    };
    Decoded { header: header.join(" "), row, request, status, response }
}

fn request(row: &Row, apdu: &Apdu<'_>) -> Data {
    let mut buffer = [0; DATA_MAX + 2];
    row.body(apdu, &mut buffer)
        .map_or(Data::Misshapen(apdu.data.len(), row.request.name), |body| shaped(&row.request, body))
}

fn response(row: Option<&Row>, command: &[u8], status: StatusWord, data: &[u8]) -> Data {
    match row {
        Some(row) if status == StatusWord::OK => shaped(&row.response, data),
        _ if data.is_empty() => NOTHING,
        Some(row) if row.response.has_secret() => Data::Withheld(data.len()),
        None if !redact::is_public(command) => Data::Withheld(data.len()),
        _ => bytes(data),
    }
}

fn bytes(data: &[u8]) -> Data {
    if data.is_empty() { NOTHING } else { Data::Bytes(hex::encode_upper(data)) }
}

fn shaped(shape: &Shape, data: &[u8]) -> Data {
    let mut fields = Vec::new();
    let walked = shape.leaves(data, &mut |leaf| fields.push((leaf.path.to_string(), leaf.to_string())));
    walked.map_or(Data::Misshapen(data.len(), shape.name), |()| Data::Fields(fields))
}
