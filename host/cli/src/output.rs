//! What the program prints. A pipe that is closed early is no error; a full disk is one, but
//! it stops nothing that moves money: the program says so at its end.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use apdu_spec::element::Currency;
use background::reports::CurrencyLabel;
use comfy_table::{CellAlignment, Table, presets};

/// Whether something that was to be printed is not.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a line to standard output.
pub(crate) fn line(text: impl Display) {
    let printed = writeln!(std::io::stdout(), "{text}");
    if printed.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe) {
        LOST.store(true, Ordering::Relaxed);
    }
}

/// Whether something that was to be printed is not.
pub(crate) fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Prints a value as JSON.
pub(crate) fn json(value: &serde_json::Value) {
    line(format_args!("{value:#}"));
}

/// Prints an error as JSON to standard error.
pub(crate) fn complain(value: &serde_json::Value) {
    let _ = writeln!(std::io::stderr(), "{value}");
}

/// Prints an error to standard error.
pub(crate) fn complain_plainly(error: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "purse: {error}");
}

/// A table with a head; columns from `right` on are aligned to the right.
pub(crate) fn table<const N: usize>(head: [&str; N], right: usize, rows: Vec<[String; N]>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(head);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(right) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Minor units as a person reads them.
pub(crate) fn money(minor: i64, currency: impl Into<Currency>) -> String {
    currency.into().show(minor).to_string()
}

/// Minor units of a report.
pub(crate) fn amount(money: &background::reports::Money) -> String {
    let CurrencyLabel { code, exponent } = money.currency;
    Currency { code, exponent }.show(money.minor).to_string()
}
