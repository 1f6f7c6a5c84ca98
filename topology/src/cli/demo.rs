//! `syncwell demo`: people with three kinds of accounts, a whole sync in every direction, twice.

pub(super) mod accounts;
mod devices;
mod report;

use self::{
    accounts::{PEOPLE, World},
    devices::Devices,
    report::{Run, worth_explaining},
};
use super::{
    client::Client,
    connect::{folder_connection, text},
    explain::explained,
    jobs::id_of,
    print,
};
use crate::{process::Process, roles::Roles};
use anyhow::{Context, bail, ensure};
use clap::Args;
use engine::clock::Clock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::{Method, header::LOCATION, multipart};
use serde_json::{Value, json};
use std::{io::IsTerminal, path::PathBuf, time::Instant};

/// What the demo reads of Google Health for the folder.
const FOR_THE_FOLDER: [&str; 6] = ["sleep", "weight", "steps", "resting_heart_rate", "hrv_rmssd", "oxygen_saturation"];
/// Everything that the recordings hold is in it.
const FROM: &str = "2010-01-01T00:00:00Z";
const TO: &str = "2026-08-01T00:00:00Z";

/// `syncwell demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// One JSON document on stdout instead of text.
    #[arg(long)]
    json: bool,
    /// Which people: the same number is the same demo.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keep everything in this directory, which must be new or empty.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// A sync of the demo.
struct Job {
    person: &'static str,
    source: String,
    destination: String,
    data_type: &'static str,
}

/// A person of the demo, connected.
struct Person {
    name: &'static str,
    client: Client,
    strava: String,
    google: String,
    folder: String,
}

impl Demo {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let directory = self.directory()?;
        print::say(&format!("everything is kept in {}", directory.display()));
        let done = Box::pin(self.in_directory(&directory)).await;
        if self.keep.is_none() && done.is_ok() {
            std::fs::remove_dir_all(&directory).with_context(|| format!("remove {}", directory.display()))?;
        }
        done
    }

    fn directory(&self) -> anyhow::Result<PathBuf> {
        let Some(keep) = &self.keep else {
            return Ok(std::env::temp_dir().join(format!("syncwell-demo-{}", std::process::id())));
        };
        let is_used = std::fs::read_dir(keep).is_ok_and(|mut it| it.next().is_some());
        ensure!(!is_used, "{} is not empty; give --keep a new directory", keep.display());
        Ok(keep.clone())
    }

    async fn in_directory(&self, directory: &std::path::Path) -> anyhow::Result<()> {
        let world = World::start(self.seed).await?;
        let config = world.config(directory.to_owned());
        let process = Process::open(&config, connectors::catalog(), Clock::real(), Roles::all()).await?;
        let mut tokens = Vec::new();
        for name in PEOPLE.map(|it| it.0).into_iter().chain([devices::OWNER.0]) {
            tokens.push(process.make_token(name, ("demo", false), None).await?);
        }
        let client = Client::of(process, "demo").await?;
        let done = Box::pin(self.with(&client, &world, tokens, directory)).await;
        client.close().await?;
        done
    }

    async fn with(
        &self,
        client: &Client,
        world: &World,
        tokens: Vec<String>,
        directory: &std::path::Path,
    ) -> anyhow::Result<()> {
        let mut people = Vec::new();
        let owner = tokens.last().cloned().context("everybody has a token")?;
        for ((name, athlete, user), token) in PEOPLE.into_iter().zip(tokens) {
            let client = client.with_token(token);
            let strava = grant(&client, "strava", &format!("&athlete={athlete}")).await?;
            world.consent_as(user);
            let google = grant(&client, "google_health", "").await?;
            let folder = folder_connection(&client, &directory.join("folders").join(name)).await?;
            let folder = text(&folder, "id").to_owned();
            print::say(&format!("{name} connected Strava, Google Health and a folder"));
            people.push(Person { name, client, strava, google, folder });
        }
        let jobs = configure(&people).await?;
        print::say("first run: everything is read and brought to the other side");
        let first = self.pass(&people, &jobs, "first").await?;
        print::say("second run: the same again");
        let second = self.pass(&people, &jobs, "second").await?;
        let explanation = self.explain(&people, &jobs).await?;
        print::say(&format!("{} ran with a watch and a band, each with an account of its own", devices::OWNER.0));
        let devices = Devices::connect(client.with_token(owner), world, directory).await?;
        let rounds = [devices.round("first").await?, devices.round("second").await?];
        let joined = devices.explanation().await?;
        self.report((&first, &second), &explanation, (rounds, &joined), directory)
    }

    /// Runs every job and waits for its end.
    async fn pass(&self, people: &[Person], jobs: &[Job], name: &str) -> anyhow::Result<Run> {
        let begun = Instant::now();
        let bar = progress(jobs.len() + people.len());
        let mut run = Run::default();
        let mut accepted = Vec::new();
        for job in jobs {
            let client = client_of(people, job.person)?;
            let body = json!({"source": job.source, "destinations": [job.destination], "data_type": job.data_type, "from": FROM, "to": TO});
            let key = format!("{name}/{}/{}/{}", job.source, job.destination, job.data_type);
            accepted.push((job.person, client, id_of(&client.post_once("/v1/sync-jobs", &key, &body).await?)?));
        }
        for person in people {
            accepted.push((person.name, &person.client, import(person, name).await?));
        }
        for (person, client, id) in accepted {
            let status = client
                .settled(&id, |it| {
                    bar.set_message(format!(
                        "{person}: {} {}",
                        it["source"]["provider"].as_str().unwrap_or(""),
                        it["data_type"].as_str().unwrap_or("file")
                    ))
                })
                .await?;
            bar.inc(1);
            if bar.is_hidden() {
                print::say(&format!(
                    "{person}: {} {} is {}",
                    status["source"]["provider"].as_str().unwrap_or(""),
                    status["data_type"].as_str().unwrap_or("file"),
                    text(&status, "state")
                ));
            }
            run.add(person, &status);
        }
        bar.finish_and_clear();
        run.took(begun.elapsed().as_secs_f64());
        Ok(run)
    }

    async fn explain(&self, people: &[Person], jobs: &[Job]) -> anyhow::Result<Value> {
        let (Some(person), Some(job)) = (people.first(), jobs.first()) else { bail!("the demo has no people") };
        let key = format!("first/{}/{}/{}", job.source, job.destination, job.data_type);
        let body = json!({"source": job.source, "destinations": [job.destination], "data_type": job.data_type, "from": FROM, "to": TO});
        // The same key is the same sync: its id comes back, nothing runs again.
        let id = id_of(&person.client.post_once("/v1/sync-jobs", &key, &body).await?)?;
        let records = person.client.get(&format!("/v1/sync-jobs/{id}/records")).await?;
        let record = worth_explaining(&records).context("no record was written")?;
        person.client.get(&format!("/v1/records/{record}/explain")).await
    }

    fn report(
        &self,
        (first, second): (&Run, &Run),
        explanation: &Value,
        (rounds, joined): ([i64; 2], &Value),
        directory: &std::path::Path,
    ) -> anyhow::Result<()> {
        if self.json {
            return print::json(
                &json!({"first": first, "second": second, "explanation": explanation, "directory": directory,
                    "devices": {"written": rounds, "explanation": joined}}),
            );
        }
        print::data(&first.table());
        print::data(&format!("\nfirst run:  {}", first.sentence()));
        print::data(&format!("second run: {}", second.sentence()));
        let written = second.totals.created + second.totals.updated + second.totals.deleted;
        print::data(if written == 0 {
            "nothing was written the second time\n"
        } else {
            "something was written the second time: that is a bug\n"
        });
        for it in super::connect::items(explanation) {
            print::data(&explained(it));
        }
        let [once, again] = rounds;
        print::data(&format!("\ntwo devices, one run: {once} records written, {again} the second time\n"));
        for it in super::connect::items(joined) {
            print::data(&explained(it));
        }
        print::data("\nthree things to try next:");
        print::data("  syncwell import YOUR.fit          # your own file, into a folder that you can look at");
        print::data("  syncwell demo --keep demo-data    # the same, and everything stays to be looked at");
        print::data("  syncwell up                       # the same process for use, with its API");
        Ok(())
    }
}

