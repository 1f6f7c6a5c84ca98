//! Where every provider is, as the configuration says.

use crate::config::{Config, ProviderConfig};
use anyhow::Context;
use engine::{
    accounts::Endpoint,
    provider::{Catalog, Profile, WebhookSecrets},
    session::Client,
};
use std::collections::HashMap;

/// Where every provider is: its own addresses unless the configuration says others.
///
/// # Errors
/// A provider or a limit that nobody knows, a file that cannot be read: each is named.
pub(crate) fn endpoints(config: &Config, catalog: &Catalog) -> anyhow::Result<HashMap<String, Endpoint>> {
    for name in config.providers.keys() {
        let known: Vec<_> = catalog.iter().map(|it| it.profile().id).collect();
        anyhow::ensure!(
            catalog.get(name).is_some(),
            "configuration: no provider is called {name}; known are {}",
            known.join(", ")
        );
    }
    let of = |profile: &Profile| {
        let said = config.providers.get(profile.id).cloned().unwrap_or_default();
        endpoint(profile, said).map(|it| (profile.id.to_owned(), it))
    };
    catalog.iter().map(|it| of(it.profile())).collect()
}

fn endpoint(profile: &Profile, said: ProviderConfig) -> anyhow::Result<Endpoint> {
    let url =
        |said: Option<String>, default: &str| said.unwrap_or_else(|| default.into()).trim_end_matches('/').to_owned();
    for name in said.limits.keys() {
        let known: Vec<_> = profile.limits.iter().map(|it| it.name).collect();
        anyhow::ensure!(
            known.contains(&name.as_str()),
            "providers.{}.limits: no limit is called {name}; known are {}",
            profile.id,
            known.join(", ")
        );
    }
    let keyset = match &said.keyset_file {
        Some(path) => std::fs::read(path).with_context(|| format!("read keyset file {}", path.display()))?,
        None => Vec::new(),
    };
    Ok(Endpoint {
        base_url: url(said.base_url, profile.base_url),
        auth_url: url(said.auth_url, profile.auth_url),
        token_url: url(said.token_url, profile.token_url),
        client: Client { id: said.client_id.unwrap_or_default(), secret: said.client_secret.unwrap_or_default() },
        webhooks: WebhookSecrets {
            verify_token: said.verify_token.unwrap_or_default(),
            keyset,
            subscription: said.subscription.unwrap_or_default(),
            require_signature: said.require_signature,
            ..WebhookSecrets::default()
        },
        limits: said.limits,
    })
}
