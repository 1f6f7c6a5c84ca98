//! People, connected in bulk, and the load that they give.
//!
//! Four of five have rides at Strava that go to Google Health (class C, keyed) and to a folder (class A); the others
//! have walks at Google Health that go to Strava (class C, not keyed: nothing there tells a second record from the
//! first). In each round everybody has one new record, of a day of its own, which is changed several times, with a
//! sync after each change.

use super::follow::Book;
use ::tests::Outside;
use anyhow::{Context, Result, bail};
use engine::{
    connect::ConfigCommand,
    people::{Connection, ConnectionState},
    provider::Tokens,
    resolve::policy::Policies,
};
use futures::{StreamExt, TryStreamExt, stream};
use schemas::{
    data_type::DataType,
    event::{Deletes, Rule},
    id::{ConnectionId, Subject},
    time::Instant,
};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use topology::process::Process;

/// Commands posted at the same time.
const POSTS: usize = 16;
/// How long the API may refuse a command before the run is given up.
const PATIENCE: Duration = Duration::from_secs(240);
/// The pause before a command is sent again.
const AGAIN: Duration = Duration::from_millis(300);
/// The day of the first round.
const FIRST_DAY: &str = "2024-03-01T00:00:00Z";

/// How much there is of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    pub(crate) people: u32,
    /// Versions of a record, and so syncs, of a person in a round.
    pub(crate) versions: u32,
}

/// Somebody with accounts.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) number: u32,
    /// A token for the API.
    pub(crate) token: String,
    pub(crate) athlete: u64,
    pub(crate) user: String,
    /// Whether records go from Strava to Google Health and a folder; else from Google Health to Strava.
    pub(crate) rides: bool,
    source: ConnectionId,
    destinations: Vec<ConnectionId>,
    outside: Sources,
}

/// Where records are made.
#[derive(Clone, Debug)]
struct Sources {
    strava: connectors::strava::simulator::Simulator,
    google: connectors::google_health::simulator::Simulator,
}

/// The title of a record, by which it is known everywhere.
pub(crate) fn title(round: u32, person: u32, version: u32) -> String {
    format!("soak {round} {person} {version}")
}

/// The round, person and version of a title.
pub(crate) fn read_title(title: &str) -> Option<(u32, u32, u32)> {
    let mut words = title.strip_prefix("soak ")?.split(' ').map(str::parse);
    let mut next = || words.next()?.ok();
    Some((next()?, next()?, next()?))
}

/// Makes and connects everybody, straight through the store.
pub(crate) async fn set_up(
    process: &Process,
    outside: &Outside,
    folders: &Path,
    shares: Shares,
) -> Result<Vec<Arc<Person>>> {
    let making = (1..=shares.people).map(|number| person(process, outside, folders, number));
    let mut people: Vec<_> = stream::iter(making).buffer_unordered(POSTS).try_collect().await?;
    people.sort_by_key(|it: &Arc<Person>| it.number);
    Ok(people)
}

async fn person(process: &Process, outside: &Outside, folders: &Path, number: u32) -> Result<Arc<Person>> {
    let (athlete, user) = (u64::from(number), format!("{}", 1_155_000_000_000_000_000 + u64::from(number)));
    outside.add_person(athlete, &user);
    let name = format!("person {number}");
    let subject = process.subject(&name);
    let tokens = outside.strava.grant(athlete, connectors::strava::SCOPE);
    let strava = account(process, &subject, ("strava", &athlete.to_string()), &tokens).await?;
    let google = account(process, &subject, ("google_health", &user), &outside.google.grant(&user, "")).await?;
    let rides = !number.is_multiple_of(5);
    let (source, mut destinations) = if rides { (strava, vec![google]) } else { (google, vec![strava]) };
    if rides {
        let path = folder(folders, number);
        std::fs::create_dir_all(&path)?;
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
        let path = path.display().to_string();
        let placed = process.connect.place(&subject, "files", &path, Some(format!("file://{path}"))).await?;
        destinations.push(placed.id);
    }
    for destination in &destinations {
        let command = ConfigCommand {
            source,
            destination: *destination,
            data_types: vec![DataType::Workout],
            rule: Rule::PrioritiseSource,
            deletes: Deletes::Keep,
            policies: Policies::default(),
            enabled: true,
        };
        process.connect.configure(&subject, &command).await?;
    }
    let token = process.make_token(&name, ("soak", false), None).await?;
    let outside = Sources { strava: outside.strava.clone(), google: outside.google.clone() };
    Ok(Arc::new(Person { number, token, athlete, user, rides, source, destinations, outside }))
}

/// A person's folder.
pub(crate) fn folder(folders: &Path, number: u32) -> std::path::PathBuf {
    folders.join(number.to_string())
}

