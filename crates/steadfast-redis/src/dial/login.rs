//! Who we are, asked for at every dial.

use crate::config::{Credentials, LoginWith, Secret};
use crate::error::{Error, ErrorKind, Outcome, Result};
use std::path::Path;
use tokio::sync::watch;

/// The credentials as they are now; none if none are needed.
///
/// # Errors
/// They cannot be had. This dial fails, and the next one asks again.
pub(crate) async fn credentials(login: &LoginWith) -> Result<Option<Credentials>> {
    match login {
        LoginWith::Nothing => Ok(None),
        LoginWith::Password { username, password } => {
            Ok(Some(Credentials { username: username.clone(), password: password.clone() }))
        }
        LoginWith::File { username, path } => {
            let password = from_file(path).await?;
            Ok(Some(Credentials { username: username.clone(), password }))
        }
        LoginWith::Provider(provider) => provider.credentials().await.map(Some).map_err(|error| {
            let why = format!("the credentials could not be had: {error}");
            Error::new(ErrorKind::Auth, "CREDENTIALS", Outcome::NotSent, why)
                .advise("check what provides them")
        }),
    }
}

/// Changes when the credentials do; none if that is not told.
pub(crate) fn changes(login: &LoginWith) -> Option<watch::Receiver<u64>> {
    match login {
        LoginWith::Provider(provider) => provider.changes(),
        _ => None,
    }
}

/// A password in a file, as secrets are mounted. A line's end after it does not belong to it.
async fn from_file(path: &Path) -> Result<Secret> {
    let text = tokio::fs::read_to_string(path).await.map_err(|error| {
        let why = format!("cannot read the password from {}: {error}", path.display());
        Error::new(ErrorKind::Auth, "PASSWORD_FILE", Outcome::NotSent, why)
            .advise("check that the file is there and that this user may read it")
            .because(error)
    })?;
    Ok(Secret::new(text.strip_suffix('\n').map_or(text.as_str(), |text| text.trim_end_matches('\r'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_again_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let login = LoginWith::File { username: None, path: path.clone() };
        let error = credentials(&login).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Auth, "PASSWORD_FILE"));
        for password in ["first", "second"] {
            std::fs::write(&path, format!("{password}\n")).unwrap();
            let current = credentials(&login).await.unwrap().unwrap();
            assert_eq!(current.password.expose(), password);
        }
    }
}
