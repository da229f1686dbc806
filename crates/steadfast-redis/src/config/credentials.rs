//! Credentials that code provides: tokens that expire, secrets that rotate.

use super::secret::Secret;
use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

/// What one login takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The ACL user; none: the server's `default` user.
    pub username: Option<String>,
    /// The password or token.
    pub password: Secret,
}

/// Why there are no credentials. Its text is shown: it must not hold a secret.
pub type CredentialsError = Box<dyn std::error::Error + Send + Sync>;

/// Provides the credentials for each dial.
pub trait CredentialsProvider: Send + Sync {
    /// The credentials as they are now. Called at every dial and after each change; an error fails that dial
    /// alone. Must answer within the connect timeout; may be dropped at any await.
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialsError>>;

    /// Changes whenever there are new credentials: open connections then authenticate anew, in place. None:
    /// only new connections take up new credentials.
    fn changes(&self) -> Option<watch::Receiver<u64>> {
        None
    }
}

/// A shared [`CredentialsProvider`]. Two are equal when they are the same one.
#[derive(Clone)]
pub struct Provider(Arc<dyn CredentialsProvider>);

impl Provider {
    /// Shares `provider`.
    pub fn new(provider: impl CredentialsProvider + 'static) -> Self {
        Self(Arc::new(provider))
    }
}

impl std::ops::Deref for Provider {
    type Target = dyn CredentialsProvider;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider(..)")
    }
}
