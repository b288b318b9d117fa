//! `purse demo`: a business day, from blank cards to settled merchants.

use apdu_spec::element::{Algorithm, Time};
use background::vault::Lock;
use serde_json::json;
use simulation::day::{self, Plan, Summary};
use simulation::world::Founding;
use simulation::{Error, World};

use crate::progress::Progress;
use crate::{Global, output, process, report, watch};

/// A Monday in January 2026, six in the morning UTC: the same for every run, so that
/// the same seed gives the same day.
const START: Time = Time(1_768_197_600);

#[derive(clap::Args)]
#[command(after_help = "Examples:\n  purse demo\n  \
    purse demo --purses 200 --payments 20000 --seed 7 --data /tmp/big\n  \
    purse demo --replace --algorithm retail-mac\n\n\
    A demonstration's keys are no secret: they come from the seed, and stand in clear in vault.json and on the \
    cards. Nothing that is worth anything can be made of it.")]
pub(crate) struct Demo {
    /// Purses to issue
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    purses: u64,
    /// Payments to make
    #[arg(long, default_value_t = 1_000)]
    payments: u64,
    /// Algorithm of all MACs
    #[arg(long, value_enum, default_value = "aes-cmac")]
    algorithm: Choice,
    /// Remove the data of an earlier demo first
    #[arg(long)]
    replace: bool,
}

/// Algorithms, as a person names them.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Choice {
    /// AES-128 CMAC
    AesCmac,
    /// Retail MAC with two-key Triple DES
    RetailMac,
}

impl From<Choice> for Algorithm {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::AesCmac => Self::AesCmac,
            Choice::RetailMac => Self::RetailMac,
        }
    }
}

impl Demo {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        if self.replace {
            process::remove_world(&global.data)?;
        }
        let seed = global.seed.unwrap_or(1);
        let random = process::random(Some(seed))?;
        let observer = watch::observer(global)?;
        let founding = Founding { algorithm: self.algorithm.into(), lock: Lock::Open, observer };
        let mut world = World::found(&global.data, day::scheme(), founding, random, START)?;
        let plan = Plan { purses: self.purses, payments: self.payments, start: START };
        let mut progress = Progress::new();
        let lived = day::run(&mut world, plan, &mut |what, done, total| progress.tell(what, done, total));
        drop(progress);
        let (summary, cleared) = lived?;
        let figures = report::gather(&mut world)?;
        if global.json {
            let report = figures.to_json();
            output::json(&json!({ "demo": true, "seed": seed, "day": summary, "report": report }));
            return figures.verdict().and(cleared.verdict());
        }
        tell(seed, &summary);
        process::note_demo_keys(global);
        figures.print();
        output::line(format_args!("\nThe data is in {}; go on with, for example,", global.data.display()));
        output::line(
            "  purse card list\n  purse load 1 20\n  purse pay 1 2.50 --at kiosk\n  purse collect\n  purse clear\n  \
             purse report",
        );
        figures.verdict().and(cleared.verdict())
    }
}

/// The day in words.
fn tell(seed: u64, summary: &Summary) {
    let Summary { purses, loads, payments, cancelled, unloads, batches, visits } = summary;
    output::line(format_args!(
        "A business day, seed {seed}\n\n\
         {purses} purses were issued and personalised, and loaded online {loads} times.\n\
         {payments} payments were made offline between purse and PSAM; {cancelled} of them were cancelled.\n\
         {unloads} purse was unloaded. The transfer card paid {visits} visits to terminals without a line.\n\
         {batches} batches were verified, booked and acknowledged."
    ));
}
