//! Processes of the real binary, each with one role, on one Kafka, one store and one registry.

use super::servers::Servers;
use ::tests::Outside;
use anyhow::{Context, Result, bail, ensure};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use topology::config::Config;

/// Workers of a cluster.
const N_WORKERS: usize = 3;
/// The worker that can be cut off: it runs as a user of its own, by whom its packets are known.
pub(crate) const CUT_WORKER: usize = 2;
/// That user's number: nobody has it.
pub(crate) const CUT_USER: u32 = 42_731;
/// How long a process may take until it is ready.
const READY_MAX: Duration = Duration::from_secs(90);
/// How long a drain may take, with what an overloaded machine adds.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// How often a process is looked at.
const OFTEN: Duration = Duration::from_millis(50);

/// The cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) servers: Servers,
    pub(crate) namespace: String,
    /// As every process has it, but for its port and data directory.
    pub(crate) config: Config,
    pub(crate) workers: Vec<Node>,
    others: Vec<Node>,
    directory: PathBuf,
    n_started: u32,
    /// Whether people's folders are on a small disk of their own.
    pub(crate) has_disk: bool,
    _temporary: Option<TempDir>,
}

/// A process.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    said: PathBuf,
    /// Where it listens.
    pub(crate) url: String,
}

impl Cluster {
    /// A namespace and a keyspace of their own, with topics, schemas and tables.
    pub(crate) fn prepare(servers: Servers, outside: &Outside, session: Duration, keep: bool) -> Result<Self> {
        let temporary = tempfile::tempdir()?;
        let (directory, temporary) =
            if keep { (temporary.keep(), None) } else { (temporary.path().into(), Some(temporary)) };
        let unique = engine::connect::draw_key()?;
        let namespace = format!("soak{}", unique.iter().take(5).map(|it| format!("{it:02x}")).collect::<String>());
        let mut config = outside.config(&directory)?;
        config.bus = format!("kafka://{}/{namespace}", servers.brokers);
        config.store = format!("{}/{namespace}", servers.store);
        config.registry = Some(servers.registry.clone());
        config.key = Some(unique.iter().map(|it| format!("{it:02x}")).collect());
        let ms = |it: Duration| toml::Value::String(it.as_millis().to_string());
        config.kafka.insert("session.timeout.ms".into(), ms(session));
        config.kafka.insert("heartbeat.interval.ms".into(), ms(session / 4));
        fs::write(directory.join("config.toml"), toml::to_string(&config)?)?;
        let mut cluster = Self {
            servers,
            namespace,
            config,
            workers: Vec::new(),
            others: Vec::new(),
            directory,
            n_started: 0,
            has_disk: false,
            _temporary: temporary,
        };
        // One process runs as another user: it must come in, and may write.
        fs::create_dir_all(cluster.folders())?;
        cluster.has_disk = mount(&cluster.folders());
        for path in [cluster.directory.clone(), cluster.folders()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777))?;
        }
        for arguments in [&["topics", "apply"], &["store", "migrate"]] {
            cluster.run(arguments)?;
        }
        cluster.push_schemas()?;
        topology::cli::print::say(&format!(
            "soak: in {}, namespace {}",
            cluster.directory.display(),
            cluster.namespace
        ));
        Ok(cluster)
    }

    /// Tells the registry about every schema; again changes nothing.
    pub(crate) fn push_schemas(&self) -> Result<()> {
        self.run(&["schemas", "push"])
    }

    /// Where people's folders are.
    pub(crate) fn folders(&self) -> PathBuf {
        self.directory.join("folders")
    }

    /// Where commands are posted.
    pub(crate) fn api(&self) -> String {
        self.others.first().map(|it| it.url.clone()).unwrap_or_default()
    }

    /// Starts one API, one scheduler and the workers.
    pub(crate) async fn start(&mut self) -> Result<()> {
        for role in ["api", "scheduler"] {
            let node = self.node(role, None, Duration::ZERO)?;
            self.others.push(node);
        }
        for index in 0..N_WORKERS {
            let node = self.worker(index, Duration::ZERO)?;
            self.workers.push(node);
        }
        for node in self.others.iter_mut().chain(&mut self.workers) {
            node.ready().await?;
        }
        Ok(())
    }

    /// A new process in place of a worker, or one more; not yet ready.
    fn worker(&mut self, index: usize, clock_shift: Duration) -> Result<Node> {
        let user = (index == CUT_WORKER).then_some(CUT_USER);
        self.node("worker", user, clock_shift)
    }

    /// Starts a worker in place of one that has ended, whose clock is ahead by that much; waits until it is ready.
    pub(crate) async fn start_worker(&mut self, index: usize, clock_shift: Duration) -> Result<()> {
        let mut node = self.worker(index, clock_shift)?;
        node.ready().await?;
        if index < self.workers.len() {
            self.workers[index] = node;
        } else {
            self.workers.push(node);
        }
        Ok(())
    }

    /// Asks every process to stop, the API last.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        for node in self.workers.iter_mut().chain(self.others.iter_mut().rev()) {
            node.stop().await?;
        }
        Ok(())
    }

    fn node(&mut self, role: &str, user: Option<u32>, clock_shift: Duration) -> Result<Node> {
        self.n_started += 1;
        let name = format!("{}-{role}", self.n_started);
        let said = self.directory.join(format!("{name}.log"));
        let mut command = self.command();
        command.arg(role).env("SYNCWELL_DATA", self.directory.join(&name)).env("SYNCWELL_LISTEN", "127.0.0.1:0");
        command.env("SYNCWELL_CLOCK_SHIFT_S", clock_shift.as_secs().to_string());
        command.stdout(Stdio::null()).stderr(fs::File::create(&said)?);
        if let Some(user) = user.filter(|_| is_root()) {
            std::os::unix::process::CommandExt::uid(&mut command, user);
        }
        let child = command.spawn().context("start the binary")?;
        Ok(Node { child, said, url: String::new() })
    }

    /// Runs a command of the binary to its end.
    fn run(&self, arguments: &[&str]) -> Result<()> {
        let output = self.command().args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "syncwell {}: {said}", arguments.join(" "));
        Ok(())
    }

    /// The binary, with everything that it makes open to every user: one worker is another one.
    fn command(&self) -> Command {
        let binary = std::env::current_exe().unwrap_or_default().with_file_name("syncwell-under-test");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "umask 0; exec \"$0\" \"$@\""]).arg(binary);
        let log = std::env::var("SYNCWELL_LOG");
        command
            .env_clear()
            .envs(log.map(|it| ("SYNCWELL_LOG", it)))
            .env("SYNCWELL_CONFIG", self.directory.join("config.toml"))
            .stdin(Stdio::null());
        command
    }
}

