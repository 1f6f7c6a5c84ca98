//! Connecting accounts and folders.

use crate::{
    app::{Shared, Web},
    auth::Person,
    extract::{Id, OptionalJson},
    problem::{Code, Problem, Problems},
    views::ConnectionView,
};
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemas::id::{ConnectionId, Subject};
use serde::{Deserialize, Serialize};
use std::path::{Component, PathBuf};
use utoipa::{IntoParams, ToSchema};

/// What to connect with; nothing for an account that is connected by a grant.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Start {
    /// Where the provider sends the person back to: only this server's own callback is taken, which is also what is
    /// used if this is left out.
    redirect_uri: Option<String>,
    /// For a provider without grants: the absolute path of a folder on the server's machine. Only where the operator
    /// has allowed folders, and only below the directory that is allowed.
    folder: Option<String>,
}

/// Where to send the person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Started {
    /// The provider's page at which access is granted; it works once, within ten minutes.
    authorization_url: String,
}

/// What was begun or made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Begun {
    /// A grant is to be given.
    Started(Started),
    /// A folder is connected.
    Connected(ConnectionView),
}

/// Every connection of the person.
#[utoipa::path(get, path = "/v1/connections", operation_id = "list_connections", tag = "connections",
    responses((status = 200, description = "Every connection.", body = [ConnectionView]), Problems))]
pub(crate) async fn list(
    State(web): State<Shared>,
    Person(subject): Person,
) -> Result<Json<Vec<ConnectionView>>, Problem> {
    let connections = web.app.connect.accounts.people.connections(&subject).await?;
    Ok(Json(connections.into_iter().map(ConnectionView::from).collect()))
}

/// Begins to connect an account at a provider, or connects a folder.
#[utoipa::path(post, path = "/v1/connections/{name}", operation_id = "start_connection", tag = "connections", request_body(content = Option<Start>),
    params(("name" = String, Path, description = "The provider's name.")),
    responses((status = 201, description = "Begun, or connected.", body = Begun), Problems))]
pub(crate) async fn start(
    State(web): State<Shared>,
    Person(subject): Person,
    Path(provider): Path<String>,
    OptionalJson(body): OptionalJson<Start>,
) -> Result<(StatusCode, Json<Begun>), Problem> {
    let connect = &web.app.connect;
    if let Some(folder) = body.folder {
        let connection = place(&web, &subject, &provider, &folder).await?;
        return Ok((StatusCode::CREATED, Json(Begun::Connected(connection))));
    }
    if connect.accounts.catalog.get(&provider).is_some() && !connect.needs_grant(&provider) {
        return Err(Problem::new(Code::Invalid, format!("folder: is missing; {provider} is not connected by a grant")));
    }
    let redirect = format!("{}/v1/connections/{provider}/callback", web.app.public_url);
    if body.redirect_uri.is_some_and(|it| it != redirect) {
        return Err(Problem::new(Code::Invalid, format!("redirect_uri: must be {redirect}, or be left out")));
    }
    let authorization_url = connect.start(&subject, &provider, &redirect).await?;
    Ok((StatusCode::CREATED, Json(Begun::Started(Started { authorization_url }))))
}

async fn place(web: &Web, subject: &Subject, provider: &str, folder: &str) -> Result<ConnectionView, Problem> {
    let connect = &web.app.connect;
    if connect.accounts.catalog.get(provider).is_none() {
        return Err(Problem::new(Code::NotFound, format!("no provider is called {provider}")));
    }
    if connect.needs_grant(provider) {
        return Err(Problem::new(Code::Invalid, format!("folder: {provider} is connected by a grant; leave it out")));
    }
    let folder = allowed(web.app.folders.clone(), folder).await?;
    let url = url::Url::from_file_path(&folder).map_err(|()| invalid_folder("must be an absolute path"))?;
    let account = folder.to_string_lossy();
    let connection = connect.place(subject, provider, &account, Some(url.into())).await?;
    Ok(connection.into())
}

