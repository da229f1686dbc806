//! Servers that speak TLS, and certificates they should not accept or be accepted with.

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use steadfast_testkit::redis::{Certificates, ClientCertificates, Connection, Reply, Server, TlsFiles};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

async fn dial(addr: SocketAddr, ca: &Path, identity: Option<&TlsFiles>) -> anyhow::Result<Connection> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let chain = vec![CertificateDer::from_pem_file(&files.certificate)?];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&files.key)?)?
        }
    };
    let stream = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("localhost")?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.context("handshake")?;
    let mut connection = Connection::over(stream);
    // In TLS 1.3 a client learns only afterwards that its certificate was refused.
    anyhow::ensure!(connection.command(&["PING"]).await? == Reply::Simple("PONG".to_owned()));
    Ok(connection)
}

#[tokio::test]
async fn a_server_takes_who_it_should_and_shows_what_it_was_given() -> anyhow::Result<()> {
    let files = Certificates::generate()?;
    let start = |server: &TlsFiles, asked| Server::builder().tls(server).client_certificates(asked).start();
    let (open, strict, expired, foreign) = tokio::try_join!(
        start(&files.server(), ClientCertificates::Unasked),
        start(&files.server(), ClientCertificates::Required),
        start(&files.expired_server(), ClientCertificates::Unasked),
        start(&files.foreign_server(), ClientCertificates::Unasked),
    )?;
    assert_eq!(open.url(), format!("rediss://127.0.0.1:{}", open.port()));
    let ca = files.ca();
    dial(open.addr(), &ca, None).await?;
    dial(strict.addr(), &ca, Some(&files.client())).await?;
    assert!(dial(strict.addr(), &ca, None).await.is_err(), "no certificate");
    assert!(dial(strict.addr(), &ca, Some(&files.expired_client())).await.is_err(), "expired client");
    assert!(dial(strict.addr(), &ca, Some(&files.foreign_client())).await.is_err(), "foreign client");
    assert!(dial(expired.addr(), &ca, None).await.is_err(), "expired server");
    assert!(dial(foreign.addr(), &ca, None).await.is_err(), "foreign server");
    dial(foreign.addr(), &files.foreign_ca(), None).await?;
    assert!(Connection::open(open.addr()).await?.command(&["PING"]).await.is_err(), "without TLS");
    Ok(())
}

#[tokio::test]
async fn a_renewed_certificate_is_another_and_as_good() -> anyhow::Result<()> {
    let files = Certificates::generate()?;
    let server = files.server();
    let before = std::fs::read(&server.certificate)?;
    files.renew_server()?;
    assert_ne!(std::fs::read(&server.certificate)?, before);
    let ca = files.ca();
    drop(files);
    let running = Server::builder().tls(&server).start().await?;
    dial(running.addr(), &ca, None).await?;
    Ok(())
}