/// An account whose tokens are simply there: what a browser would do is tested elsewhere.
async fn account(
    process: &Process,
    subject: &Subject,
    (provider, account): (&str, &str),
    tokens: &Tokens,
) -> Result<ConnectionId> {
    let id = ConnectionId::derived(subject, provider, account);
    let people = &process.means.accounts.people;
    let is_new = people.vault.put_tokens(subject, id, 0, tokens).await?;
    let connection = Connection {
        id,
        provider: provider.into(),
        account: account.into(),
        state: ConnectionState::Active,
        scope: tokens.scope.clone(),
        base_url: None,
        connected_at: process.means.accounts.clock.now(),
    };
    let is_put = people.put_connection(subject, 0, &connection).await?;
    anyhow::ensure!(is_new && is_put, "an account was connected already");
    Ok(id)
}

/// The load of a round: version after version, everybody a change and a sync, as fast as the API takes them.
pub(crate) async fn load(
    round: u32,
    people: Vec<Arc<Person>>,
    book: Arc<Book>,
    api: String,
    shares: Shares,
) -> Result<()> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(15)).build()?;
    let day = Instant::parse(FIRST_DAY).context("a time")?.plus(Duration::from_secs(86_400) * round);
    let mut records: Vec<u64> = vec![0; people.len()];
    for version in 1..=shares.versions {
        for (person, record) in people.iter().zip(&mut records) {
            person.change(record, day, (round, version));
        }
        let post = |person: Arc<Person>| person.post(http.clone(), api.clone(), book.clone(), day, (round, version));
        let posts = people.clone().into_iter().map(post);
        stream::iter(posts).buffer_unordered(POSTS).try_collect::<Vec<()>>().await?;
    }
    Ok(())
}

impl Person {
    /// Makes the record of a round, or changes it.
    fn change(&self, record: &mut u64, day: Instant, (round, version): (u32, u32)) {
        let title = title(round, self.number, version);
        let Sources { strava, google } = &self.outside;
        match (self.rides, version) {
            (true, 1) => *record = strava.seed_activity(self.athlete, ride(day, &title), None),
            (true, _) => drop(strava.edit_activity(*record, |it| it["name"] = json!(title))),
            (false, 1) => google.add(&self.user, "exercise", walk(day, &title, round)),
            (false, _) => {
                google.edit(&self.user, "exercise", &format!("walk-{round}"), &json!({ "displayName": title }));
            }
        }
    }

    /// Sends one command until it is accepted: the key is the same each time.
    async fn post(
        self: Arc<Self>,
        http: reqwest::Client,
        api: String,
        book: Arc<Book>,
        day: Instant,
        (round, version): (u32, u32),
    ) -> Result<()> {
        let to = day.plus(Duration::from_secs(86_400));
        let body = json!({
            "source": self.source, "destinations": self.destinations, "data_type": "workout",
            "from": day.to_string(), "to": to.to_string(),
        });
        let begun = std::time::Instant::now();
        let mut last = String::from("nothing was answered");
        while begun.elapsed() < PATIENCE {
            let request = http.post(format!("{api}/v1/sync-jobs")).bearer_auth(&self.token).json(&body);
            match request.header("idempotency-key", format!("{round}-{version}")).send().await {
                Ok(answer) if answer.status() == 202 => {
                    let Ok(accepted) = answer.json::<Value>().await else { continue };
                    let id = accepted["id"].as_str().context("accepted without an id")?;
                    book.accepted(self.number, round, id);
                    return Ok(());
                }
                Ok(answer) if answer.status().is_server_error() || answer.status() == 429 => {
                    last = format!("{} {}", answer.status(), answer.text().await.unwrap_or_default());
                }
                Ok(answer) => bail!("a command was refused: {} {}", answer.status(), answer.text().await?),
                Err(err) => last = err.to_string(),
            }
            tokio::time::sleep(AGAIN).await;
        }
        bail!("a command was not accepted in {PATIENCE:?}: {last}")
    }
}

fn ride(day: Instant, title: &str) -> Value {
    let start = day.plus(Duration::from_secs(8 * 3_600)).to_string();
    json!({
        "name": title, "sport_type": "Ride", "type": "Ride", "utc_offset": 0,
        "start_date": start, "start_date_local": start, "timezone": "(GMT+00:00) Europe/London",
        "elapsed_time": 1_800, "moving_time": 1_800, "distance": 9_000.0, "manual": true,
    })
}

fn walk(day: Instant, title: &str, round: u32) -> Value {
    let at = |hours: u64, minutes: u64| day.plus(Duration::from_secs(hours * 3_600 + minutes * 60)).to_string();
    json!({
        "name": format!("users/me/dataTypes/exercise/dataPoints/walk-{round}"),
        "dataSource": {"recordingMethod": "ACTIVELY_MEASURED", "platform": "FITBIT"},
        "exercise": {
            "interval": {
                "startTime": at(8, 0), "startUtcOffset": "0s", "endTime": at(8, 30), "endUtcOffset": "0s",
            },
            "exerciseType": "WALKING", "displayName": title, "activeDuration": "1800s",
            "metricsSummary": {"caloriesKcal": 150, "distanceMillimeters": 2_400_000},
        },
    })
}
