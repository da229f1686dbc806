//! TLS, with files that may be replaced while we run.

use super::stream::Stream;
use crate::config::Address;
use crate::error::{Error, ErrorKind, Outcome, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::TlsConnector;

/// Who is trusted, and who we are.
#[derive(Debug, Clone, Default)]
pub(crate) struct TlsSettings {
    /// Certificates of authorities, PEM. None: the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// Our certificate and its key, PEM.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    /// The name that the server's certificate must bear, if it is not the host's.
    pub(crate) server_name: Option<String>,
    /// Any certificate will do. For experiments alone.
    pub(crate) accept_any: bool,
    /// What was made of the files last, for the moment in which one is replaced and the other is not yet.
    pub(crate) last: Arc<Mutex<Option<Arc<ClientConfig>>>>,
}

pub(super) async fn wrap(settings: &TlsSettings, address: &Address, socket: Stream) -> Result<Stream> {
    let Stream::Tcp(tcp) = socket else {
        let why = "TLS is for TCP connections";
        return Err(Error::new(ErrorKind::Validation, "TLS", Outcome::NotSent, why)
            .advise("use rediss:// with a host, or a socket in the file system without TLS"));
    };
    let host = settings.server_name.as_deref().unwrap_or_else(|| address.host()).to_owned();
    let name = ServerName::try_from(host.clone()).map_err(|error| {
        let why = format!("{host:?} is no name that a certificate can bear");
        Error::new(ErrorKind::Validation, "TLS", Outcome::NotSent, why)
            .advise("set tls.server_name to the name in the server's certificate")
            .because(error)
    })?;
    let connector = TlsConnector::from(current(settings).await?);
    let stream = connector.connect(name, tcp).await.map_err(|error| {
        let why = format!("no TLS with {host}: {error}");
        Error::new(ErrorKind::Connection, "TLS", Outcome::NotSent, why)
            .advise("check that the port speaks TLS (if not, use redis://), tls.ca_file, the certificate's names and dates, and our own certificate")
            .because(error)
    })?;
    Ok(Stream::Tls(Box::new(stream)))
}

/// The configuration as the files are now. If they cannot be used, the last one that could.
async fn current(settings: &TlsSettings) -> Result<Arc<ClientConfig>> {
    let wanted = settings.clone();
    // Files and the system's certificates are read by blocking calls.
    let built = tokio::task::spawn_blocking(move || build(&wanted)).await;
    let built = built.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Connection, "TLS", Outcome::NotSent, "reading certificates was cut off")
            .because(error))
    });
    let mut last = settings.last.lock().unwrap_or_else(PoisonError::into_inner);
    match (built, &*last) {
        (Ok(config), _) => {
            *last = Some(Arc::clone(&config));
            Ok(config)
        }
        (Err(error), Some(config)) => {
            tracing::warn!(%error, "certificates cannot be used as they are now: those read before stay");
            Ok(Arc::clone(config))
        }
        (Err(error), None) => Err(error),
    }
}

fn build(settings: &TlsSettings) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| {
        Error::new(ErrorKind::Validation, "TLS", Outcome::NotSent, "no usable version of TLS").because(error)
    })?;
    let builder = if settings.accept_any {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        builder.with_root_certificates(trusted(settings)?)
    };
    let config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key_path)) => {
            let key = PrivateKeyDer::from_pem_file(key_path)
                .map_err(|error| unusable(key_path, "a private key", &error))?;
            let chain = certificates(certificate)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| {
                let why = format!(
                    "{} and {} do not belong together or cannot be used: {error}",
                    certificate.display(),
                    key_path.display()
                );
                Error::new(ErrorKind::Validation, "TLS", Outcome::NotSent, why)
                    .advise("give the certificate (leaf first) and its own key, both PEM")
                    .because(error)
            })?
        }
    };
    Ok(Arc::new(config))
}

fn trusted(settings: &TlsSettings) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match &settings.ca_file {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| unusable(path, "a certificate", &error))?;
            }
        }
        None => {
            let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if added == 0 {
                let why = "this system trusts no certificate authority";
                return Err(Error::new(ErrorKind::Validation, "TLS", Outcome::NotSent, why)
                    .advise("install the package ca-certificates or set tls.ca_file"));
            }
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found =
        CertificateDer::pem_file_iter(path).map_err(|error| unusable(path, "certificates", &error))?;
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.map_err(|error| unusable(path, "certificates", &error))?;
    if found.is_empty() {
        return Err(unusable(path, "certificates", &"there is none in it"));
    }
    Ok(found)
}

fn unusable(path: &Path, what: &str, error: &dyn std::fmt::Display) -> Error {
    let why = format!("cannot read {what} from {}: {error}", path.display());
    Error::new(ErrorKind::Validation, "TLS", Outcome::NotSent, why)
        .advise("check that the file is there, that this user may read it, and that it is PEM")
}

/// Takes any certificate; the handshake's signature must fit it all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
