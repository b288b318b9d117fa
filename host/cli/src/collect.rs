//! `purse collect`: payments leave the terminals. One that is broken stops no other.

use apdu_spec::element::BatchNumber;
use serde_json::{Value, json};
use simulation::Error;
use simulation::collection::Collected;
use simulation::failure::verdict;
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
        let mut world = process::open(global)?;
        let all = || world.scheme().terminals.iter().map(|terminal| terminal.name.clone()).collect();
        let names: Vec<String> = if self.terminals.is_empty() { all() } else { self.terminals.clone() };
        let (collected, failed) = world.collect_all(&names);
        if global.json {
            let terminals: Vec<_> = collected.iter().map(to_json).collect();
            output::json(&json!({ "terminals": terminals, "failed": failed }));
        } else {
            collected.iter().for_each(tell);
        }
        verdict(failed)
    }
}

fn numbers(batches: &[BatchNumber]) -> Vec<u32> {
    batches.iter().map(|batch| batch.get()).collect()
}

fn to_json(collected: &Collected) -> Value {
    let Collected { terminal, connection, batches, left, acknowledged } = collected;
    json!({
        "terminal": terminal, "connection": connection, "batches": numbers(batches), "left": numbers(left),
        "acknowledged": acknowledged,
    })
}

fn tell(collected: &Collected) {
    let Collected { terminal: name, connection, batches, acknowledged, .. } = collected;
    let way = match connection {
        Connection::Online => "to its outbox",
        Connection::Never => "onto the transfer card",
    };
    let what = match numbers(batches).as_slice() {
        [] => "nothing new".to_owned(),
        batches => format!("batches {batches:?} {way}"),
    };
    match acknowledged {
        0 => output::line(format_args!("{name}: {what}")),
        count => output::line(format_args!("{name}: {what}; {count} acknowledgements taken")),
    }
}
