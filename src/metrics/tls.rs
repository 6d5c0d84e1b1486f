//! Defines the reasons why a TLS connection failed, which the outcome `tls_failed` has.

/// The reason of a request with the outcome `tls_failed`. `docs/METRICS.md` defines them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum TlsFailure {
    WrongHost,
    Expired,
    NotYetValid,
    SelfSigned,
    UnknownIssuer,
    BadCertificate,
    PlainText,
    ProtocolMismatch,
    NameRefused,
    ClientCertificateWanted,
    NoHttp1,
    Closed,
    Alert,
    Broken,
}

impl TlsFailure {
    pub const COUNT: usize = 14;

    pub const ALL: [TlsFailure; Self::COUNT] = [
        TlsFailure::WrongHost,
        TlsFailure::Expired,
        TlsFailure::NotYetValid,
        TlsFailure::SelfSigned,
        TlsFailure::UnknownIssuer,
        TlsFailure::BadCertificate,
        TlsFailure::PlainText,
        TlsFailure::ProtocolMismatch,
        TlsFailure::NameRefused,
        TlsFailure::ClientCertificateWanted,
        TlsFailure::NoHttp1,
        TlsFailure::Closed,
        TlsFailure::Alert,
        TlsFailure::Broken,
    ];

    /// Returns the key in the result document.
    pub fn name(self) -> &'static str {
        match self {
            TlsFailure::WrongHost => "wrong_host",
            TlsFailure::Expired => "expired",
            TlsFailure::NotYetValid => "not_yet_valid",
            TlsFailure::SelfSigned => "self_signed",
            TlsFailure::UnknownIssuer => "unknown_issuer",
            TlsFailure::BadCertificate => "bad_certificate",
            TlsFailure::PlainText => "plain_text",
            TlsFailure::ProtocolMismatch => "protocol_mismatch",
            TlsFailure::NameRefused => "name_refused",
            TlsFailure::ClientCertificateWanted => "client_certificate_wanted",
            TlsFailure::NoHttp1 => "no_http1",
            TlsFailure::Closed => "closed",
            TlsFailure::Alert => "alert",
            TlsFailure::Broken => "broken",
        }
    }

    /// Returns the reason in words.
    pub fn text(self) -> &'static str {
        match self {
            TlsFailure::WrongHost => "the certificate is for another name",
            TlsFailure::Expired => "the certificate has expired",
            TlsFailure::NotYetValid => "the certificate is not valid yet",
            TlsFailure::SelfSigned => "the certificate is self-signed and not trusted",
            TlsFailure::UnknownIssuer => "the certificate's issuer is not trusted",
            TlsFailure::BadCertificate => "the certificate is not valid for a server",
            TlsFailure::PlainText => "the server answers in plain text on this port",
            TlsFailure::ProtocolMismatch => {
                "client and server have no TLS version or cipher in common (ours: TLS 1.2 and 1.3)"
            }
            TlsFailure::NameRefused => "the server does not know this name",
            TlsFailure::ClientCertificateWanted => "the server requires a client certificate",
            TlsFailure::NoHttp1 => "the server does not offer HTTP/1.1 here",
            TlsFailure::Closed => "the connection was closed during the handshake",
            TlsFailure::Alert => "the server refused the connection with an alert",
            TlsFailure::Broken => "the server sent data that is not TLS or could not be decrypted",
        }
    }

    /// Returns the next step for the user.
    pub fn hint(self) -> &'static str {
        match self {
            TlsFailure::WrongHost => "use the host name in the certificate, or --insecure",
            TlsFailure::Expired | TlsFailure::NotYetValid => {
                "renew the certificate, check this host's clock, or use --insecure"
            }
            TlsFailure::SelfSigned => {
                "trust it with --cacert FILE (a server's certificate must say CA:FALSE), or use --insecure"
            }
            TlsFailure::UnknownIssuer => "add the issuer's certificate with --cacert FILE, or use --insecure",
            TlsFailure::BadCertificate => "inspect it: openssl s_client -connect HOST:PORT -showcerts",
            TlsFailure::PlainText => "write http:// instead of https://, or use the TLS port",
            TlsFailure::ProtocolMismatch => {
                "let the server offer TLS 1.2 or 1.3 with ECDHE and AES-GCM or ChaCha20"
            }
            TlsFailure::NameRefused => "use a host name that the server knows",
            TlsFailure::ClientCertificateWanted => {
                "client certificates are not supported; use an address that does not require one"
            }
            TlsFailure::NoHttp1 => "let the server offer http/1.1 in addition to h2",
            TlsFailure::Closed | TlsFailure::Alert | TlsFailure::Broken => {
                "see the server's log, and check that this is its TLS port"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_at_its_own_index_and_has_its_own_name() {
        let mut names = std::collections::HashSet::new();
        for (i, failure) in TlsFailure::ALL.iter().enumerate() {
            assert_eq!(*failure as usize, i);
            assert!(names.insert(failure.name()) && names.insert(failure.text()));
        }
    }
}
