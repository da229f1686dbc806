//! Who we are, asked for at every dial.

use crate::error::{Error, ErrorKind, Outcome, Result};
use futures::future::BoxFuture;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// A text that is shown nowhere and wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Keeps `text` to itself.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(text.into())))
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The ACL user; none is `default`.
    pub user: Option<String>,
    /// The password.
    pub password: Secret,
}

/// Where credentials come from.
pub trait CredentialsProvider: fmt::Debug + Send + Sync + 'static {
    /// The credentials as they are now; none if none are needed. Called at every dial, within its timeout.
    ///
    /// # Errors
    /// They cannot be had. The dial fails, and the next one asks again.
    fn current(&self) -> BoxFuture<'_, Result<Option<Credentials>>>;

    /// Changes when the credentials do: connections that are open then authenticate anew, in place. None if that is not
    /// told.
    fn changes(&self) -> Option<watch::Receiver<u64>> {
        None
    }
}

/// Credentials that do not change.
#[derive(Debug, Clone, Default)]
pub struct FixedCredentials(pub Option<Credentials>);

impl CredentialsProvider for FixedCredentials {
    fn current(&self) -> BoxFuture<'_, Result<Option<Credentials>>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

/// A password in a file, as secrets are mounted: read at every dial. A line's end after it does not belong to it.
#[derive(Debug, Clone)]
pub struct PasswordFile {
    /// The ACL user; none is `default`.
    pub user: Option<String>,
    /// The file.
    pub path: PathBuf,
}

impl CredentialsProvider for PasswordFile {
    fn current(&self) -> BoxFuture<'_, Result<Option<Credentials>>> {
        Box::pin(async move {
            let text = tokio::fs::read_to_string(&self.path).await.map_err(|error| {
                let why = format!("cannot read the password from {}: {error}", self.path.display());
                Error::new(ErrorKind::Auth, "PASSWORD_FILE", Outcome::NotSent, why)
                    .advise("check that the file is there and that this user may read it")
                    .because(error)
            })?;
            let password = Secret::new(text.trim_end_matches(['\r', '\n']));
            Ok(Some(Credentials { user: self.user.clone(), password }))
        })
    }
}

/// Credentials that the program replaces at run time. Clones replace them for each other.
#[derive(Debug, Clone)]
pub struct RotatingCredentials(watch::Sender<(u64, Option<Credentials>)>, watch::Sender<u64>);

impl RotatingCredentials {
    /// Starts with these.
    pub fn new(credentials: Option<Credentials>) -> Self {
        Self(watch::Sender::new((0, credentials)), watch::Sender::new(0))
    }

    /// From now on these. Open connections authenticate anew, in place; if the server does not know them yet they stay
    /// as they are, and the next dial tries again.
    pub fn rotate(&self, credentials: Option<Credentials>) {
        let mut version = 0;
        self.0.send_modify(|current| {
            version = current.0 + 1;
            *current = (version, credentials);
        });
        self.1.send_replace(version);
    }
}

impl CredentialsProvider for RotatingCredentials {
    fn current(&self) -> BoxFuture<'_, Result<Option<Credentials>>> {
        let current = self.0.borrow().1.clone();
        Box::pin(std::future::ready(Ok(current)))
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.1.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing() {
        let credentials = Credentials { user: Some("bot".to_owned()), password: "hunter2".into() };
        let shown = format!("{credentials:?} {:?}", FixedCredentials(Some(credentials.clone())));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(credentials.password.reveal(), "hunter2");
    }

    #[tokio::test]
    async fn a_file_is_read_again_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let provider = PasswordFile { user: None, path: path.clone() };
        let error = provider.current().await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Auth, "PASSWORD_FILE"));
        for password in ["first", "second"] {
            std::fs::write(&path, format!("{password}\n")).unwrap();
            let current = provider.current().await.unwrap().unwrap();
            assert_eq!(current.password.reveal(), password);
        }
    }
}
