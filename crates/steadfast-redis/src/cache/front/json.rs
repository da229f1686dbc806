//! Values as JSON.

use super::{Cache, Found, LoadError, Written};
use crate::error::{Error, ErrorKind, Outcome, Result};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error as StdError;
use std::time::Duration;

/// Values as JSON: a thin layer over bytes.
impl Cache {
    /// As [`Cache::get`], read as JSON.
    ///
    /// # Errors
    /// As [`Cache::get`]; and if the value is not what is asked for: delete it, or read it as what it is.
    pub async fn get_json<T: DeserializeOwned>(&self, name: impl AsRef<[u8]>) -> Result<Option<Found<T>>> {
        self.get(name).await?.map(read).transpose()
    }

    /// As [`Cache::set`], written as JSON.
    ///
    /// # Errors
    /// As [`Cache::set`]; and if the value has no form in JSON.
    pub async fn set_json<T: Serialize + Sync + ?Sized>(
        &self,
        name: impl AsRef<[u8]>,
        value: &T,
        ttl: Option<Duration>,
    ) -> Result<Written> {
        self.set(name, write(value)?, ttl).await
    }

    /// As [`Cache::get_or_load`], as JSON.
    ///
    /// # Errors
    /// As [`Cache::get_or_load`]; and if a value is not what is asked for, or has no form in JSON.
    pub async fn get_or_load_json<T, L, F, E>(
        &self,
        name: impl AsRef<[u8]>,
        ttl: Option<Duration>,
        loader: L,
    ) -> Result<Option<Found<T>>, LoadError>
    where
        T: Serialize + DeserializeOwned + Send + Sync,
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Option<T>, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + Send,
    {
        let load = move || {
            let loading = loader();
            async move {
                match loading.await {
                    Ok(Some(value)) => write(&value).map(Some).map_err(Into::into),
                    Ok(None) => Ok(None),
                    Err(error) => Err(error.into()),
                }
            }
        };
        let load =
            move || async move { load().await.map_err(|error: Box<dyn StdError + Send + Sync>| error) };
        Ok(self.get_or_load(name, ttl, load).await?.map(read).transpose()?)
    }
}

fn read<T: DeserializeOwned>(found: Found) -> Result<Found<T>> {
    let Found { value, stale, source } = found;
    // The error's text tells where and what was expected, and shows nothing but short scalars of the value; leave it out.
    let value = serde_json::from_slice(&value).map_err(|error| {
        let why = format!(
            "the value is not the JSON asked for, at byte {} of line {}",
            error.column(),
            error.line()
        );
        Error::new(ErrorKind::Validation, "JSON", Outcome::Rejected, why)
    })?;
    Ok(Found { value, stale, source })
}

fn write<T: Serialize + ?Sized>(value: &T) -> Result<Bytes> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| {
        let why = format!("the value has no form in JSON: {error}");
        Error::new(ErrorKind::Validation, "JSON", Outcome::NotSent, why).because(error)
    })
}
