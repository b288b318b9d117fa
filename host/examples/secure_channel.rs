//! Personalises a card through a secure channel and asks it a question, with what passes on
//! the line: `cargo run -p host --example secure_channel`.

#[path = "../tests/security_domain/mod.rs"]
mod security_domain;

use apdu_spec::aid::Aid;
use apdu_spec::crypto::secure_channel::{Level, Mode};
use host::Error;
use host::card::secure::{SecureReader, Wish};
use host::card::select;
use host::card::transfer::TransferCard;
use host::reader::Reader;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use security_domain::{Domain, keys, personalise, scp03};

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

fn main() -> Result<(), Error> {
    let keys = keys(scp03(0x70), 16);
    let mut reader = Line(Domain::new(scp03(0x70), keys.clone()));

    println!("SELECT, in the clear");
    select(&mut reader, Aid::TRANSFER)?;

    println!("INITIALIZE UPDATE and EXTERNAL AUTHENTICATE: SCP03, everything secured");
    let wish = Wish { key_version: 0, mode: Mode::S8, level: Level::CDecryptionREncryptionCMacRMac };
    // An example is the same each time; a real challenge comes from the system's generator.
    let mut random = ChaCha20Rng::seed_from_u64(2026);
    let mut reader = SecureReader::open(reader, &keys, wish, &mut random)?;

    println!("STORE DATA, encrypted");
    personalise(&mut reader)?;

    println!("GET DATA, its answer encrypted");
    println!("{:#?}", TransferCard::selected(&mut reader).information()?);
    Ok(())
}
