//! `purse keys`: the key versions of the vault. Keys themselves are never shown.

use apdu_spec::element::Algorithm;
use serde_json::json;
use simulation::Error;

use crate::{Global, output, process};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse keys list\n  purse keys add\n\n\
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
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    AesCmac,
    RetailMac,
}

impl Keys {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let mut world = process::open(global)?;
        match self.action {
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
        }
        Ok(())
    }
}

const fn word(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::AesCmac => "aes-cmac",
        Algorithm::RetailMac => "retail-mac",
    }
}
