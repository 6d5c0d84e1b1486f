//! Why a TLS connection failed: the reasons behind `tls_failed`.

/// One `tls_failed` has one of these. `docs/METRICS.md` says when each is given.
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

    /// The key in the result document.
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

    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            TlsFailure::WrongHost => "the certificate is for another name",
            TlsFailure::Expired => "the certificate has expired",
            TlsFailure::NotYetValid => "the certificate is not valid yet",
            TlsFailure::SelfSigned => "the certificate is self-signed and not among the trusted ones",
            TlsFailure::UnknownIssuer => "the certificate's issuer is not among the trusted ones",
            TlsFailure::BadCertificate => "the certificate is not fit for this server",
            TlsFailure::PlainText => "the server answers in plain text on this port",
            TlsFailure::ProtocolMismatch => "no TLS version or cipher in common (ours: TLS 1.2 and 1.3)",
            TlsFailure::NameRefused => "the server does not know this name",
            TlsFailure::ClientCertificateWanted => "the server wants a certificate of the client",
            TlsFailure::NoHttp1 => "the server speaks no HTTP/1.1 here",
            TlsFailure::Closed => "the connection was closed during the handshake",
            TlsFailure::Alert => "the server refused with an alert",
            TlsFailure::Broken => "the server sent what is no TLS, or could not be decrypted",
        }
    }

    /// The next step.
    pub fn hint(self) -> &'static str {
        match self {
            TlsFailure::WrongHost => "name the host as its certificate does, or --insecure",
            TlsFailure::Expired | TlsFailure::NotYetValid => {
                "renew the certificate, check this host's clock, or --insecure"
            }
            TlsFailure::SelfSigned => {
                "trust it with --cacert FILE (it must say CA:FALSE to be a server's), or --insecure"
            }
            TlsFailure::UnknownIssuer => "add the issuer's certificate with --cacert FILE, or --insecure",
            TlsFailure::BadCertificate => "look at it: openssl s_client -connect HOST:PORT -showcerts",
            TlsFailure::PlainText => "write http:// in place of https://, or name the TLS port",
            TlsFailure::ProtocolMismatch => "offer TLS 1.2 or 1.3 with ECDHE and AES-GCM or ChaCha20",
            TlsFailure::NameRefused => "name the host as the server does",
            TlsFailure::ClientCertificateWanted => {
                "client certificates are not supported: ask for another way in"
            }
            TlsFailure::NoHttp1 => "offer http/1.1 beside h2",
            TlsFailure::Closed | TlsFailure::Alert | TlsFailure::Broken => {
                "see the server's log; is this its TLS port?"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_own_index_and_has_its_own_name() {
        let mut names = std::collections::HashSet::new();
        for (i, failure) in TlsFailure::ALL.iter().enumerate() {
            assert_eq!(*failure as usize, i);
            assert!(names.insert(failure.name()) && names.insert(failure.text()));
        }
    }
}
