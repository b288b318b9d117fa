//! `purse card list`: all purses, on their cards and in the books. A card that cannot be read hides
//! no other.

use background::reports::PurseLine;
use serde_json::{Value, json};
use simulation::failure::{Failure, verdict};
use simulation::{Error, World};

use crate::output;

/// What the card says, in the words of the table's columns and as JSON.
type Told = ([String; 4], Value);

pub(crate) fn list(world: &mut World, as_json: bool) -> Result<(), Error> {
    let currency = world.scheme().currency();
    let shadows = world.background().purses()?;
    let (mut rows, mut values, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for number in world.purse_numbers() {
        let name = world.iep(number)?.to_string();
        let ([balance, commits, receipts, state], mut value) = match ask(world, number) {
            Ok(Some(told)) => told,
            Ok(None) => continue,
            Err(error) => silent(number, &error, &mut failed),
        };
        let known = shadows.iter().find(|line| line.purse == name);
        note(&mut value, number, &name, known);
        values.push(value);
        let shadow = known.map_or("unknown".into(), |line| output::money(line.shadow.minor, currency));
        rows.push([number.to_string(), name, balance, shadow, commits, receipts, state]);
    }
    if as_json {
        output::json(&json!(values));
    } else {
        let head = ["purse", "id", "balance", "shadow balance", "value commits", "receipts held", "state"];
        output::line(output::table(head, 2, rows));
    }
    verdict(failed)
}

/// What a card says of itself; nothing where its purse was deleted.
fn ask(world: &mut World, number: u64) -> Result<Option<Told>, Error> {
    let currency = world.scheme().currency();
    let Some(mut card) = world.personalised_card(number)? else { return Ok(None) };
    let blocked = card.is_blocked();
    let (balance, information) = (card.balance()?.balance.0, card.information()?);
    let row = [
        output::money(balance.into(), currency),
        information.nv.to_string(),
        information.receipts.to_string(),
        if blocked { "blocked".into() } else { "in use".into() },
    ];
    let value = json!({
        "balance": balance, "sessions": information.nt.get(), "value_commits": information.nv.get(),
        "receipts": information.receipts, "blocked": blocked,
    });
    Ok(Some((row, value)))
}

/// A card that says nothing: its issuer has locked or terminated it, it is damaged, or
/// another process runs it.
fn silent(number: u64, error: &Error, failed: &mut Vec<Failure>) -> Told {
    let dash = || "-".to_owned();
    let told = |state: &str, value| ([dash(), dash(), dash(), state.into()], value);
    match error {
        Error::Locked(_) => told("card locked", json!({ "balance": null, "unread": "card locked" })),
        Error::Terminated(_) => told("TERMINATED", json!({ "balance": null, "unread": "TERMINATED" })),
        error => {
            let failure = Failure::new(format!("purse {number}"), error);
            let mut value = json!(failure);
            value["balance"] = Value::Null;
            value["unread"] = "cannot be read".into();
            failed.push(failure);
            told("cannot be read", value)
        }
    }
}

/// Adds whose card it is, and what the books know.
fn note(value: &mut Value, number: u64, name: &str, known: Option<&PurseLine>) {
    value["purse"] = number.into();
    value["id"] = name.into();
    value["shadow"] = json!(known.map(|line| line.shadow.minor));
    value["hotlisted"] = known.is_some_and(|line| line.hotlisted).into();
}
