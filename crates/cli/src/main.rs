//! The program `nonius`: measures where things are in images, and says how sure it is.

mod align;
mod args;
mod chi2;
mod config;
mod convert;
mod demo;
mod info;
mod output;
mod peaks;
mod reconstruct;
mod register;
mod scan;
mod session;
mod stats;
mod strain;
mod tilt;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::session::Session;

/// Wrong use of the program, as against work that failed: exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            exit_code(&error)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let session = Session::new(&cli.global)?;
    let config = config::Config::load(cli.global.config.as_deref())?;
    session.in_pool(|| match cli.command {
        Command::Info(args) => info::run(&session, &args),
        Command::Register(args) => register::run(&session, config.register, *args),
        Command::Chi2(args) => chi2::run(&session, config.chi2, *args),
        Command::Stats(args) => stats::run(&session, config.stats, *args),
        Command::Peaks(args) => peaks::run(&session, config.peaks, *args),
        Command::Strain(args) => strain::run(&session, config.strain, *args),
        Command::Cluster(args) => strain::run_cluster(&session, config.strain, *args),
        Command::Align(args) => align::run(&session, config.align, *args),
        Command::Reconstruct(args) => reconstruct::run(&session, config.reconstruct, *args),
        Command::Convert(args) => convert::run(&session, &args),
        Command::Demo(args) => demo::run(&session, args),
    })
}

/// 2 for wrong use, 130 after Ctrl-C as shells expect it, else 1.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    let cancelled = |e: &(dyn std::error::Error + 'static)| {
        matches!(e.downcast_ref::<nonius::Error>(), Some(nonius::Error::Cancelled))
    };
    if error.chain().any(cancelled) {
        ExitCode::from(130)
    } else if error.downcast_ref::<Usage>().is_some() {
        ExitCode::from(2)
    } else {
        ExitCode::from(1)
    }
}