/// Whether this process may start others as another user.
pub(crate) fn is_root() -> bool {
    let own = fs::metadata("/proc/self");
    own.is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}

impl Node {
    /// Waits until it says that it is ready.
    async fn ready(&mut self) -> Result<()> {
        let (http, begun) = (engine::session::http_client()?, Instant::now());
        while begun.elapsed() < READY_MAX {
            ensure!(self.child.try_wait()?.is_none(), "a process ended at its start: {}", self.said());
            let said = fs::read_to_string(&self.said)?;
            if let Some(address) = said.split(" is up at ").nth(1).and_then(|it| it.split(',').next()) {
                self.url = address.to_owned();
                let asked = http.get(format!("{address}/readyz")).send().await;
                if asked.is_ok_and(|it| it.status().is_success()) {
                    return Ok(());
                }
            }
            tokio::time::sleep(OFTEN).await;
        }
        bail!("a process was not ready after {READY_MAX:?}: {}", self.said())
    }

    /// Sends a signal by its name, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status()?;
        ensure!(sent.success(), "SIG{name} could not be sent");
        Ok(())
    }

    /// Kills it by the signal that cannot be refused, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "the process had ended before it was killed: {}", self.said());
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop; says how long it took to drain.
    pub(crate) async fn stop(&mut self) -> Result<Duration> {
        self.signal("TERM")?;
        let asked = Instant::now();
        while asked.elapsed() < DRAIN_MAX {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "asked to stop, a process ended with {status}: {}", self.said());
                return Ok(asked.elapsed());
            }
            tokio::time::sleep(OFTEN).await;
        }
        self.kill()?;
        Ok(asked.elapsed())
    }

    /// What it said last.
    fn said(&self) -> String {
        let said = fs::read_to_string(&self.said).unwrap_or_default();
        said.lines().rev().take(6).collect::<Vec<_>>().join(" | ")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // One that has ended already cannot be killed and need not be.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.has_disk {
            drop(Command::new("umount").arg("-l").arg(self.folders()).stderr(Stdio::null()).status());
        }
    }
}

/// Mounts a small disk there, if this machine lets us.
fn mount(at: &Path) -> bool {
    let command = ["-t", "tmpfs", "-o", "size=192m,mode=0777", "none"];
    Command::new("mount").args(command).arg(at).stderr(Stdio::null()).status().is_ok_and(|it| it.success())
}
