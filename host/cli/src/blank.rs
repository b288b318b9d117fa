//! `purse card blank`: cards as they come from their manufacturer, as image files.

use std::path::{Path, PathBuf};

use apdu_spec::aid::ApplicationKind;
use serde_json::json;
use simulation::Error;

use crate::{Global, image, output};

#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  purse card blank blank.card\n  purse card blank blank.card --count 10   \
    blank-1.card to blank-10.card\n  purse card blank psam.card --kind psam\n  \
    purse card blank real.card --image-key key.txt\n\n\
    The security domain has the keys of sample cards, 40 41 .. 4F, which everybody knows: they are \
    replaced when the card is personalised. For a demonstration, images are in clear; else they are sealed \
    under --image-key."
)]
pub(crate) struct Blank {
    /// The image; with --count, a number is put before its extension
    file: PathBuf,
    /// What is installed on it
    #[arg(long, value_enum, default_value = "purse")]
    kind: Kind,
    /// How many
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// Write it in clear, outside a demonstration too: for cards that never get keys of worth
    #[arg(long, conflicts_with = "image_key")]
    insecure_plain: bool,
}

/// A kind of application.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Kind {
    /// A purse
    Purse,
    /// A security module of a payment terminal
    Psam,
    /// A transfer card
    Transfer,
}

impl From<Kind> for ApplicationKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Purse => Self::Purse,
            Kind::Psam => Self::Sam,
            Kind::Transfer => Self::Transfer,
        }
    }
}

impl Blank {
    pub(crate) fn run(&self, global: &Global) -> Result<(), Error> {
        let paths: Vec<_> = match self.count {
            1 => vec![self.file.clone()],
            count => (1..=count).map(|number| numbered(&self.file, number)).collect(),
        };
        if let Some(taken) = paths.iter().find(|path| path.exists()) {
            let reason = "this is there already, and is not written over; choose another name".into();
            return Err(Error::File { path: taken.clone(), reason });
        }
        for path in &paths {
            image::create(global, path, self.kind.into(), self.insecure_plain)?;
            if !global.json {
                output::line(path.display());
            }
        }
        if global.json {
            output::json(&json!(paths));
        }
        Ok(())
    }
}

/// `blank.card` with a number: `blank-3.card`.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{number}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{number}"),
    };
    path.with_file_name(name)
}
