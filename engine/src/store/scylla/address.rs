//! Where a cluster is: `scylla://user:password@host:port,host2/KEYSPACE?dc=…&ca=…`.

use std::{fmt, path::PathBuf};

/// The keyspace of an address that names none.
const KEYSPACE: &str = "syncwell";

/// The port of a host that names none.
const PORT: u16 = 9042;

/// Where a cluster is, who enters, and which keyspace is ours.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Nodes to begin with, `host:port`.
    pub hosts: Vec<String>,
    /// Name and password, if the cluster asks for them.
    pub user: Option<(String, String)>,
    /// The keyspace.
    pub keyspace: String,
    /// The datacenter that is nearest: requests stay in it.
    pub datacenter: Option<String>,
    /// The file with the certificates of authorities that the nodes' certificates are checked against; absent: no TLS.
    pub ca: Option<PathBuf>,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("hosts", &self.hosts).field("keyspace", &self.keyspace).finish_non_exhaustive()
    }
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, without any secret, and how it should look.
    pub fn parse(url: &str) -> Result<Self, String> {
        let shape = "write it as scylla://user:password@host:port,host:port/keyspace";
        let rest = url.strip_prefix("scylla://").ok_or_else(|| format!("it does not begin with scylla://; {shape}"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (place, keyspace) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = match place.rsplit_once('@') {
            None => (None, place),
            Some((user, hosts)) => {
                let (name, password) =
                    user.split_once(':').ok_or_else(|| format!("its user has no password; {shape}"))?;
                let plain = |it| decode(it).ok_or_else(|| format!("its user or password is badly escaped; {shape}"));
                (Some((plain(name)?, plain(password)?)), hosts)
            }
        };
        let hosts: Vec<String> = hosts.split(',').filter(|it| !it.is_empty()).map(with_port).collect();
        if hosts.is_empty() {
            return Err(format!("it names no host; {shape}"));
        }
        let keyspace = if keyspace.is_empty() { KEYSPACE } else { keyspace };
        if !is_name(keyspace) {
            return Err(format!(
                "{keyspace:?} is no keyspace; give it up to 48 lowercase letters, digits and underscores"
            ));
        }
        let (mut datacenter, mut ca) = (None, None);
        for pair in query.split('&').filter(|it| !it.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value).ok_or_else(|| format!("its option {key} is badly escaped; write it plainly"))?;
            match key {
                "dc" if value.chars().all(|it| it.is_ascii_alphanumeric() || "_-.".contains(it)) => {
                    datacenter = Some(value);
                }
                "dc" => return Err(format!("{value:?} is no datacenter; `nodetool status` shows its name")),
                "ca" => ca = Some(value.into()),
                other => return Err(format!("it has no option {other:?}; there are dc and ca")),
            }
        }
        Ok(Self { hosts, user, keyspace: keyspace.to_owned(), datacenter, ca })
    }

    /// The hosts and the keyspace, for people: never a password.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{}/{}", self.hosts.join(","), self.keyspace)
    }
}

fn is_name(keyspace: &str) -> bool {
    keyspace.len() <= 48
        && keyspace.starts_with(|it: char| it.is_ascii_lowercase())
        && keyspace.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_')
}

fn with_port(host: &str) -> String {
    // The colons of an IPv6 address stand in brackets.
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok() && !host.ends_with(']'));
    if has_port { host.to_owned() } else { format!("{host}:{PORT}") }
}

/// The text without its percent escapes; `None` for bad ones.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let pair = [rest.next()?, rest.next()?];
        bytes.push(u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn an_address_is_read_in_all_its_parts() {
        let read = Address::parse("scylla://anna:p%40ss@a:1,b,[::1]/mine?dc=eu-1&ca=/etc/ca.pem").unwrap();
        assert_eq!(read.hosts, ["a:1", "b:9042", "[::1]:9042"]);
        assert_eq!(read.user, Some(("anna".into(), "p@ss".into())));
        assert_eq!((read.keyspace.as_str(), read.datacenter.as_deref()), ("mine", Some("eu-1")));
        assert_eq!(read.ca, Some("/etc/ca.pem".into()));
        assert!(!format!("{read:?} {}", read.shown()).contains("p@ss"), "no password is shown");
        let least = Address::parse("scylla://a").unwrap();
        assert_eq!((least.shown().as_str(), least.user), ("a:9042/syncwell", None));
    }

    #[test]
    fn a_bad_address_is_refused_with_what_is_wrong_and_no_secret() {
        let bad = [
            ("cassandra://a", "does not begin"),
            ("scylla://", "no host"),
            ("scylla://a/Drop Table", "is no keyspace"),
            ("scylla://anna@a", "no password"),
            ("scylla://anna:canary%zz@a", "badly escaped"),
            ("scylla://anna:canary@a?tls=1", "no option"),
            ("scylla://a?dc=x'y", "is no datacenter"),
        ];
        for (url, wanted) in bad {
            let said = Address::parse(url).unwrap_err();
            assert!(said.contains(wanted) && said.contains("; ") && !said.contains("canary"), "{url}: {said}");
        }
    }
}
