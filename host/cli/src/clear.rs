//! `purse clear`: batches are verified, booked and acknowledged, and merchants are paid. What is
//! damaged or refused is named, and stops nothing else.

use serde_json::json;
use simulation::Error;

use crate::{Global, output, process};

#[derive(clap::Args)]
#[command(after_help = "Example:\n  purse collect && purse clear")]
pub(crate) struct Clear {}

impl Clear {
    #[allow(clippy::unused_self)] // like the other commands
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let mut world = process::open(global)?;
        let cleared = world.clear(process::now())?;
        let head = world.background().head().map(|head| head.to_string());
        let stored: Vec<_> = cleared.stored.iter().map(|(sam, batch)| format!("{sam}/{batch}")).collect();
        if global.json {
            output::json(&json!({
                "stored": stored, "refused": cleared.refused, "failed": cleared.failed,
                "settlement": cleared.settlement, "head": head,
            }));
        } else {
            output::line(format_args!("{} batches stored {}", stored.len(), stored.join(", ")));
            if let Some(settlement) = &cleared.settlement {
                for line in &settlement.merchants {
                    let (merchant, count, total) = (line.merchant, line.count, output::amount(&line.total));
                    output::line(format_args!("merchant {merchant}: {count} payments, {total} paid out"));
                }
            }
            if let Some(head) = head {
                output::line(format_args!("head of the books, to be kept on paper: {head}"));
            }
        }
        cleared.verdict()
    }
}
