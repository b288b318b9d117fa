//! Requests from the catalogue: lengths right, each field taken from earlier answers or
//! from the fuzzer's bytes.

use std::collections::BTreeMap;

use apdu_spec::Element as _;
use apdu_spec::declare::{Field, Row};
use apdu_spec::element::{Algorithm, BatchNumber, Mac};
use apdu_spec::sam::Opened;

use super::Input;
use crate::support::world::NOW;
use crate::support::{GROUP, VERSION, bytes, issuer, reference, sam_id};

/// What earlier answers said, by the name of the field.
#[derive(Debug)]
pub struct Pool(BTreeMap<&'static str, Vec<u8>>);

impl Default for Pool {
    /// What a terminal knows before the first answer.
    fn default() -> Self {
        Self(BTreeMap::from([
            ("group", vec![GROUP]),
            ("version", vec![VERSION]),
            ("time", bytes(&NOW)),
            ("sam", bytes(&sam_id())),
            ("batch", vec![0, 0, 1]),
            ("index", vec![0, 0]),
            ("number", vec![0, 0, 1]),
            ("record", vec![1]),
            ("last", vec![0x80]),
        ]))
    }
}

impl Pool {
    pub fn put(&mut self, name: &'static str, value: Vec<u8>) {
        self.0.insert(name, value);
    }

    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Remembers the fields of an answer.
    pub fn learn(&mut self, row: &Row, data: &[u8]) {
        let mut rest = data;
        for field in row.response.fields {
            let length = if field.min == field.max { field.min } else { rest.len() };
            let Some((value, tail)) = rest.split_at_checked(length) else { break };
            self.put(field.name, value.to_vec());
            rest = tail;
        }
        match row.response.name {
            "PreviousSignature" => self.put("previous", data.to_vec()),
            "Opened" => self.put("nt", bytes(&Opened::from_bytes(data).unwrap().order.nt)),
            _ => {}
        }
    }

    /// What an honest terminal would put into this field.
    fn honest(&self, field: &Field) -> Option<Vec<u8>> {
        let value = match field.name {
            "counterpart" => [bytes(&sam_id()), self.0.get("challenge")?.clone()].concat(),
            "mac" => bytes(&self.acknowledgement()?),
            name => self.0.get(name)?.clone(),
        };
        (field.min..=field.max).contains(&value.len()).then_some(value)
    }

    /// The background system's word for the batch at hand.
    fn acknowledgement(&self) -> Option<Mac> {
        let batch = BatchNumber::from_bytes(self.0.get("batch")?).ok()?;
        let s4 = Mac::from_bytes(self.0.get("s4")?).ok()?;
        Some(issuer::acknowledge(batch, s4, reference(Algorithm::AesCmac, 0)).mac)
    }
}

/// Where the fields of a request come from.
#[derive(Debug)]
pub enum Source<'i, 'a> {
    /// All as an honest terminal would have it.
    Honest,
    /// As the input says, field by field.
    Input(&'i mut Input<'a>),
}

/// From this byte on a field is the fuzzer's own.
const OWN: u8 = 0xC0;

fn field(field: &Field, pool: &Pool, source: &mut Source<'_, '_>) -> Vec<u8> {
    let honest = pool.honest(field);
    let Source::Input(input) = source else {
        return honest.unwrap_or_else(|| vec![0; field.min]);
    };
    match honest {
        Some(value) if input.byte() < OWN => value,
        // Amounts that can be paid, most of the time.
        _ if field.name == "amount" => vec![0, 0, input.byte() & 0x1F, input.byte()],
        // Numbers that exist, most of the time.
        _ if field.name == "number" && field.max == 3 => vec![0, 0, input.byte()],
        _ => {
            let span = field.max - field.min;
            let more = if span == 0 { 0 } else { usize::from(input.byte()) % (span + 1) };
            input.bytes(field.min + more)
        }
    }
}

/// A command of this row.
pub fn command(row: &Row, pool: &Pool, source: &mut Source<'_, '_>) -> Vec<u8> {
    let mut body = Vec::new();
    for shape in row.request.fields {
        body.extend(field(shape, pool, source));
    }
    let mut body = body.into_iter();
    let p1 = row.p1.unwrap_or_else(|| body.next().unwrap_or(0));
    let p2 = row.p2.unwrap_or_else(|| body.next().unwrap_or(0));
    let data: Vec<u8> = body.collect();
    let lc = (!data.is_empty()).then(|| u8::try_from(data.len()).unwrap());
    [row.cla, row.ins, p1, p2].into_iter().chain(lc).chain(data).collect()
}