fn client_of<'a>(people: &'a [Person], name: &str) -> anyhow::Result<&'a Client> {
    people.iter().find(|it| it.name == name).map(|it| &it.client).with_context(|| format!("nobody is called {name}"))
}

/// Connects the only account at a provider; its connection.
async fn grant(client: &Client, provider: &str, choice: &str) -> anyhow::Result<String> {
    visit(client, provider, choice).await?;
    super::jobs::find(&client.get("/v1/connections").await?, provider)
}

/// Connects an account as a browser would: to the provider's page, and back by its redirect.
async fn visit(client: &Client, provider: &str, choice: &str) -> anyhow::Result<()> {
    let started = client.post(&format!("/v1/connections/{provider}"), &json!({})).await?;
    let page = format!("{}{choice}", text(&started, "authorization_url"));
    let http = engine::session::http_client()?;
    let answer = http.get(page).send().await.with_context(|| format!("open the page of {provider}"))?;
    let back = answer.headers().get(LOCATION).and_then(|it| it.to_str().ok());
    let back = back.with_context(|| format!("{provider} did not send the person back: {}", answer.status()))?;
    let done = http.get(back).send().await.context("come back from the provider")?;
    ensure!(done.status().is_success(), "the grant at {provider} failed: {}", done.text().await.unwrap_or_default());
    Ok(())
}

/// Configs in both directions between Strava and Google Health, and from Google Health to the folder.
async fn configure(people: &[Person]) -> anyhow::Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for person in people {
        let routes: [(&String, &String, &[&'static str]); 3] = [
            (&person.strava, &person.google, &["workout"]),
            (&person.google, &person.strava, &["workout"]),
            (&person.google, &person.folder, &FOR_THE_FOLDER),
        ];
        for (source, destination, data_types) in routes {
            let config = json!({"source": source, "destination": destination, "data_types": data_types, "rule": "prioritise_source", "deletes": "keep", "enabled": true});
            person.client.send(person.client.request(Method::PUT, "/v1/sync-configs").json(&config)).await?;
            let job = |data_type| Job {
                person: person.name,
                source: source.clone(),
                destination: destination.clone(),
                data_type,
            };
            jobs.extend(data_types.iter().map(|it| job(it)));
        }
    }
    Ok(jobs)
}

/// A recorded run, as a watch wrote it, to Strava and to the folder.
async fn import(person: &Person, name: &str) -> anyhow::Result<String> {
    let (file, bytes) = connectors::files::RECORDED_RUN;
    let mut form = multipart::Form::new();
    for destination in [&person.strava, &person.folder] {
        form = form.text("destination", destination.clone());
    }
    let form = form.part("file", multipart::Part::bytes(bytes).file_name(file));
    let request = person
        .client
        .request(Method::POST, "/v1/imports")
        .header("Idempotency-Key", format!("\"{name}\""))
        .multipart(form);
    id_of(&person.client.send(request).await?)
}

/// Live progress on a terminal; plain lines elsewhere.
fn progress(n_jobs: usize) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(u64::try_from(n_jobs).ok(), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar
}
