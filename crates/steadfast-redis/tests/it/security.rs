//! TLS, certificates that are replaced, passwords that are rotated, users with few rights.

use crate::soon;
use futures::future::BoxFuture;
use std::sync::Mutex;
use std::time::Duration;
use steadfast_redis::config::{Config, Credentials, CredentialsError, CredentialsProvider, Provider};
use steadfast_redis::{Client, ErrorKind, cmd};
use steadfast_testkit::redis::{Certificates, Server};
use steadfast_testkit::wait_for;
use tokio::sync::watch;

fn url(server: &Server, certificates: &Certificates, more: &str) -> String {
    format!("rediss://localhost:{}?tls.ca_file={}{more}", server.port(), certificates.ca().display())
}

#[tokio::test]
async fn tls_with_certificates_on_both_sides() {
    let certificates = Certificates::generate().unwrap();
    let server = Server::builder()
        .tls(&certificates.server())
        .config("tls-auth-clients", "yes")
        .start()
        .await
        .unwrap();
    let ours = certificates.client();
    let both =
        format!("&tls.certificate_file={}&tls.key_file={}", ours.certificate.display(), ours.key.display());
    let client = Client::open(&url(&server, &certificates, &both)).unwrap();
    client.set("a", "1").await.unwrap();
    assert_eq!(client.get::<i64>("a").await.unwrap(), 1);
    let refused = Client::open(&url(&server, &certificates, "")).unwrap().within(Duration::from_millis(800));
    refused.ping().await.unwrap_err();
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_named() {
    let certificates = Certificates::generate().unwrap();
    for (files, word) in
        [(certificates.expired_server(), "expired"), (certificates.foreign_server(), "UnknownIssuer")]
    {
        let server = Server::builder().tls(&files).start().await.unwrap();
        let client =
            Client::open(&url(&server, &certificates, "")).unwrap().within(Duration::from_millis(800));
        let error = client.ping().await.unwrap_err();
        let text = error.to_string();
        assert!(text.to_lowercase().contains(&word.to_lowercase()), "{text}");
        assert_eq!(error.kind(), ErrorKind::Connection);
    }
}

#[tokio::test]
async fn a_missing_certificate_is_named() {
    let server = Server::start().await.unwrap();
    let url = format!("rediss://localhost:{}?tls.ca_file=/nowhere/ca.pem", server.port());
    let error = Client::open(&url).unwrap().within(Duration::from_millis(500)).ping().await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}

/// Hands out whatever it was told last.
#[derive(Debug)]
struct Vault {
    password: Mutex<String>,
    changes: watch::Sender<u64>,
}

impl CredentialsProvider for &'static Vault {
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialsError>> {
        let password = self.password.lock().unwrap().as_str().into();
        Box::pin(async move { Ok(Credentials { username: None, password }) })
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.changes.subscribe())
    }
}

#[tokio::test]
async fn f12_a_password_is_rotated_in_place_and_a_late_one_is_found() {
    let vault: &'static Vault =
        Box::leak(Box::new(Vault { password: Mutex::new("old".to_owned()), changes: watch::Sender::new(0) }));
    let server = Server::builder().password("old").start().await.unwrap();
    let mut config = Config::from_url(&format!("redis://{}", server.addr())).unwrap();
    config.set_provider(Provider::new(vault));
    let client = Client::connect(&config.validate().unwrap()).unwrap();
    client.ping().await.unwrap();
    // Both are good for a while; open connections take up the new one in place.
    server.expect(&["ACL", "SETUSER", "default", ">new"]).await.unwrap();
    *vault.password.lock().unwrap() = "new".to_owned();
    vault.changes.send_modify(|version| *version += 1);
    let commands = || async {
        server.info("commandstats", "cmdstat_auth").await.is_ok_and(|text| text.contains("calls=1"))
    };
    assert!(wait_for(Duration::from_secs(5), commands).await, "told in place");
    assert_eq!(client.nodes()[0].dials, 1);
    // The server changes first; who dials then is refused until the provider knows.
    server.expect(&["ACL", "SETUSER", "default", "resetpass", ">newest"]).await.unwrap();
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]).await.ok();
    let error = client.within(Duration::from_millis(300)).ping().await.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Auth | ErrorKind::CircuitOpen | ErrorKind::Connection),
        "{error}"
    );
    *vault.password.lock().unwrap() = "newest".to_owned();
    assert!(wait_for(Duration::from_secs(5), || async { client.ping().await.is_ok() }).await);
}

#[tokio::test]
async fn a_user_without_the_right_is_told_which() {
    let server = Server::builder()
        .user_acl("reader on >secret +get +ping +client +hello +role ~*")
        .start()
        .await
        .unwrap();
    let client = Client::open(&format!("redis://reader:secret@{}", server.addr())).unwrap();
    assert_eq!(client.get::<Option<String>>("a").await.unwrap(), None);
    let error = client.execute(cmd("SET").arg("a").arg("1"), soon()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Auth, "NOPERM"), "{error}");
}

#[tokio::test]
async fn settings_change_without_a_restart() {
    let server = Server::start().await.unwrap();
    let url = |more: &str| Config::from_url(&format!("{}?{more}", server.url())).unwrap().validate().unwrap();
    let client = Client::connect(&url("connection.client_name=before")).unwrap();
    client.ping().await.unwrap();
    let (change, options) =
        client.reload(&url("connection.client_name=after&connection.command_timeout_ms=77")).unwrap();
    assert!(change.reconnects());
    assert_eq!(options.timeout, Duration::from_millis(77));
    let renamed = || async {
        let list = format!("{:?}", server.command(&["CLIENT", "LIST"]).await.unwrap());
        list.contains("name=after") && !list.contains("name=before")
    };
    assert!(wait_for(Duration::from_secs(10), renamed).await, "connections are replaced");
    client.ping().await.unwrap();
    let other = Config::from_url("redis://elsewhere:1").unwrap().validate().unwrap();
    let error = client.reload(&other).unwrap_err();
    assert!(error.to_string().contains("hosts"), "{error}");
}
