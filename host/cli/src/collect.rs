//! `purse collect`: payments leave the terminals.

use serde_json::json;
use simulation::Error;
use simulation::scheme::Connection;

use crate::{Global, output, process};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse collect            all terminals\n  purse collect bus-12")]
pub(crate) struct Collect {
    /// Names of the terminals; all where none is given
    terminals: Vec<String>,
}

impl Collect {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let mut world = process::open_without_reader(global)?;
        let all = || world.scheme().terminals.iter().map(|terminal| terminal.name.clone()).collect();
        let names: Vec<String> = if self.terminals.is_empty() { all() } else { self.terminals.clone() };
        let mut values = Vec::new();
        for name in names {
            let collected = world.collect(&name)?;
            let batches: Vec<u32> = collected.batches.iter().map(|batch| batch.get()).collect();
            let acknowledged = collected.acknowledged;
            values.push(json!({
                "terminal": name, "connection": collected.connection, "batches": batches,
                "acknowledged": acknowledged,
            }));
            if !global.json {
                tell(&name, collected.connection, &batches, acknowledged);
            }
        }
        if global.json {
            output::json(&json!(values));
        }
        Ok(())
    }
}

fn tell(name: &str, connection: Connection, batches: &[u32], acknowledged: usize) {
    let way = match connection {
        Connection::Online => "to its outbox",
        Connection::Never => "onto the transfer card",
    };
    let what = match batches {
        [] => "nothing new".to_owned(),
        batches => format!("batches {batches:?} {way}"),
    };
    match acknowledged {
        0 => output::line(format_args!("{name}: {what}")),
        count => output::line(format_args!("{name}: {what}; {count} acknowledgements taken")),
    }
}
