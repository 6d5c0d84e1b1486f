//! Implements the client's side of TLS without sockets: ciphertext in, plaintext and ciphertext out. The only clock in
//! use is the one by which rustls checks certificates.
//!
//! ```text
//! bytes read -> TlsConnection::feed    -> plaintext, in the caller's buffer; an incomplete record in one of a Pool
//! plaintext  -> TlsConnection::encrypt -> bytes to send, in the caller's buffer
//! ```

mod connection;
mod failure;
mod pool;
mod tickets;
mod verify;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::error::{ExitCode, Failure, Mistake, Reason, quoted, shown_path};
use crate::units::read_input;

pub use connection::{TlsConnection, TlsEnd};
pub use pool::Pool;
use tickets::Tickets;
use verify::{AnyCertificate, SystemVerifier};

/// Largest `--cacert` file in bytes. The whole bundle of a distribution has 250 KB.
const CACERT_BYTES_MAX: u64 = 16 << 20;

/// Options that say which certificates to trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// PEM file with certificates to trust in addition to the system's.
    pub cacert: Option<PathBuf>,
    /// Accepts any certificate.
    pub insecure: bool,
}

/// The TLS side of a target: its name, and how its certificate is verified. It is cheap to clone.
#[derive(Clone, Debug)]
pub struct TlsTarget {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// False with `--insecure`.
    pub verified: bool,
}

impl PartialEq for TlsTarget {
    fn eq(&self, other: &TlsTarget) -> bool {
        self.name == other.name && self.verified == other.verified
    }
}

impl Eq for TlsTarget {}

impl TlsTarget {
    /// Reads the trusted certificates. `host` is a name or an address without brackets; a scope is ignored.
    pub fn new(host: &str, options: &TlsOptions) -> Result<TlsTarget, Failure> {
        let bare = host.split('%').next().unwrap_or_default().to_owned();
        let name = ServerName::try_from(bare).map_err(|_| {
            let what = format!(
                "https target {}: not a name that a certificate can have",
                quoted(host)
            );
            let hint = "use a host name of letters, digits, `-` and `.`, or an address";
            Failure::new(ExitCode::Config, Reason::new(what).hint(hint))
        })?;
        let provider = Arc::new(ring::default_provider());
        let broken = |what: &dyn fmt::Display| Failure::internal(format!("TLS cannot be set up: {what}"));
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| broken(&e))?
            .dangerous();
        let builder = if options.insecure {
            builder.with_custom_certificate_verifier(Arc::new(AnyCertificate::new(&provider)))
        } else {
            let roots = Arc::new(roots(options.cacert.as_deref())?);
            let inner = WebPkiServerVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|e| broken(&e))?;
            builder.with_custom_certificate_verifier(Arc::new(SystemVerifier::new(inner)))
        };
        let mut config = builder.with_no_client_auth();
        // Without this a server may choose h2.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsTarget {
            config: Arc::new(config),
            name,
            verified: !options.insecure,
        })
    }

    /// Returns a copy for one user, which resumes only its own sessions.
    pub fn for_user(&self) -> TlsTarget {
        let mut config = (*self.config).clone();
        config.resumption = Resumption::store(Arc::new(Tickets::default()));
        TlsTarget {
            config: Arc::new(config),
            ..self.clone()
        }
    }
}

/// Reads the system's certificates and those of `cacert`.
fn roots(cacert: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = cacert {
        add_file(&mut roots, path)?;
    }
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if roots.is_empty() {
        let cause = system
            .errors
            .first()
            .map(|e| format!(": {e}"))
            .unwrap_or_default();
        let what = format!("https target: no trusted certificates found on this host{cause}");
        let hint =
            "install the package ca-certificates, give a PEM file with --cacert FILE, or use --insecure";
        return Err(Failure::new(ExitCode::Config, Reason::new(what).hint(hint)));
    }
    Ok(roots)
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), Mistake> {
    let wrong = |what: String| {
        let reason = Reason::new(what).within(format!("`{}`", shown_path(path)));
        reason
            .hint("give a PEM file; it contains -----BEGIN CERTIFICATE-----")
            .at("--cacert", 0)
    };
    let unreadable = |e: std::io::Error| wrong(format!("cannot be read: {e}"));
    let read = read_input(path, CACERT_BYTES_MAX).map_err(unreadable)?;
    let larger = || wrong(format!("is larger than the limit of {CACERT_BYTES_MAX} bytes"));
    let pem = read.ok_or_else(larger)?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        count += 1;
        let certificate = certificate.map_err(|e| wrong(format!("certificate {count}: {e}")))?;
        let added = roots.add(certificate);
        added.map_err(|e| wrong(format!("certificate {count}: {e}")))?;
    }
    if count == 0 {
        return Err(wrong("contains no certificate".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
