//! Entering a cluster, and saying in one line why that is not possible.

use super::{OpenError, address::Address, cql};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use scylla::{
    client::{session::Session, session_builder::SessionBuilder},
    errors::{
        ConnectionError, ConnectionPoolError, ConnectionSetupRequestErrorKind, DbError, ExecutionError, MetadataError,
        NewSessionError, PrepareError, RequestAttemptError, UseKeyspaceError,
    },
};
use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects, without entering the keyspace.
pub(super) async fn connect(address: &Address) -> Result<Session, OpenError> {
    let (plain, _) = cql::profiles();
    let mut builder = SessionBuilder::new()
        .known_nodes(&address.hosts)
        .connection_timeout(CONNECT_TIMEOUT)
        .hostname_resolution_timeout(Some(CONNECT_TIMEOUT))
        .schema_agreement_timeout(Duration::from_secs(30))
        // What the tables are is known; only how the keyspace is spread is asked for, to know whom to ask.
        .fetch_full_schema_metadata(false)
        .keyspaces_to_fetch([&address.keyspace])
        .default_execution_profile_handle(plain);
    if let Some((user, password)) = &address.user {
        builder = builder.user(user, password);
    }
    if let Some(datacenter) = &address.datacenter {
        builder = builder.prefer_datacenter(datacenter.clone());
    }
    if let Some(path) = &address.ca {
        builder = builder.tls_context(Some(tls(path)?));
    }
    let away = |why: String| OpenError::Away { hosts: address.hosts.join(","), why };
    let connecting = tokio::time::timeout(CONNECT_TIMEOUT * 2, builder.build());
    let connected = connecting.await.map_err(|_| away("it takes too long".into()))?;
    let session = connected.map_err(|err| {
        let (failure, hosts) = (last_failure(&err), address.hosts.join(","));
        if failure.is_some_and(is_refused_login) {
            OpenError::Login { hosts }
        } else if let Some(why) = failure.and_then(distrust) {
            OpenError::Untrusted { hosts, why }
        } else {
            away(err.to_string())
        }
    })?;
    if let Some(wanted) = &address.datacenter {
        is_there(&session, wanted)?;
    }
    Ok(session)
}

/// Nodes elsewhere are never asked, so one at least must be in the data center that is preferred.
fn is_there(session: &Session, wanted: &str) -> Result<(), OpenError> {
    let state = session.get_cluster_state();
    let known: BTreeSet<&str> = state.get_nodes_info().iter().filter_map(|it| it.datacenter.as_deref()).collect();
    if known.contains(wanted) {
        return Ok(());
    }
    let known = known.into_iter().collect::<Vec<_>>().join(", ");
    Err(OpenError::Datacenter { wanted: wanted.to_owned(), known })
}

/// Makes the keyspace the one that statements are about.
pub(super) async fn enter(session: &Session, address: &Address) -> Result<(), OpenError> {
    session.use_keyspace(&address.keyspace, false).await.map_err(|err| match err {
        UseKeyspaceError::RequestError(err) => failed(address, &ExecutionError::LastAttemptError(err)),
        err => failed(address, &ExecutionError::UseKeyspaceError(err)),
    })
}

/// What a failure at start means.
pub(super) fn failed(address: &Address, err: &ExecutionError) -> OpenError {
    let refused = match err {
        ExecutionError::LastAttemptError(RequestAttemptError::DbError(err, _)) => Some(err),
        ExecutionError::PrepareError(PrepareError::AllAttemptsFailed {
            first_attempt: RequestAttemptError::DbError(err, _),
        }) => Some(err),
        _ => None,
    };
    if matches!(refused, Some(DbError::Unauthorized)) {
        return OpenError::Forbidden { keyspace: address.keyspace.clone() };
    }
    OpenError::Failed { shown: address.shown(), why: err.to_string() }
}

/// Why the last connection was not made, if one was tried.
fn last_failure(err: &NewSessionError) -> Option<&ConnectionError> {
    match err {
        NewSessionError::MetadataError(MetadataError::ConnectionPoolError(ConnectionPoolError::Broken {
            last_connection_error,
        })) => Some(last_connection_error),
        _ => None,
    }
}

fn is_refused_login(err: &ConnectionError) -> bool {
    let ConnectionError::ConnectionSetupRequestError(err) = err else { return false };
    matches!(
        err.error,
        ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, _)
            | ConnectionSetupRequestErrorKind::MissingAuthentication
    )
}

/// What is wrong with the node's certificate, if that is what failed.
fn distrust(err: &ConnectionError) -> Option<String> {
    let ConnectionError::IoError(err) = err else { return None };
    match err.get_ref()?.downcast_ref::<rustls::Error>()? {
        err @ rustls::Error::InvalidCertificate(_) => Some(err.to_string()),
        _ => None,
    }
}

fn tls(path: &Path) -> Result<Arc<ClientConfig>, OpenError> {
    let bad = |why: String| OpenError::Certificates { path: path.to_owned(), why };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|err| bad(err.to_string()))? {
        let certificate = certificate.map_err(|err| bad(err.to_string()))?;
        roots.add(certificate).map_err(|err| bad(err.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("there is no certificate in it".into()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|err| bad(err.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
