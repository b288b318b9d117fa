//! A terminal's test against a card that `purse card serve --image card.img --listen
//! 127.0.0.1:9000` runs: `cargo run -p host --example served_card -- 127.0.0.1:9000`.

use host::reader::{Reader, remote::RemoteReader};

pub(crate) fn run(address: &str) -> Result<(), host::Error> {
    let mut card = RemoteReader::connect(&address.parse()?)?;
    let answer = card.transmit(b"\x00\xA4\x04\x00\x06\xF0PURSE")?;
    assert_eq!(answer[answer.len() - 2..], [0x90, 0x00], "the purse is selected");
    println!("ATR {}, FCI {}", hex::encode_upper(card.atr()), hex::encode_upper(answer));
    Ok(())
}

fn main() -> Result<(), host::Error> {
    run(&std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".into()))
}
