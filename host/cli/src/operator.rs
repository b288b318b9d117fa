//! `purse operator`: people whose word is needed where one person's is not enough.

use std::path::PathBuf;

use background::management::operators::OperatorKey;
use serde_json::json;
use simulation::Error;

use crate::{Global, output, process};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  purse operator add ann --key /media/ann/ann.pem\n  purse operator list\n\n\
    The key stays with the person: whoever has the file signs in that person's name."
)]
pub(crate) struct Operator {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Register a person, with a new key in a file of that person's own
    Add {
        /// Name of the person
        name: String,
        /// Where the key goes (PEM, Ed25519); without, NAME.pem in this directory
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// Show who is registered
    List,
}

impl Operator {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        match &self.action {
            Action::Add { name, key } => add(global, name, &file(name, key.as_ref())),
            Action::List => list(global),
        }
    }
}

/// The file of a person's key.
pub(crate) fn file(name: &str, given: Option<&PathBuf>) -> PathBuf {
    given.cloned().unwrap_or_else(|| format!("{name}.pem").into())
}

fn add(global: &Global, name: &str, path: &std::path::Path) -> Result<(), Error> {
    let mut world = process::open(global)?;
    if world.background().operators()?.iter().any(|known| known == name) {
        return Err(background::Error::AlreadyRegistered(format!("operator {name}")).into());
    }
    let key = OperatorKey::generate(world.random());
    // The file first: an operator without a key could never sign.
    key.create(path)?;
    world.background().register_operator(name, key.public(), process::now())?;
    if global.json {
        output::json(&json!({ "operator": name, "key": path }));
    } else {
        output::line(format_args!(
            "Operator {name} signs with {}; the file is that person's to keep",
            path.display()
        ));
    }
    Ok(())
}

fn list(global: &Global) -> Result<(), Error> {
    let names = process::open(global)?.background().operators()?;
    if global.json {
        output::json(&json!(names));
    } else if names.is_empty() {
        output::line("No operator is registered; `purse operator add` registers one");
    } else {
        names.iter().for_each(output::line);
    }
    Ok(())
}
