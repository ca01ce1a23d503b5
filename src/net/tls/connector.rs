//! The client's half of TLS: whose word we take for whom we reach.

use std::{path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, client::Resumption, crypto::ring};

use super::certificates::{Error, roots};

/// What our own connections begin TLS with.
#[derive(Clone, Debug)]
pub struct Connector(Arc<ClientConfig>);

impl Connector {
    /// Trusts the authorities in this PEM file, which `key` of the configuration names, or those of the
    /// system where there is no file. Blocks.
    pub fn new(key: &'static str, file: &Path) -> Result<Self, Error> {
        let roots = match file.as_os_str().is_empty() {
            true => roots_of_system(key)?,
            false => roots(key, file)?,
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(key, file, error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // A certificate is looked at each time, and nothing is kept of anybody.
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        self.0.clone()
    }
}

fn roots_of_system(key: &'static str) -> Result<RootCertStore, Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some systems carry ones that are too old to be read; the others are as good without them.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or("there are none".to_owned(), ToString::to_string);
        return Err(Error::new(key, Path::new("the system's root certificates"), why));
    }
    Ok(roots)
}
