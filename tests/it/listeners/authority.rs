//! Certificates for tests: an authority, and what it signs.

use std::{fs, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::listeners::pem;

/// An authority that clients of the test trust.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Signed {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "Test authority");
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for this name and this machine, of servers and clients both.
    pub(crate) fn sign(&self, name: &str) -> Signed {
        let mut parameters =
            CertificateParams::new([name, "localhost", "127.0.0.1"].map(str::to_owned)).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.0).unwrap();
        Signed { certificate, key }
    }

    pub(crate) fn write(&self, path: &Path) {
        fs::write(path, pem("CERTIFICATE", self.0.der())).unwrap();
    }

    /// A client that trusts this authority alone, and shows a certificate if it has one.
    pub(crate) fn client(&self, own: Option<&Signed>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        Arc::new(match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = vec![own.certificate.der().clone()];
                builder.with_client_auth_cert(chain, own.key()).unwrap()
            }
        })
    }
}

impl Signed {
    pub(crate) fn write(&self, certificate: &Path, key: &Path) {
        fs::write(certificate, pem("CERTIFICATE", self.certificate.der())).unwrap();
        fs::write(key, pem("PRIVATE KEY", &self.key.serialize_der())).unwrap();
    }

    /// A server that shows this certificate.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap();
        let chain = vec![self.certificate.der().clone()];
        Arc::new(builder.with_no_client_auth().with_single_cert(chain, self.key()).unwrap())
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }
}
