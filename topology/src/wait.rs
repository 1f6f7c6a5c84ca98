//! Waits for servers that are not there yet.

use engine::{bus::Unreachable, vault::VaultError};
use std::time::Duration;
use tokio::{sync::watch, time::Instant};

/// The pause after the first attempt; it doubles with every further one.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause between attempts.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often it is told what is waited for.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Tries again until it opens; `None` if `stop` turned true before. An error that waiting cannot help (wrong
/// credentials, another version of the tables) is final.
///
/// `tell` hears what is waited for: at once, whenever that changes, and every ten seconds.
///
/// # Errors
/// The first that is final.
pub async fn until_reachable<T>(
    mut open: impl AsyncFnMut() -> anyhow::Result<T>,
    mut tell: impl FnMut(&str),
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<Option<T>> {
    let (mut told, mut pause): (Option<(String, Instant)>, _) = (None, PAUSE_MIN);
    loop {
        let opened = tokio::select! {
            opened = open() => opened,
            _ = stop.wait_for(|it| *it) => return Ok(None),
        };
        let err = match opened {
            Ok(opened) => return Ok(Some(opened)),
            Err(err) if waiting_helps(&err) => err,
            Err(err) => return Err(err),
        };
        let text = format!("waits for {err:#}");
        if told.as_ref().is_none_or(|(last, at)| *last != text || at.elapsed() >= TELL_EVERY) {
            tell(&text);
            told = Some((text, Instant::now()));
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|it| *it) => return Ok(None),
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Whether an error says that a server, or what is made on it, is not there: it may come.
#[must_use]
pub fn waiting_helps(err: &anyhow::Error) -> bool {
    err.chain().any(|it| it.is::<Unreachable>() || matches!(it.downcast_ref(), Some(VaultError::Unreachable(_))))
}

#[cfg(test)]
mod tests {
    use super::{Unreachable, VaultError, until_reachable, waiting_helps};
    use anyhow::{Context, anyhow};
    use std::time::Duration;
    use tokio::{sync::watch, time::Instant};

    fn refused(what: &str) -> anyhow::Error {
        anyhow!(Unreachable("connection refused".into())).context(format!("the {what} at 127.0.0.1:1"))
    }

    #[test]
    fn only_what_is_not_there_yet_is_waited_for() {
        let away = || Unreachable("away".into());
        let of = |err: VaultError| Err::<(), _>(err).context("open the vault").unwrap_err();
        assert!(waiting_helps(&refused("store")));
        assert!(waiting_helps(&away().into()));
        assert!(waiting_helps(&of(VaultError::Unreachable(away()))));
        assert!(!waiting_helps(&of(VaultError::WrongKey)));
        assert!(!waiting_helps(&anyhow!("wrong password")));
    }

    #[tokio::test(start_paused = true)]
    async fn each_server_is_waited_for_in_its_turn() {
        let (_stop, stopped) = watch::channel(false);
        let (mut told, mut attempts) = (Vec::new(), 0);
        let open = async || {
            attempts += 1;
            match attempts {
                1..4 => Err(refused("store")),
                4..6 => Err(refused("bus")),
                _ => Ok(attempts),
            }
        };
        let opened = until_reachable(open, |it| told.push(it.to_owned()), stopped).await.unwrap();
        assert_eq!(opened, Some(6));
        assert_eq!(told, ["store", "bus"].map(|it| format!("waits for the {it} at 127.0.0.1:1: connection refused")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_of_waiting_is_told_in_seven_lines_and_ends_when_asked() {
        let (stop, stopped) = watch::channel(false);
        let (mut told, mut attempts, begun) = (0, 0, Instant::now());
        let open = async || {
            attempts += 1;
            if begun.elapsed() >= Duration::from_secs(62) {
                stop.send_replace(true);
            }
            Err::<(), _>(refused("store"))
        };
        assert_eq!(until_reachable(open, |_| told += 1, stopped).await.unwrap(), None);
        assert!((6..=7).contains(&told), "{told} lines");
        assert!(attempts < 50, "{attempts} attempts");
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_ends_when_asked() {
        let (stop, stopped) = watch::channel(false);
        stop.send_replace(true);
        let opened = until_reachable(async || std::future::pending::<anyhow::Result<()>>().await, |_| {}, stopped);
        assert_eq!(opened.await.unwrap(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_password_is_final() {
        let (_stop, stopped) = watch::channel(false);
        let mut attempts = 0;
        let open = async || {
            attempts += 1;
            if attempts == 1 { Err(refused("store")) } else { Err::<(), _>(anyhow!("the store refuses this password")) }
        };
        let err = until_reachable(open, |_| {}, stopped).await.unwrap_err();
        assert_eq!((err.to_string().as_str(), attempts), ("the store refuses this password", 2));
    }
}
