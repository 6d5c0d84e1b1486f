//! The TLS of the ranks: a key made for this run, and no certificate. Who the peer is, the proofs say, which only hold
//! within one session ([`crate::coordination::Key`]).

use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, PeerIncompatible, ServerConfig,
    ServerConnection, SignatureScheme,
};

/// Returns the TLS settings of rank 0, with a key that lives as long as the process (RFC 7250).
pub fn server() -> Result<Arc<ServerConfig>, String> {
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|_| "the system has no random numbers".to_owned())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.as_ref().to_vec()));
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|e| e.to_string())?;
    let public = key
        .public_key()
        .map(|public| CertificateDer::from(public.to_vec()))
        .ok_or("the key has no public half")?;
    let resolver = AlwaysResolvesServerRawPublicKeys::new(Arc::new(CertifiedKey::new(vec![public], key)));
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|e| e.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    Ok(Arc::new(config))
}

/// Returns the TLS settings of every other rank.
pub fn client() -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = AnyKey {
        algorithms: provider.signature_verification_algorithms,
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // The address may be a number, and nobody has to know the name that is asked for.
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// Begins a session at rank 0.
pub fn accept(config: &Arc<ServerConfig>) -> Result<rustls::Connection, String> {
    let session = ServerConnection::new(config.clone()).map_err(|e| e.to_string())?;
    Ok(session.into())
}

/// Begins a session with rank 0.
pub fn connect(config: &Arc<ClientConfig>) -> Result<rustls::Connection, String> {
    let name = ServerName::try_from("rank-0").map_err(|e| e.to_string())?;
    let session = ClientConnection::new(config.clone(), name).map_err(|e| e.to_string())?;
    Ok(session.into())
}

/// Takes any key of which the peer has the private half.
#[derive(Debug)]
struct AnyKey {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AnyKey {
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
        Err(Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(key.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
