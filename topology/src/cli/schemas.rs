//! `syncwell schemas`: what a registry is to know.

use super::print;
use crate::{backends, config::Config};
use clap::{Args, Subcommand};
use engine::bus::{kafka::Names, registry};
use schemas::codec::SCHEMAS;

/// `syncwell schemas`.
#[derive(Debug, Args)]
pub struct Schemas {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Verb {
    /// Registers every schema of every topic; doing it again changes nothing.
    Push,
    /// Lists the schemas of this build.
    List,
}

impl Schemas {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        match self.verb {
            Verb::Push => {
                let settings = backends::kafka(config)?;
                let pushed = registry::push(&settings.registry, &Names::new(&settings.namespace)).await?;
                let row = |it: &registry::Pushed| {
                    let news = if it.is_new { "registered" } else { "was there" };
                    vec![it.subject.clone(), it.version.to_string(), it.id.to_string(), news.to_owned()]
                };
                let rows: Vec<_> = pushed.iter().map(row).collect();
                print::data(&print::table(&["subject", "version", "id", ""], &rows));
            }
            Verb::List => {
                let row = |it: &schemas::codec::Published| {
                    vec![it.subject.to_string(), it.version.to_string(), it.id.to_string()]
                };
                let rows: Vec<_> = SCHEMAS.iter().map(row).collect();
                print::data(&print::table(&["schema", "version", "id"], &rows));
            }
        }
        Ok(())
    }
}
