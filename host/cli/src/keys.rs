//! `purse keys`: the key versions of the vault. Keys themselves are never shown.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use apdu_spec::element::Algorithm;
use background::vault::{Cost, Lock};
use serde_json::json;
use simulation::{Error, World};
use zeroize::Zeroizing;

use crate::{Global, output, passphrase, process};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse keys list\n  purse keys add\n  \
    purse keys passphrase                            asks for the old one and, twice, the new one\n  \
    purse keys passphrase --passphrase-file old.txt --new-file new.txt\n  \
    purse keys image-key key.txt                     for `card serve --image --image-key key.txt`\n\n\
    A new version reaches cards by `purse sam rekey` and `purse card rekey`: PSAMs first, which go on\n\
    taking purses of the version before. New cards get the two newest.")]
pub(crate) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// The key versions, with check values that give nothing away
    List,
    /// Make a new version of every key
    Add {
        /// Algorithm of its payments; card management is always AES
        #[arg(long, value_enum, default_value = "aes-cmac")]
        algorithm: Kind,
    },
    /// Put the vault under another passphrase. Copies of the old file go on with the old one
    Passphrase {
        /// File with the new one; without, PURSE_NEW_PASSPHRASE, or it is asked for
        #[arg(long, value_name = "FILE")]
        new_file: Option<PathBuf>,
    },
    /// Write the key of this scheme's card images to a new file, for commands that take an image
    ImageKey {
        /// The file, which its owner alone may read. Who has it and an image has the card
        file: PathBuf,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    AesCmac,
    RetailMac,
}

impl Keys {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let mut world = process::open(global)?;
        match &self.action {
            Action::List => {
                let versions = world.background().key_versions();
                if global.json {
                    let value = |key: &background::management::keys::KeyVersion| {
                        json!({
                            "key": key.name, "version": key.version, "algorithm": word(key.algorithm),
                            "check_value": hex::encode_upper(key.check_value),
                        })
                    };
                    output::json(&versions.iter().map(value).collect());
                    return Ok(());
                }
                let row = |key: background::management::keys::KeyVersion| {
                    [key.name, word(key.algorithm).into(), hex::encode_upper(key.check_value)]
                };
                let rows = versions.into_iter().map(row).collect();
                output::line(output::table(["key", "algorithm", "check value"], 3, rows));
            }
            Action::Add { algorithm } => {
                process::note_demo(&world, global);
                let version = world.add_key_version(match algorithm {
                    Kind::AesCmac => Algorithm::AesCmac,
                    Kind::RetailMac => Algorithm::RetailMac,
                })?;
                if global.json {
                    output::json(&json!({ "version": version }));
                } else {
                    output::line(format_args!(
                        "Version {version} of every key. PSAMs get it with `purse sam rekey`, purses with `purse card rekey`."
                    ));
                }
            }
            Action::Passphrase { new_file } => relock(&mut world, new_file.as_deref(), global)?,
            Action::ImageKey { file } => write_image_key(&world, file, global)?,
        }
        Ok(())
    }
}

fn relock(world: &mut World, file: Option<&Path>, global: &Global) -> Result<(), Error> {
    if world.is_demo() {
        return world.relock(Lock::Open);
    }
    let lock = Lock::new(&passphrase::new(file)?, Cost::default(), world.random())?;
    world.relock(lock)?;
    if global.json {
        output::json(&json!({ "passphrase": "changed" }));
    } else {
        output::line("The vault is under the new passphrase. Copies that were kept are under the old one");
    }
    Ok(())
}

fn write_image_key(world: &World, path: &Path, global: &Global) -> Result<(), Error> {
    let key = world.image_key().ok_or_else(|| Error::Demo("its card images are in clear".into()))?;
    let refuse = |error: std::io::Error| Error::File { path: path.into(), reason: error.to_string() };
    let text = Zeroizing::new(key.to_hexadecimal());
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).and_then(|mut file| writeln!(file, "{}", *text)).map_err(refuse)?;
    if global.json {
        output::json(&json!({ "file": path }));
    } else {
        output::line(format_args!("{}: who has it and an image has the card", path.display()));
    }
    Ok(())
}

const fn word(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::AesCmac => "aes-cmac",
        Algorithm::RetailMac => "retail-mac",
    }
}
