//! Certificates and keys: read at the start, and again on SIGHUP.
//!
//! The danger is a renewal that goes wrong at night: a file that cannot be used is told and changes
//! nothing, and sessions under way keep what they began with.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use time::{Duration, OffsetDateTime};

use super::{Options, Version};

/// What new TLS sessions begin with.
pub struct Certificates {
    options: Options,
    name: String,
    current: Mutex<Arc<ServerConfig>>,
}

/// A file with certificates or a key cannot be used.
#[derive(Debug)]
pub struct Error {
    key: &'static str,
    path: PathBuf,
    why: String,
}

impl Certificates {
    /// Reads the files, or makes a certificate for `name` and for this machine.
    pub fn open(options: &Options, name: &str) -> Result<Self, Error> {
        let current = Mutex::new(Arc::new(load(options, name)?));
        Ok(Self { options: options.clone(), name: name.to_owned(), current })
    }

    /// What a new session begins with.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long a handshake may take.
    pub fn patience(&self) -> std::time::Duration {
        self.options.handshake_seconds.duration()
    }

    /// Reads the files again. After an error everything is as before. What was made in memory stays:
    /// somebody may have been told to trust it.
    pub fn reload(&self) -> Result<(), Error> {
        if !self.options.self_signed {
            let fresh = Arc::new(load(&self.options, &self.name)?);
            *self.current.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        Ok(())
    }
}

fn load(options: &Options, name: &str) -> Result<ServerConfig, Error> {
    let (chain, key) = if options.self_signed { self_signed(name)? } else { from_files(options)? };
    let provider = Arc::new(ring::default_provider());
    let certificate = |why: rustls::Error| Error::new("tls.certificate", &options.certificate, why);
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions(options.min_version))
        .map_err(certificate)?;
    let builder = match client_verifier(options, provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    builder.with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let why = format!("it is not the key of {}", options.certificate.display());
            Error::new("tls.key", &options.key, why)
        }
        error => certificate(error),
    })
}

fn versions(min: Version) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    match min {
        Version::Tls12 => &BOTH,
        Version::Tls13 => &BOTH[..1],
    }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn from_files(options: &Options) -> Result<Identity, Error> {
    let chain = certificates("tls.certificate", &options.certificate)?;
    let failed = |why: String| Error::new("tls.key", &options.key, why);
    let pem = fs::read(&options.key).map_err(|error| failed(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        rustls_pki_types::pem::Error::NoItemsFound => {
            failed("it holds no private key in PEM that is not encrypted".into())
        }
        error => failed(error.to_string()),
    })?;
    Ok((chain, key))
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let failed = |why: String| Error::new(key, path, why);
    let pem = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let found = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| failed(error.to_string()))?;
    if found.is_empty() {
        return Err(failed("it holds no certificate in PEM".into()));
    }
    Ok(found)
}

/// Client certificates are welcome, not demanded: whoever shows none can still use a password.
fn client_verifier(
    options: &Options,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Error> {
    if options.client_ca.as_os_str().is_empty() {
        return Ok(None);
    }
    let roots = roots("tls.client_ca", &options.client_ca)?;
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map(Some)
        .map_err(|error| Error::new("tls.client_ca", &options.client_ca, error))
}

/// The authorities in a PEM file.
pub(super) fn roots(key: &'static str, path: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(key, path)? {
        roots.add(certificate).map_err(|error| Error::new(key, path, error))?;
    }
    Ok(roots)
}

/// A certificate for `name` and the names of this machine, with a key that exists only in memory.
fn self_signed(name: &str) -> Result<Identity, Error> {
    let failed =
        |error: rcgen::Error| Error::new("tls.self_signed", Path::new("a certificate"), error);
    let mut names: Vec<String> = MACHINE.map(str::to_owned).into();
    if !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
    let mut parameters = CertificateParams::new(names).map_err(failed)?;
    parameters.distinguished_name.push(DnType::CommonName, name);
    // Some clients refuse a certificate that is good for longer than 825 days.
    parameters.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    parameters.not_after = OffsetDateTime::now_utc() + Duration::days(800);
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = parameters.self_signed(&key).map_err(failed)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok((vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key)))
}

impl Error {
    pub(super) fn new(key: &'static str, path: &Path, why: impl ToString) -> Self {
        Self { key, path: path.to_owned(), why: why.to_string() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: cannot use {}: {}", self.key, self.path.display(), self.why)
    }
}

impl std::error::Error for Error {}

/// What this machine is called by programs that run on it.
const MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
