//! `purse apdu`: sends APDUs to a card, and shows them decoded from the catalogue.

use std::path::PathBuf;

use host::reader::Reader;
use host::reader::trace::Traced;
use host::reader::virtual_reader::VirtualReader;
use serde_json::json;
use simulation::{Error, World};

use crate::{Global, output, process, reader};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    purse apdu 00A4040006F05055525345 905C000000      SELECT the purse, GET BALANCE\n  \
    purse apdu --image card.img 00A4040006F05055525345\n\n\
    All APDUs go to the card in one session. `purse spec` shows what there is to send.")]
pub(crate) struct Apdu {
    /// APDUs in hexadecimal; spaces within one need quotes
    #[arg(required = true, value_name = "HEX")]
    apdus: Vec<String>,
    /// Number of the purse
    #[arg(long, default_value_t = 1)]
    purse: u64,
    /// A card image, in place of a purse of the scheme
    #[arg(long, value_name = "FILE", conflicts_with = "purse")]
    image: Option<PathBuf>,
}

impl Apdu {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let commands = self.apdus.iter().map(|text| bytes(text)).collect::<Result<Vec<_>, _>>()?;
        if let Some(mut reader) = reader::connect(global)? {
            return exchange(&mut reader, &commands, global.json);
        }
        match &self.image {
            Some(path) => {
                let random = Box::new(process::random(global.seed)?);
                exchange(&mut VirtualReader::open(path, random, true)?, &commands, global.json)
            }
            None => {
                let mut world: World = process::open(global)?;
                exchange(world.purse(self.purse)?, &commands, global.json)
            }
        }
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, Error> {
    let digits: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    hex::decode(&digits).map_err(|error| Error::Order(format!("{text:?} is no hexadecimal APDU: {error}")))
}

fn exchange(reader: &mut dyn Reader, commands: &[Vec<u8>], as_json: bool) -> Result<(), Error> {
    let mut values = Vec::new();
    let tell = |text: &str| {
        if !as_json {
            output::line(text.trim_end());
        }
    };
    let mut reader = Traced::new(reader, tell);
    for command in commands {
        let answer = reader.transmit(command)?;
        values.push(json!({ "command": hex::encode_upper(command), "answer": hex::encode_upper(answer) }));
    }
    if as_json {
        output::json(&json!(values));
    }
    Ok(())
}
