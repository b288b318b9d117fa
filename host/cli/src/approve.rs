//! `purse approve`: a second person looks at what the operator is to pay.

use std::path::PathBuf;

use background::management::approvals::{OpenApproval, SIGNERS};
use background::management::operators::OperatorKey;
use serde_json::json;
use simulation::{Error, World};

use crate::{Global, operator, output, process};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse approve                                    what waits\n  \
    purse approve 7 --as ann --key /media/ann/ann.pem\n  purse approve 7 --as ben --key /media/ben/ben.pem\n\n\
    Two operators sign, then the load is made again. An approval is for one load, within a day.")]
pub(crate) struct Approve {
    /// Number of the approval; without, those that wait are shown
    number: Option<u32>,
    /// Name of the operator who signs
    #[arg(long = "as", value_name = "NAME", requires = "number")]
    name: Option<String>,
    /// The operator's key; without, NAME.pem in this directory
    #[arg(long, value_name = "FILE", requires = "name")]
    key: Option<PathBuf>,
}

impl Approve {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let mut world = process::open(global)?;
        let open = world.background().open_approvals(process::now())?;
        let Some(number) = self.number else {
            show(&open, global.json);
            return Ok(());
        };
        let Some(name) = &self.name else { process::usage("who signs? Say so with --as NAME") };
        let wanted = open.iter().find(|open| open.approval.number == number).ok_or_else(|| {
            Error::Order(format!("approval {number} does not wait; `purse approve` shows which do"))
        })?;
        let missing = self.sign(&mut world, name, wanted)?;
        if global.json {
            output::json(&json!({ "approval": number, "by": name, "missing": missing }));
        } else if missing == 0 {
            output::line(format_args!("Approval {number} is complete: the load may be made, within a day"));
        } else {
            output::line(format_args!("Approval {number} is signed by {name}; {missing} of {SIGNERS} to go"));
        }
        Ok(())
    }

    fn sign(&self, world: &mut World, name: &str, open: &OpenApproval) -> Result<usize, Error> {
        let key = OperatorKey::read(&operator::file(name, self.key.as_ref()))?;
        let signature = key.sign(&open.approval);
        Ok(world.background().approve(open.approval.number, name, signature, process::now())?)
    }
}

fn show(open: &[OpenApproval], as_json: bool) {
    if as_json {
        let value = |OpenApproval { approval, by }: &OpenApproval| {
            json!({
                "approval": approval.number, "terminal": approval.terminal.to_string(),
                "purse": approval.iep.number.get(), "amount": approval.amount.get(),
                "asked": approval.asked.to_string(), "by": by,
            })
        };
        return output::json(&open.iter().map(value).collect());
    }
    if open.is_empty() {
        return output::line("Nothing waits for approval");
    }
    let row = |OpenApproval { approval, by }: &OpenApproval| {
        [
            approval.number.to_string(),
            approval.terminal.to_string(),
            approval.iep.to_string(),
            output::money(approval.amount.get().into(), approval.currency),
            approval.asked.to_string(),
            by.join(", "),
        ]
    };
    let head = ["approval", "terminal", "purse", "amount", "asked", "signed by"];
    output::line(output::table(head, 6, open.iter().map(row).collect()));
}
