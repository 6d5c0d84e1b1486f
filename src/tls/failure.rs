//! Maps errors of rustls to the reasons that are counted.

use rustls::{AlertDescription, CertificateError, Error};

use super::verify::SelfSigned;
use crate::metrics::TlsFailure;

pub fn reason(error: &Error) -> TlsFailure {
    match error {
        Error::InvalidCertificate(certificate) => reason_of_certificate(certificate),
        Error::NoCertificatesPresented => TlsFailure::BadCertificate,
        Error::AlertReceived(alert) => reason_of_alert(*alert),
        Error::PeerIncompatible(_) => TlsFailure::ProtocolMismatch,
        Error::NoApplicationProtocol => TlsFailure::NoHttp1,
        _ => TlsFailure::Broken,
    }
}

fn reason_of_certificate(error: &CertificateError) -> TlsFailure {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFailure::WrongHost
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFailure::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFailure::NotYetValid
        }
        // A bad signature means that an issuer of that name is trusted, but with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFailure::UnknownIssuer,
        CertificateError::Other(other) if other.0.is::<SelfSigned>() => TlsFailure::SelfSigned,
        _ => TlsFailure::BadCertificate,
    }
}

fn reason_of_alert(alert: AlertDescription) -> TlsFailure {
    match alert {
        AlertDescription::ProtocolVersion
        | AlertDescription::HandshakeFailure
        | AlertDescription::InsufficientSecurity => TlsFailure::ProtocolMismatch,
        AlertDescription::UnrecognisedName => TlsFailure::NameRefused,
        AlertDescription::CertificateRequired => TlsFailure::ClientCertificateWanted,
        AlertDescription::NoApplicationProtocol => TlsFailure::NoHttp1,
        _ => TlsFailure::Alert,
    }
}
