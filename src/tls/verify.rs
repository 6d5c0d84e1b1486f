//! Verifies a server's certificate.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

/// The error for an untrusted certificate that names itself as its issuer.
#[derive(Clone, Copy, Debug)]
pub struct SelfSigned;

impl fmt::Display for SelfSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("self-signed certificate")
    }
}

impl std::error::Error for SelfSigned {}

/// Verifies with webpki, and distinguishes self-signed certificates from those of an unknown issuer.
#[derive(Debug)]
pub struct SystemVerifier {
    inner: Arc<WebPkiServerVerifier>,
}

impl SystemVerifier {
    pub fn new(inner: Arc<WebPkiServerVerifier>) -> SystemVerifier {
        SystemVerifier { inner }
    }
}

impl ServerCertVerifier for SystemVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.inner
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.map_err(|error| match &error {
            // A CA certificate used by a server is reported as `Other`; openssl makes such certificates by default.
            Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_),
            ) if is_self_issued(end_entity) => {
                Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(SelfSigned))))
            }
            _ => error,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Accepts every certificate, for `--insecure`. Nothing is checked, so that even unreadable certificates are accepted.
#[derive(Debug)]
pub struct AnyCertificate {
    schemes: Vec<SignatureScheme>,
}

impl AnyCertificate {
    pub fn new(provider: &CryptoProvider) -> AnyCertificate {
        AnyCertificate {
            schemes: provider.signature_verification_algorithms.supported_schemes(),
        }
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

/// Returns true if issuer and subject are the same; false if the bytes are not a certificate.
fn is_self_issued(certificate: &[u8]) -> bool {
    issuer_and_subject(certificate).is_some_and(|(issuer, subject)| issuer == subject)
}

/// Returns the encoded issuer and subject of an X.509 certificate (RFC 5280, 4.1).
fn issuer_and_subject(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    const VERSION: u8 = 0xa0;
    let (body, _) = der_element(certificate, SEQUENCE)?;
    let (tbs, _) = der_element(body, SEQUENCE)?;
    let tbs = der_element(tbs, VERSION).map_or(tbs, |(_, rest)| rest);
    let (_, tbs) = der_element(tbs, INTEGER)?;
    let (_, tbs) = der_element(tbs, SEQUENCE)?;
    let (issuer, tbs) = der_element(tbs, SEQUENCE)?;
    let (_, tbs) = der_element(tbs, SEQUENCE)?;
    let (subject, _) = der_element(tbs, SEQUENCE)?;
    Some((issuer, subject))
}

/// Reads the DER element at the front, if it has this tag. Returns its content and the bytes after it.
fn der_element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, input) = input.split_first()?;
    let (&first, input) = input.split_first()?;
    let (length, input) = match first {
        0..=0x7f => (usize::from(first), input),
        0x81..=0x84 => {
            let (digits, input) = input.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits.iter().fold(0usize, |n, d| n << 8 | usize::from(*d));
            (length, input)
        }
        _ => return None,
    };
    (found == tag).then(|| input.split_at_checked(length))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    #[test]
    fn a_certificate_is_self_issued_when_issuer_and_subject_are_the_same() {
        let key = KeyPair::generate().unwrap();
        let own = params("own").self_signed(&key).unwrap();
        assert!(is_self_issued(own.der()));
        let mut ca = params("ca");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = Issuer::new(ca, KeyPair::generate().unwrap());
        let leaf = params("leaf").signed_by(&key, &issuer).unwrap();
        assert!(!is_self_issued(leaf.der()));
        let (issuer, subject) = issuer_and_subject(leaf.der()).unwrap();
        assert!(issuer.ends_with(b"ca") && subject.ends_with(b"leaf"));
    }

    #[test]
    fn a_certificate_cut_anywhere_is_refused_or_read_and_never_a_panic() {
        let own = params("own").self_signed(&KeyPair::generate().unwrap()).unwrap();
        for end in 0..own.der().len() {
            assert!(!is_self_issued(&own.der()[..end]), "{end}");
        }
        assert!(!is_self_issued(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0]));
        assert!(!is_self_issued(b"HTTP/1.1 200 OK"));
    }
}
