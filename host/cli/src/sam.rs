//! `purse sam rekey`: a generation of keys goes to PSAMs in use, and old ones are retired; one card
//! after the other, as `purse card rekey` does it with a purse. `purse sam lost`: no batch of it will
//! come in any more.

use serde_json::json;
use simulation::world::Which;
use simulation::{Error, World};

use crate::{Global, output, process};

/// What is done with a card's keys.
#[derive(clap::Args)]
pub(crate) struct NewKeys {
    /// Version that the card gets; without, the newest
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u8).range(1..))]
    version: Option<u8>,
    /// Retire versions up to this one: the card takes them no more. There is no way back
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) retire: Option<u8>,
}

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  purse sam rekey                       the newest keys for every PSAM\n  \
    purse sam rekey kiosk\n  purse sam rekey kiosk --retire 1      purses of version 1 are refused there with 940B\n  \
    purse sam lost kiosk --reason 'burnt'  its payments that others have brought are paid where they are final\n\n\
    A PSAM with a newer version goes on taking purses of the one before, until that is retired."
)]
pub(crate) struct Sam {
    #[command(subcommand)]
    action: SamAction,
}

#[derive(clap::Subcommand)]
enum SamAction {
    /// Bring PSAMs a generation of keys, or retire old ones
    Rekey {
        /// Names of the terminals; without, all of them
        terminals: Vec<String>,
        #[command(flatten)]
        rekey: NewKeys,
    },
    /// Declare a PSAM lost for ever. There is no way back
    Lost {
        /// Name of its terminal
        terminal: String,
        /// Why, for whoever reads the books later
        #[arg(long)]
        reason: String,
    },
}

impl NewKeys {
    /// Brings one card the keys, and retires what is to be retired.
    pub(crate) fn run(&self, world: &mut World, which: &Which, global: &Global) -> Result<u8, Error> {
        let version = self.version.or_else(|| world.background().vault().newest_versions().pop());
        let version = version.ok_or_else(|| Error::Order("the vault has no keys".into()))?;
        world.rekey(which, version)?;
        if let Some(retired) = self.retire {
            world.retire(which, retired)?;
        }
        if !global.json {
            let name = match which {
                Which::Purse(number) => format!("Purse {number}"),
                Which::Sam(name) => format!("PSAM of {name}"),
                Which::Transfer => "Transfer card".into(),
            };
            let retired = self.retire.map(|retired| format!("; up to {retired} they are retired"));
            output::line(format_args!("{name}: keys of version {version}{}", retired.unwrap_or_default()));
        }
        Ok(version)
    }
}

impl Sam {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        match &self.action {
            SamAction::Rekey { terminals, rekey } => rekey_all(terminals, rekey, global),
            SamAction::Lost { terminal, reason } => declare_lost(terminal, reason, global),
        }
    }
}

fn rekey_all(terminals: &[String], rekey: &NewKeys, global: &Global) -> Result<(), Error> {
    let mut world = process::open(global)?;
    let all = || world.scheme().terminals.iter().map(|terminal| terminal.name.clone()).collect();
    let names: Vec<String> = if terminals.is_empty() { all() } else { terminals.to_vec() };
    // What is no terminal is said before any is changed.
    names.iter().try_for_each(|name| world.scheme().terminal(name).map(drop))?;
    let mut values = Vec::new();
    for name in names {
        let version = rekey.run(&mut world, &Which::Sam(name.clone()), global)?;
        values.push(json!({ "terminal": name, "version": version, "retired": rekey.retire }));
    }
    if global.json {
        output::json(&json!(values));
    }
    Ok(())
}

fn declare_lost(terminal: &str, reason: &str, global: &Global) -> Result<(), Error> {
    let mut world = process::open(global)?;
    let sam = world.scheme().module(world.scheme().terminal(terminal)?.sam);
    world.background().declare_lost(sam, reason, process::now())?;
    match global.json {
        true => output::json(&json!({ "terminal": terminal, "lost": reason })),
        false => output::line(format_args!(
            "PSAM of {terminal}: lost. The next `purse clear` pays what others have brought of it, where no purse \
             can take it back"
        )),
    }
    Ok(())
}
