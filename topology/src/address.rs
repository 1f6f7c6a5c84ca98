//! The URLs of our own servers: `scheme://user:password@host:port,host:port/NAME`.

/// What stands before `://`.
#[must_use]
pub fn scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |it| it.0)
}

/// The user part, with the password, and what follows it. A password may hold any character, `@` and `/` too.
fn parts(url: &str) -> (Option<&str>, &str) {
    let rest = url.split_once("://").map_or("", |it| it.1);
    rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest))
}

/// The servers, each as `host:port`.
#[must_use]
pub fn servers(url: &str) -> Vec<&str> {
    let (_, rest) = parts(url);
    let hosts = rest.split(['/', '?']).next().unwrap_or_default();
    hosts.split(',').filter(|it| !it.is_empty()).collect()
}

/// The same URL without its password: fit to be shown.
#[must_use]
pub fn masked(url: &str) -> String {
    let (user, rest) = parts(url);
    match user.map(|it| it.split_once(':').map_or(it, |it| it.0)) {
        Some(user) => format!("{}://{user}:********@{rest}", scheme(url)),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{masked, scheme, servers};

    #[track_caller]
    fn check(url: &str, expected: (&str, &[&str], &str)) {
        assert_eq!((scheme(url), servers(url).as_slice(), masked(url).as_str()), expected);
    }

    #[test]
    fn a_server_is_found_and_a_password_is_not_shown() {
        check("memory://", ("memory", &[], "memory://"));
        check("kafka://a:9092,b:9092/prod", ("kafka", &["a:9092", "b:9092"], "kafka://a:9092,b:9092/prod"));
        check("kafka://[::1]:9092", ("kafka", &["[::1]:9092"], "kafka://[::1]:9092"));
        check("scylla://me:hush@db:9042/k", ("scylla", &["db:9042"], "scylla://me:********@db:9042/k"));
        check("scylla://me:h@u/s:h@db:9042", ("scylla", &["db:9042"], "scylla://me:********@db:9042"));
        check("scylla://me@db:9042", ("scylla", &["db:9042"], "scylla://me:********@db:9042"));
    }
}
