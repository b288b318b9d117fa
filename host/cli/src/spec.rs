//! `purse spec`: the catalogue of commands.

use apdu_spec::catalog;
use apdu_spec::declare::{Row, Shape};
use serde_json::{Value, json};
use simulation::Error;

use crate::{Global, output};

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse spec\n  purse spec DebitIep\n  purse spec --json")]
pub(crate) struct Spec {
    /// Commands whose name contains this, with all their fields
    name: Option<String>,
}

impl Spec {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let wanted = self.name.as_deref().unwrap_or_default().to_lowercase();
        let rows: Vec<&Row> =
            catalog::rows().filter(|row| row.name.to_lowercase().contains(&wanted)).collect();
        if rows.is_empty() {
            return Err(Error::Order(format!("no command is called {wanted:?}; `purse spec` lists all")));
        }
        if global.json {
            output::json(&rows.iter().map(|row| to_json(row)).collect());
        } else if self.name.is_some() {
            rows.iter().for_each(|row| output::line(in_words(row)));
        } else {
            output::line(overview(&rows));
        }
        Ok(())
    }
}

fn header(row: &Row) -> String {
    let parameter = |byte: Option<u8>| byte.map_or("*".into(), |byte| format!("{byte:02X}"));
    format!("{:02X} {:02X} {} {}", row.cla, row.ins, parameter(row.p1), parameter(row.p2))
}

fn length(shape: &Shape) -> String {
    if shape.min == shape.max { shape.max.to_string() } else { format!("{}..{}", shape.min, shape.max) }
}

fn application(row: &Row) -> &'static str {
    row.set.trim_end_matches("Command")
}

fn overview(rows: &[&Row]) -> comfy_table::Table {
    let cells = |row: &&Row| {
        let sizes = [length(&row.request), length(&row.response)];
        let [request, response] = sizes;
        [application(row).into(), row.name.into(), header(row), request, response]
    };
    let head = ["application", "command", "CLA INS P1 P2", "request bytes", "response bytes"];
    output::table(head, 3, rows.iter().map(cells).collect())
}

fn in_words(row: &Row) -> String {
    let mut text = format!("{} {}   {}\n  {}\n", application(row), row.name, header(row), row.doc);
    for (direction, shape) in [("request", &row.request), ("response", &row.response)] {
        text.push_str(&format!("  {direction}, {} bytes\n", length(shape)));
        for field in shape.fields {
            let bytes =
                if field.min == field.max { field.max.to_string() } else { format!("..{}", field.max) };
            text.push_str(&format!("    {:>4}  {:<16} {}\n", bytes, field.name, field.doc));
        }
    }
    let words: Vec<String> = row.status.iter().map(ToString::to_string).collect();
    text.push_str(&format!("  status: 9000; {}\n  source: {}\n", words.join("; "), row.source));
    text
}

fn to_json(row: &Row) -> Value {
    let shape = |shape: &Shape| {
        let field = |field: &apdu_spec::declare::Field| json!({ "name": field.name, "min": field.min, "max": field.max, "doc": field.doc });
        json!({
            "name": shape.name, "min": shape.min, "max": shape.max,
            "fields": shape.fields.iter().map(field).collect::<Value>(),
        })
    };
    json!({
        "application": application(row), "name": row.name, "doc": row.doc, "header": header(row),
        "request": shape(&row.request), "response": shape(&row.response), "source": row.source,
        "status": row.status.iter().map(|word| format!("{word:?}")).collect::<Value>(),
    })
}
