//! `syncwell topics`: Kafka's topics as this build needs them.

use super::print;
use crate::{backends, config::Config};
use anyhow::bail;
use clap::{Args, Subcommand};
use engine::bus::kafka::topics::{Admin, Change};

/// `syncwell topics`.
#[derive(Debug, Args)]
pub struct Topics {
    #[command(subcommand)]
    verb: Verb,
    /// Copies of each partition of a new topic [default: 3, or as many as there are brokers].
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=99))]
    replication: Option<i32>,
    /// Let topics throw events away sooner than they do now.
    #[arg(long, global = true)]
    allow_shorter_retention: bool,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Verb {
    /// Shows what `apply` would do, and does nothing.
    Plan,
    /// Makes and changes topics. It never deletes one and never changes a number of partitions.
    Apply,
}

impl Topics {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let admin = Admin::new(backends::kafka(config)?)?;
        let changes = admin.plan(self.replication, self.allow_shorter_retention).await?;
        for change in &changes {
            print::data(&change.to_string());
        }
        let n_refused = changes.iter().filter(|it| matches!(it, Change::Refuse { .. })).count();
        let n_changes = changes.len() - n_refused;
        match self.verb {
            Verb::Plan if n_changes > 0 => {
                print::say(&format!("{n_changes} changes; `syncwell topics apply` makes them"))
            }
            Verb::Apply if n_changes > 0 => {
                admin.apply(&changes).await?;
                print::say(&format!("{n_changes} changes made"));
            }
            _ if changes.is_empty() => print::say("every topic is as it must be"),
            _ => {}
        }
        if n_refused > 0 {
            bail!("{n_refused} differences are not mended; each line that begins with ! says what to do");
        }
        Ok(())
    }
}
