//! The URL under which Twilio knows us.

use std::fmt;
use std::str::FromStr;

/// Scheme, host and optional path prefix, as configured at Twilio: `https://bot.example.com` or
/// `https://user:password@example.com:8443/bot`. Kept letter by letter, because the signature covers the
/// letters. `Debug` and `Display` leave user and password out.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// Up to the end of the authority.
    origin: String,
    /// Empty, or from a `/` to the last character before a closing `/`.
    prefix: String,
    host_at: usize,
    host_len: usize,
}

/// Why a text cannot be the public URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicUrlError {
    /// Neither `http://` nor `https://`.
    #[error("it must begin with https:// (or http:// for development)")]
    Scheme,
    /// No host behind the scheme.
    #[error("it names no host")]
    Host,
    /// A query or fragment: those belong to the URL at Twilio, and only `#rc=…` there.
    #[error("it must have neither `?` nor `#`; put connection overrides on the URL at Twilio only")]
    QueryOrFragment,
    /// Spaces or control or non-ASCII characters.
    #[error("it must hold only printable ASCII without spaces; write other characters percent-encoded")]
    Characters,
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let text = text.trim();
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PublicUrlError::Characters);
        }
        let (scheme, rest) = text.split_once("://").ok_or(PublicUrlError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return Err(PublicUrlError::Scheme);
        }
        if rest.contains(['?', '#']) {
            return Err(PublicUrlError::QueryOrFragment);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let userinfo_len = authority.rfind('@').map_or(0, |at| at + 1);
        let host = &authority[userinfo_len..];
        if host.is_empty() || host.starts_with(':') {
            return Err(PublicUrlError::Host);
        }
        let host_at = scheme.len() + 3 + userinfo_len;
        Ok(Self {
            origin: format!("{scheme}://{authority}"),
            prefix: path.trim_end_matches('/').to_owned(),
            host_at,
            host_len: host.len(),
        })
    }
}

impl PublicUrl {
    /// Host and port, as written.
    pub fn host(&self) -> &str {
        &self.origin[self.host_at..self.host_at + self.host_len]
    }

    /// The path prefix: empty, or `/…` without a closing slash.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// `target` without the prefix, where a proxy has not taken it off already.
    pub(crate) fn without_prefix<'a>(&self, target: &'a str) -> &'a str {
        match target.strip_prefix(&self.prefix) {
            Some(rest) if rest.starts_with('/') => rest,
            _ => target,
        }
    }

    /// The URLs that Twilio may have called to produce a request for `target` (raw path and query): as
    /// configured, and with the host in the letters of the `Host` header where only the case differs.
    pub(crate) fn candidates(&self, target: &str, host: Option<&str>) -> Vec<String> {
        let target = self.without_prefix(target);
        let mut urls = vec![format!("{}{}{target}", self.origin, self.prefix)];
        if let Some(host) = host.filter(|host| *host != self.host() && host.eq_ignore_ascii_case(self.host()))
        {
            urls.push(format!("{}{host}{}{target}", &self.origin[..self.host_at], self.prefix));
        }
        urls
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.origin.split("://").next().unwrap_or_default();
        let userinfo = if self.host_at == scheme.len() + 3 { "" } else { "***@" };
        write!(f, "{scheme}://{userinfo}{}{}", self.host(), self.prefix)
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PublicUrl {
        text.parse().expect("a URL")
    }

    #[test]
    fn the_letters_are_kept_and_the_password_is_not_shown() {
        let url = url("HTTPS://user:pa:ss@MyCompany.com:8443/bot/");
        assert_eq!(
            url.candidates("/webhook/twilio?a=1", None),
            ["HTTPS://user:pa:ss@MyCompany.com:8443/bot/webhook/twilio?a=1"]
        );
        assert_eq!(format!("{url:?}"), "PublicUrl(HTTPS://***@MyCompany.com:8443/bot)");
        assert_eq!(url.host(), "MyCompany.com:8443");
    }

    #[test]
    fn the_host_as_received_counts_only_where_its_case_differs() {
        let url = url("https://MyCompany.com");
        assert_eq!(
            url.candidates("/a", Some("mycompany.com")),
            ["https://MyCompany.com/a", "https://mycompany.com/a"]
        );
        assert_eq!(url.candidates("/a", Some("evil.example")), ["https://MyCompany.com/a"]);
    }

    #[test]
    fn a_prefix_is_there_once_whether_or_not_the_proxy_took_it_off() {
        let url = url("https://h/bot");
        assert_eq!(url.candidates("/webhook/twilio", None), ["https://h/bot/webhook/twilio"]);
        assert_eq!(url.candidates("/bot/webhook/twilio", None), ["https://h/bot/webhook/twilio"]);
        assert_eq!(url.without_prefix("/bots/webhook"), "/bots/webhook");
    }

    #[test]
    fn what_is_refused_says_why() {
        let error = |text: &str| text.parse::<PublicUrl>().expect_err(text);
        assert_eq!(error("bot.example.com"), PublicUrlError::Scheme);
        assert_eq!(error("ftp://h"), PublicUrlError::Scheme);
        assert_eq!(error("https:///x"), PublicUrlError::Host);
        assert_eq!(error("https://u@/x"), PublicUrlError::Host);
        assert_eq!(error("https://h/x#rc=5"), PublicUrlError::QueryOrFragment);
        assert_eq!(error("https://h/a b"), PublicUrlError::Characters);
    }
}
