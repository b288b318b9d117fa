//! The catalogue: every command of every application, and what can be made of it.
//! COMMANDS.md, the trace and the fuzzer's input come from here.

use core::fmt::{self, Write};

use crate::apdu::Apdu;
use crate::declare::{Row, Shape};
use crate::interindustry::InterindustryCommand;
use crate::legacy::FileCommand;
use crate::life_cycle::LifeCycle;
use crate::purse::PurseCommand;
use crate::sam::SamCommand;
use crate::security_domain::SecurityDomainCommand;
use crate::transfer::TransferCommand;

/// All command sets.
pub const SETS: &[&[Row]] = &[
    InterindustryCommand::ROWS,
    SecurityDomainCommand::ROWS,
    PurseCommand::ROWS,
    SamCommand::ROWS,
    TransferCommand::ROWS,
    FileCommand::ROWS,
];

/// All rows, set by set.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    SETS.iter().flat_map(|set| set.iter())
}

/// The row of a header. No two sets share one, but that the file views read records of any
/// file; they come last.
#[must_use]
pub fn find(apdu: &Apdu<'_>) -> Option<&'static Row> {
    rows().find(|row| row.matches(apdu))
}

/// The row of a name, whatever the case of its letters.
#[must_use]
pub fn find_by_name(name: &str) -> Option<&'static Row> {
    rows().find(|row| row.name.eq_ignore_ascii_case(name))
}

/// Writes COMMANDS.md.
pub fn write_markdown(out: &mut dyn Write) -> fmt::Result {
    out.write_str(HEAD)?;
    for set in SETS {
        let Some(first) = set.first() else { continue };
        writeln!(out, "\n## {}\n", first.set.trim_end_matches("Command"))?;
        for row in *set {
            write_row(out, row)?;
        }
    }
    out.write_str("## Status words\n\n| word | meaning |\n|---|---|\n")?;
    crate::status::StatusWord::NAMED
        .iter()
        .try_for_each(|(word, meaning)| writeln!(out, "| {word:?} | {meaning} |"))
}

const HEAD: &str = "# Commands\n\n\
    Made from the declarations in `src`; a test fails when this page is stale. Numbers are big\n\
    endian, amounts are minor units of a currency, times are UTC. `*` in P1 or P2: the request's\n\
    first bytes travel there. While wrong authentications have blocked a card, every command that\n\
    is not served \"also while blocked\" gets 940C.\n";

fn write_row(out: &mut dyn Write, row: &Row) -> fmt::Result {
    write!(out, "### {}\n\n{}\n\n`{:02X} {:02X}", row.name, row.doc, row.cla, row.ins)?;
    for parameter in [row.p1, row.p2] {
        match parameter {
            Some(byte) => write!(out, " {byte:02X}")?,
            None => out.write_str(" *")?,
        }
    }
    out.write_str("`, ")?;
    out.write_str(match row.states {
        [LifeCycle::Personalized] => "once personalised",
        [LifeCycle::Personalized, LifeCycle::Blocked] => "once personalised, also while blocked",
        [LifeCycle::Selectable, LifeCycle::Personalized] => "while not blocked",
        [LifeCycle::Selectable, LifeCycle::Personalized, LifeCycle::Blocked] => "also while blocked",
        _ => "always",
    })?;
    write!(out, ". Status: 9000")?;
    row.status.iter().try_for_each(|word| write!(out, ", {word:?}"))?;
    write!(out, ". Source: {}.\n\n", row.source)?;
    write_shape(out, "request", &row.request)?;
    write_shape(out, "response", &row.response)
}

fn write_shape(out: &mut dyn Write, direction: &str, shape: &Shape) -> fmt::Result {
    if shape.fields.is_empty() {
        return writeln!(out, "No {direction} data.\n");
    }
    write!(out, "{} ({direction}, ", shape.name)?;
    write_length(out, shape.min, shape.max)?;
    out.write_str(" bytes)\n\n| field | bytes | what |\n|---|---|---|\n")?;
    for field in shape.fields {
        write!(out, "| {} | ", field.name)?;
        write_length(out, field.min, field.max)?;
        writeln!(out, " | {} |", field.doc)?;
    }
    out.write_char('\n')
}

fn write_length(out: &mut dyn Write, min: usize, max: usize) -> fmt::Result {
    if min == max { write!(out, "{min}") } else { write!(out, "{min}..{max}") }
}
