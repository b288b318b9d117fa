//! The program `purse`: an electronic purse system on one machine.
//!
//! One file or folder a subcommand; `output` prints, `progress` shows how far something is,
//! `process` opens the world and says how the program ends, `watch` is `--trace` and `--pcap`.

mod apdu;
mod approve;
mod background;
mod blank;
mod card;
mod card_issue;
mod card_list;
mod clear;
mod collect;
mod completions;
mod demo;
mod gp;
mod harden;
mod image;
mod issue;
mod keys;
mod load;
mod operator;
mod output;
mod passphrase;
mod pay;
mod pin;
mod process;
mod progress;
mod reader;
mod readers;
mod replay;
mod report;
mod resolve;
mod sam;
mod serve;
mod simulate;
mod spec;
mod trace;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An open electronic purse system: cards, terminals, network and background system.
#[derive(Parser)]
#[command(
    name = "purse",
    version,
    after_help = "Begin with `purse demo`; the other commands go on from its data.\n\n\
        Exit codes: 0 done, 1 failed, 2 wrong usage or order, 3 refused, 4 in doubt."
)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(clap::Args)]
struct Global {
    /// Directory of the scheme's data
    #[arg(long, global = true, value_name = "DIR", env = "PURSE_DATA", default_value = "purse-data")]
    data: PathBuf,
    /// File with the passphrase of the vault; without, PURSE_PASSPHRASE, or it is asked for
    #[arg(long, global = true, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// File with the key of the card images that are named by their path
    #[arg(long, global = true, value_name = "FILE")]
    image_key: Option<PathBuf>,
    /// Print JSON, for programs; amounts are minor units
    #[arg(long, global = true)]
    json: bool,
    /// Seed of all randomness, for demonstrations; without it, the operating system's (demo: 1)
    #[arg(long, global = true)]
    seed: Option<u64>,
    /// File of the head of the books; without it, background.head among the data
    #[arg(long, global = true, value_name = "FILE", env = "PURSE_HEAD")]
    head: Option<PathBuf>,
    /// Print every APDU to standard error, decoded; keys and PINs are not shown
    #[arg(long, global = true)]
    trace: bool,
    /// Write every APDU to a capture that Wireshark opens; zeros stand for keys and PINs
    #[arg(long, global = true, value_name = "FILE")]
    pcap: Option<PathBuf>,
    #[command(flatten)]
    reader: reader::Choice,
}

#[derive(Subcommand)]
enum Command {
    /// Run a business day from blank cards to settled merchants
    Demo(demo::Demo),
    /// Live statements of a real card on cards of ours
    Replay(replay::Replay),
    /// Simulate the whole system while everything goes wrong
    Simulate(simulate::Simulate),
    /// Issue purses, look at them, put them into readers of other programs
    Card(card::Card),
    /// Carry out an order of cards: personalise them in images or in a reader
    Issue(issue::Issue),
    /// Manage a card as GlobalPlatform has it: what is on it, its life cycle, its keys
    Gp(gp::Gp),
    /// The key versions of the scheme
    Keys(keys::Keys),
    /// The PSAMs of terminals: bring them new keys
    Sam(sam::Sam),
    /// Load a purse, online
    Load(load::Load),
    /// Unload a purse, online
    Unload(load::Unload),
    /// The people whose word is needed where one person's is not enough
    Operator(operator::Operator),
    /// Sign for a load that the operator pays, or show those that wait for it
    Approve(approve::Approve),
    /// Pay with a purse at a terminal
    Pay(pay::Pay),
    /// Cancel the last payment of a purse, at the terminal where it was made
    Cancel(pay::Cancel),
    /// Find out what became of a payment, load or unload that is in doubt
    Resolve(resolve::Resolve),
    /// List the PC/SC readers that are attached
    Readers(readers::Readers),
    /// Collect payments: to a terminal's outbox, or onto the transfer card
    Collect(collect::Collect),
    /// Clear what was collected, and settle merchants
    Clear(clear::Clear),
    /// The background system: whether anybody else has changed its books
    Background(background::Background),
    /// Show books, merchants, exceptions and the money equation
    Report(report::Report),
    /// Send APDUs to a card, and see them decoded: from a script, or in a shell
    Apdu(apdu::Apdu),
    /// Decode a recorded session, or send it to a card again and compare
    Trace(trace::Trace),
    /// Show the catalogue of commands
    Spec(spec::Spec),
    /// Print the completion script of a shell
    Completions(completions::Completions),
}

impl Command {
    /// Whether the command works on one card, which may be in a reader.
    const fn meets_a_card(&self) -> bool {
        matches!(
            self,
            Self::Card(_)
                | Self::Issue(_)
                | Self::Gp(_)
                | Self::Load(_)
                | Self::Unload(_)
                | Self::Pay(_)
                | Self::Cancel(_)
                | Self::Resolve(_)
                | Self::Apdu(_)
                | Self::Trace(_)
        )
    }
}

fn main() -> ExitCode {
    harden::process();
    let Arguments { global, command } = Arguments::parse();
    if let (false, Err(error)) = (command.meets_a_card(), reader::refuse(&global)) {
        return process::end(Err(error), global.json);
    }
    let result = match command {
        Command::Demo(demo) => demo.run(&global),
        Command::Replay(replay) => replay.run(&global),
        Command::Simulate(simulate) => {
            watch::refuse(&global, "simulate").and_then(|()| simulate.run(&global))
        }
        Command::Card(card) => card.run(&global),
        Command::Issue(issue) => issue.run(&global),
        Command::Gp(gp) => gp.run(&global),
        Command::Keys(keys) => keys.run(&global),
        Command::Sam(sam) => sam.run(&global),
        Command::Load(load) => load.run(&global),
        Command::Unload(unload) => unload.run(&global),
        Command::Operator(operator) => operator.run(&global),
        Command::Approve(approve) => approve.run(&global),
        Command::Pay(pay) => pay.run(&global),
        Command::Cancel(cancel) => cancel.run(&global),
        Command::Resolve(resolve) => resolve.run(&global),
        Command::Readers(readers) => readers.run(&global),
        Command::Collect(collect) => collect.run(&global),
        Command::Clear(clear) => clear.run(&global),
        Command::Background(background) => background.run(&global),
        Command::Report(report) => report.run(&global),
        Command::Apdu(apdu) => apdu.run(&global),
        Command::Trace(trace) => trace.run(&global),
        Command::Spec(spec) => spec.run(&global),
        Command::Completions(completions) => completions.run(),
    };
    process::end(result, global.json)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn every_command_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
