//! `purse completions`: what a shell needs to complete commands and options.

use clap::CommandFactory;
use clap_complete::Shell;
use simulation::Error;

use crate::Arguments;

#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  purse completions bash > ~/.local/share/bash-completion/completions/purse"
)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    #[allow(clippy::unnecessary_wraps)] // like the other commands
    pub(crate) fn run(&self) -> Result<(), Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "purse", &mut script);
        crate::output::line(String::from_utf8_lossy(&script).trim_end());
        Ok(())
    }
}
