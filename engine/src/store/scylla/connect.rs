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
use std::{path::Path, sync::Arc, time::Duration};

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
    connecting.await.map_err(|_| away("it takes too long".into()))?.map_err(|err| match &err {
        it if is_refused_login(it) => OpenError::Login { hosts: address.hosts.join(",") },
        _ => away(err.to_string()),
    })
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

fn is_refused_login(err: &NewSessionError) -> bool {
    let NewSessionError::MetadataError(MetadataError::ConnectionPoolError(ConnectionPoolError::Broken {
        last_connection_error: ConnectionError::ConnectionSetupRequestError(err),
    })) = err
    else {
        return false;
    };
    matches!(
        err.error,
        ConnectionSetupRequestErrorKind::DbError(DbError::AuthenticationError, _)
            | ConnectionSetupRequestErrorKind::MissingAuthentication
    )
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
