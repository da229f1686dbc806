//! Certificates for tests of TLS: good ones, expired ones, and some of an authority nobody asked.

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Where the parts of one identity are, each in PEM; they stay as long as this does.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The authority to trust.
    pub ca: PathBuf,
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    _folder: Arc<TempDir>,
}

/// An authority with a server and a client certificate, an expired one of each, and another authority with its own.
#[derive(Debug)]
pub struct Certificates {
    folder: Arc<TempDir>,
    ours: Authority,
}

#[derive(Debug)]
struct Authority {
    name: &'static str,
    issuer: Issuer<'static, KeyPair>,
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Server,
    Client,
}

const OURS: &str = "ca";
const FOREIGN: &str = "foreign-ca";

impl Certificates {
    /// Makes them all, in a temporary folder. Servers are named 127.0.0.1 and localhost.
    pub fn generate() -> anyhow::Result<Self> {
        let folder = Arc::new(TempDir::with_prefix("steadfast-tls-").context("cannot make a folder")?);
        let ours = Authority::create(folder.path(), OURS)?;
        ours.issue(folder.path(), "server", Purpose::Server, false)?;
        ours.issue(folder.path(), "client", Purpose::Client, false)?;
        ours.issue(folder.path(), "expired-server", Purpose::Server, true)?;
        ours.issue(folder.path(), "expired-client", Purpose::Client, true)?;
        let foreign = Authority::create(folder.path(), FOREIGN)?;
        foreign.issue(folder.path(), "foreign-server", Purpose::Server, false)?;
        foreign.issue(folder.path(), "foreign-client", Purpose::Client, false)?;
        Ok(Self { folder, ours })
    }

    /// The authority to trust.
    pub fn ca(&self) -> PathBuf {
        self.path(OURS)
    }

    /// An authority that nobody trusts.
    pub fn foreign_ca(&self) -> PathBuf {
        self.path(FOREIGN)
    }

    /// A good server certificate.
    pub fn server(&self) -> TlsFiles {
        self.files("server")
    }

    /// A good client certificate.
    pub fn client(&self) -> TlsFiles {
        self.files("client")
    }

    /// A server certificate that was good until 2021.
    pub fn expired_server(&self) -> TlsFiles {
        self.files("expired-server")
    }

    /// A client certificate that was good until 2021.
    pub fn expired_client(&self) -> TlsFiles {
        self.files("expired-client")
    }

    /// A server certificate of the authority that nobody trusts. The authority named beside it is the good one, so
    /// that the server still takes good clients.
    pub fn foreign_server(&self) -> TlsFiles {
        self.files("foreign-server")
    }

    /// A client certificate of the authority that nobody trusts.
    pub fn foreign_client(&self) -> TlsFiles {
        self.files("foreign-client")
    }

    /// Puts a new key and certificate in the place of the good server's.
    pub fn renew_server(&self) -> anyhow::Result<()> {
        self.ours.issue(self.folder.path(), "server", Purpose::Server, false)
    }

    /// Puts a new key and certificate in the place of the good client's.
    pub fn renew_client(&self) -> anyhow::Result<()> {
        self.ours.issue(self.folder.path(), "client", Purpose::Client, false)
    }

    fn path(&self, name: &str) -> PathBuf {
        certificate_path(self.folder.path(), name)
    }

    fn files(&self, name: &str) -> TlsFiles {
        TlsFiles {
            ca: self.ca(),
            certificate: self.path(name),
            key: key_path(self.folder.path(), name),
            _folder: Arc::clone(&self.folder),
        }
    }
}

impl Authority {
    fn create(folder: &Path, name: &'static str) -> anyhow::Result<Self> {
        let key = KeyPair::generate().context("cannot make a key")?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("steadfast test {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).context("cannot sign an authority")?;
        write_pem(&certificate_path(folder, name), "CERTIFICATE", certificate.der())?;
        Ok(Self { name, issuer: Issuer::new(params, key) })
    }

    fn issue(&self, folder: &Path, name: &str, purpose: Purpose, expired: bool) -> anyhow::Result<()> {
        let key = KeyPair::generate().context("cannot make a key")?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).context("cannot name a certificate")?;
        params.distinguished_name.push(DnType::CommonName, format!("steadfast test {name}"));
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = vec![match purpose {
            Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer);
        let certificate = certificate.with_context(|| format!("{} cannot sign {name}", self.name))?;
        write_pem(&certificate_path(folder, name), "CERTIFICATE", certificate.der())?;
        write_pem(&key_path(folder, name), "PRIVATE KEY", &key.serialize_der())
    }
}

fn certificate_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.pem"))
}

fn key_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.key.pem"))
}

fn write_pem(path: &Path, label: &str, der: &[u8]) -> anyhow::Result<()> {
    let encoded = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