/// The folder as it really is, links followed, if it is below the directory that is allowed.
async fn allowed(below: Option<PathBuf>, folder: &str) -> Result<PathBuf, Problem> {
    let below = below.ok_or_else(|| invalid_folder("this server connects no folders; its operator can allow them"))?;
    let folder = PathBuf::from(folder);
    if !folder.is_absolute() || folder.components().any(|it| it == Component::ParentDir) {
        return Err(invalid_folder("must be an absolute path without `..`"));
    }
    // What lies outside and what is not there are answered alike: nobody learns what else there is on this machine.
    let outside = || invalid_folder("must be a folder that exists, in the directory that the operator has allowed");
    let below = tokio::fs::canonicalize(below).await.map_err(|_| outside())?;
    let folder = tokio::fs::canonicalize(folder).await.map_err(|_| outside())?;
    let is_folder = tokio::fs::metadata(&folder).await.is_ok_and(|it| it.is_dir());
    if is_folder && folder.starts_with(below) { Ok(folder) } else { Err(outside()) }
}

fn invalid_folder(what: &str) -> Problem {
    Problem::new(Code::Invalid, format!("folder: {what}"))
}

/// What a provider sends the person back with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Callback {
    /// What the grant was begun with; works once.
    state: Option<String>,
    /// What the tokens are given for.
    code: Option<String>,
    /// What was really granted, where a provider says it here.
    scope: Option<String>,
    /// Why nothing was granted, such as `access_denied` (RFC 6749).
    error: Option<String>,
}

/// Ends connecting an account; the provider sends the person's browser here. Protected by its single-use state.
#[utoipa::path(get, path = "/v1/connections/{provider}/callback", operation_id = "end_grant", tag = "connections", security(()),
    params(("provider" = String, Path, description = "The provider's name."), Callback),
    responses((status = 200, description = "Connected.", body = ConnectionView), Problems))]
pub(crate) async fn callback(
    State(web): State<Shared>,
    Path(provider): Path<String>,
    Query(query): Query<Callback>,
) -> Result<Response, Problem> {
    if let Some(error) = query.error {
        // The state is spent, so that the same grant cannot be ended in another way later.
        if let Some(state) = &query.state {
            web.app.connect.accounts.people.take_grant(state).await?;
        }
        let why = if error == "access_denied" { "access was denied" } else { "the provider reported an error" };
        return Err(Problem::new(Code::GrantDenied, format!("{why} at {provider}; connect again to grant it")));
    }
    let (Some(state), Some(code)) = (query.state, query.code) else {
        return Err(Problem::new(Code::Malformed, "a callback has a state and a code; connect again"));
    };
    let ended = web.app.connect.callback(&provider, &state, &code, query.scope.as_deref()).await?;
    // The address of this page holds the code: no other page may learn it.
    let headers = [("referrer-policy", "no-referrer"), ("cache-control", "no-store")];
    Ok((headers, Json(ConnectionView::from(ended.1))).into_response())
}

/// Whether the provider was told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Disconnected {
    /// Whether the provider heard that our access ends. If not, it can be withdrawn there.
    provider_told: bool,
}

/// Disconnects an account: nothing is read or written there any more, and the tokens are destroyed.
#[utoipa::path(delete, path = "/v1/connections/{name}", operation_id = "disconnect", tag = "connections",
    params(("name" = uuid::Uuid, Path, description = "The connection's id.")),
    responses((status = 200, description = "Disconnected.", body = Disconnected), Problems))]
pub(crate) async fn disconnect(
    State(web): State<Shared>,
    Person(subject): Person,
    Id(id): Id,
) -> Result<Json<Disconnected>, Problem> {
    let provider_told = web.app.connect.disconnect(&subject, ConnectionId(id)).await?;
    Ok(Json(Disconnected { provider_told }))
}
