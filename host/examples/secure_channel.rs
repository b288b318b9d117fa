//! Personalises a blank card through its issuer's secure channel and asks it who it is, with
//! what passes on the line: `cargo run -p host --example secure_channel`.
//!
//! The card is the real one, in this process. To do the same with a card in a reader, put
//! `host::reader::pcsc::connect` in the place of `VirtualReader::blank`.

use apdu_spec::Element as _;
use apdu_spec::aid::Aid;
use apdu_spec::crypto::Key;
use apdu_spec::crypto::secure_channel::{ChannelKey, KeySet};
use apdu_spec::element::{Algorithm, KeyReference, SamId};
use apdu_spec::personalisation::{DataGroup, Function, KeyData, TransferParameters};
use apdu_spec::security_domain::DataBlock;
use apdu_spec::wire::Malformed;
use card_os::applets::AppletKind;
use host::Error;
use host::card::domain::{Access, SecurityDomain};
use host::card::secure::SecureReader;
use host::card::select;
use host::card::transfer::TransferCard;
use host::reader::Reader;
use host::reader::virtual_reader::VirtualReader;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

/// A reader that prints what passes.
struct Line<R>(R);

impl<R: Reader> Reader for Line<R> {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        println!("  > {}", hex::encode_upper(command));
        let answer = self.0.transmit(command)?;
        println!("  < {}", hex::encode_upper(&answer));
        Ok(answer)
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.0.reset()
    }
}

/// What makes a blank card transfer card 2 of acquirer 1: who it is, then its key, in a block
/// that is marked as the last.
fn personalisation() -> Result<[DataBlock; 2], Malformed> {
    let card = SamId::from_bytes(&[0, 0, 1, 0, 0, 2])?;
    let reference = KeyReference { algorithm: Algorithm::AesCmac, group: 0, version: 1 };
    let key = KeyData { function: Function::Record, reference, key: Key::new([0x5A; 16]) };
    Ok([
        DataBlock::of(false, 0, DataGroup::Transfer, &TransferParameters { card })?,
        DataBlock::of(true, 1, DataGroup::Key, &key)?,
    ])
}

pub(crate) fn run() -> Result<(), Box<dyn std::error::Error>> {
    // An example is the same each time; real challenges come from the system's generator.
    let mut random = ChaCha20Rng::seed_from_u64(2026);
    let card = VirtualReader::blank(AppletKind::Transfer, Box::new(ChaCha20Rng::seed_from_u64(1)))?;
    let mut line = Line(card);

    println!("SELECT of the issuer security domain; INITIALIZE UPDATE and EXTERNAL AUTHENTICATE with");
    println!("the keys that every sample card has: SCP03, from here on everything is secured");
    let sample = Access::initial();
    let mut domain = SecurityDomain::open(&mut line, &sample, &mut random)?;

    println!("GET STATUS: what is on the card");
    for application in domain.applications()? {
        println!("{application:02X?}");
    }

    println!("PUT KEY: keys that nobody else knows, as version 30");
    let key = |byte| ChannelKey::aes(&[byte; 32]);
    let [enc, mac, dek] = [key(1)?, key(2)?, key(3)?];
    let own = Access::with(KeySet { enc, mac, dek }, 0x30);
    domain.put_keys(domain.key_version(), 0x30, &own.keys)?;

    println!("A channel with the new keys; with that the old ones are gone");
    let mut domain = SecurityDomain::open(&mut line, &own, &mut random)?;

    println!("INSTALL [for personalization], then STORE DATA, whose last block puts the card into use");
    domain.personalise(&Aid::new(Aid::TRANSFER)?, &personalisation()?)?;

    println!("SELECT of the transfer card, which ends the channel, and one with the application itself");
    select(&mut line, Aid::TRANSFER)?;
    let mut reader = SecureReader::open(&mut line, &own.keys, own.wish, &mut random)?;

    println!("GET DATA, its answer encrypted");
    println!("{:#?}", TransferCard::selected(&mut reader).information()?);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    run()
}
