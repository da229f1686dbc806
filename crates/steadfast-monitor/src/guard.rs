//! Who may ask: decided from the request's head alone.
//!
//! On loopback no token is needed, so everything a browser could be talked into must be refused here: a
//! foreign page that posts (its `Origin` or `Sec-Fetch-Site` shows it), and a foreign name that resolves
//! to 127.0.0.1 (its `Host` shows it).

use crate::config::{ApiToken, Role, digest};
use crate::error::ApiError;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The token's name, or `local`.
    pub(crate) name: Arc<str>,
    /// What they may do.
    pub(crate) role: Role,
}

impl Caller {
    /// Refuses callers below `role`.
    pub(crate) fn needs(&self, role: Role) -> Result<(), ApiError> {
        if self.role >= role {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "Your token may not do this.",
            format!("It has the role {}; this needs {}.", self.role.as_str(), role.as_str()),
            "Use a token of that role, or ask somebody who has one.",
        ))
    }
}

/// The rules.
#[derive(Debug)]
pub(crate) struct Guard {
    hosts: Vec<String>,
    tokens: Vec<ApiToken>,
}

impl Guard {
    pub(crate) fn new(hosts: &[String], tokens: &[ApiToken]) -> Self {
        Self { hosts: hosts.iter().map(|host| bare_name(host)).collect(), tokens: tokens.to_vec() }
    }

    /// Refuses requests that a browser was talked into.
    pub(crate) fn check_site(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = self.check_host(uri, headers)?;
        let mut origins = headers.get_all(header::ORIGIN).iter();
        if let Some(origin) = origins.next() {
            let same = origin.to_str().is_ok_and(|origin| is_same_site(origin, &host));
            if !same || origins.next().is_some() {
                return Err(foreign("Its Origin header names another site than its Host header."));
            }
        }
        let reads = method == Method::GET || method == Method::HEAD;
        let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
        if !reads && site.is_some_and(|site| site != b"same-origin" && site != b"none") {
            return Err(foreign("Its Sec-Fetch-Site header says that another site's page sent it."));
        }
        Ok(())
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<String, ApiError> {
        let mut named = headers.get_all(header::HOST).iter();
        // An absolute request target overrides the header (RFC 9112, 3.2.2).
        let authority = match (uri.authority(), named.next(), named.next()) {
            (Some(authority), _, None) => authority.as_str().to_owned(),
            (None, Some(host), None) => host.to_str().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        let name = bare_name(&authority);
        if is_loopback_name(&name) || self.hosts.contains(&name) || self.is_shielded_ip(&name) {
            return Ok(authority.to_ascii_lowercase());
        }
        Err(ApiError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "This host name is not served here.",
            "The Host header must name this machine's loopback (localhost, 127.0.0.1) or a configured host: other \
             names may be a foreign page's trick.",
            "Call it as http://localhost:…, or add the name to the monitor's allowed hosts.",
        ))
    }

    /// A bare address in the Host header cannot be a name rebound to us; where tokens are asked for anyway,
    /// it may be used without being listed.
    fn is_shielded_ip(&self, name: &str) -> bool {
        !self.tokens.is_empty() && ip_of(name).is_some()
    }

    /// Who shows which token. Without configured tokens everybody is `local` and may do everything.
    pub(crate) fn identify(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        if self.tokens.is_empty() {
            return Ok(Caller { name: "local".into(), role: Role::Admin });
        }
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
        let Some(shown) = shown else {
            return Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "A token is needed.",
                "The request has no Authorization header of the form 'Bearer <token>'.",
                "Add it: curl -H 'Authorization: Bearer …'.",
            ));
        };
        self.match_token(&digest(shown))
            .cloned()
            .ok_or_else(|| {
                ApiError::new(
                    StatusCode::UNAUTHORIZED,
                    "The token is not known.",
                    "It equals none of the configured ones.",
                    "Check it against the configuration; tokens are read at the start.",
                )
            })
            .map(|token| Caller { name: Arc::clone(token.name()), role: token.role() })
    }

    /// Looks at every token, whichever matches: the time taken tells nothing.
    fn match_token(&self, shown: &[u8; 32]) -> Option<&ApiToken> {
        let mut found = u32::MAX;
        for (index, token) in (0_u32..).zip(&self.tokens) {
            let equal: Choice = token.digest().ct_eq(shown);
            found = u32::conditional_select(&found, &index, equal);
        }
        self.tokens.get(usize::try_from(found).ok()?)
    }
}

fn foreign(why: &'static str) -> ApiError {
    ApiError::new(
        StatusCode::FORBIDDEN,
        "Requests from other sites' pages are refused.",
        why,
        "Call the monitor from its own page, or with curl.",
    )
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The host of `authority`, without user, port, brackets and trailing dot, in lower case.
fn bare_name(authority: &str) -> String {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None if host.parse::<Ipv6Addr>().is_ok() => host,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn ip_of(name: &str) -> Option<IpAddr> {
    name.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

fn is_loopback_name(name: &str) -> bool {
    name == "localhost" || ip_of(name).is_some_and(|address| address.is_loopback())
}

/// Whether `origin` (`http://host:port`) is the site that `host` (`host:port`) names. The scheme may
/// differ: a proxy in front may speak TLS.
fn is_same_site(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let plain = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_ascii_lowercase();
    plain(authority) == plain(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("name");
            map.append(name, HeaderValue::from_str(value).expect("value"));
        }
        map
    }

    fn site(guard: &Guard, method: &Method, pairs: &[(&str, &str)]) -> Option<u16> {
        let uri = Uri::from_static("/dlq/retry");
        guard.check_site(method, &uri, &headers(pairs)).err().map(|error| error.status().as_u16())
    }

    fn tokens() -> Vec<ApiToken> {
        [("eyes", Role::Viewer), ("hands", Role::Operator), ("boss", Role::Admin)]
            .map(|(name, role)| ApiToken::new(name, role, &format!("secret-of-{name}-0123")).expect("valid"))
            .to_vec()
    }

    #[test]
    fn hosts() {
        let guard = Guard::new(&["Ops.Example.com".to_owned()], &[]);
        for good in [
            "localhost",
            "localhost:9091",
            "LOCALHOST.:9091",
            "127.0.0.1:9091",
            "127.3.2.1",
            "[::1]:9091",
            "ops.example.com:8443",
        ] {
            assert_eq!(site(&guard, &Method::POST, &[("host", good)]), None, "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "192.0.2.7:9091",
            "",
            "[::2]",
            "evil.example:localhost",
        ] {
            assert_eq!(site(&guard, &Method::GET, &[("host", bad)]), Some(421), "{bad}");
        }
        assert_eq!(site(&guard, &Method::GET, &[]), Some(421));
        assert_eq!(site(&guard, &Method::GET, &[("host", "localhost"), ("host", "evil.example")]), Some(421));
        // Prometheus calls by address; with tokens that is no danger.
        let guard = Guard::new(&[], &tokens());
        assert_eq!(site(&guard, &Method::GET, &[("host", "192.0.2.7:9091")]), None);
        assert_eq!(site(&guard, &Method::GET, &[("host", "evil.example")]), Some(421));
    }

    #[test]
    fn an_absolute_target_counts_instead_of_the_header() {
        let guard = Guard::new(&[], &[]);
        let uri = Uri::from_static("http://evil.example/queues");
        assert!(guard.check_site(&Method::GET, &uri, &headers(&[("host", "localhost")])).is_err());
    }

    #[test]
    fn foreign_pages() {
        let guard = Guard::new(&[], &[]);
        let host = ("host", "localhost:9091");
        for (expected, extra) in [
            (None, ("origin", "http://localhost:9091")),
            (None, ("origin", "https://localhost:9091")),
            (Some(403), ("origin", "http://localhost:3000")),
            (Some(403), ("origin", "https://evil.example")),
            (Some(403), ("origin", "null")),
            (Some(403), ("sec-fetch-site", "cross-site")),
            (Some(403), ("sec-fetch-site", "same-site")),
            (None, ("sec-fetch-site", "same-origin")),
            (None, ("sec-fetch-site", "none")),
        ] {
            assert_eq!(site(&guard, &Method::POST, &[host, extra]), expected, "{extra:?}");
        }
        assert_eq!(
            site(&guard, &Method::GET, &[host, ("sec-fetch-site", "cross-site")]),
            None,
            "a link may be followed"
        );
        assert_eq!(
            site(&guard, &Method::POST, &[("host", "localhost"), ("origin", "http://localhost:80")]),
            None
        );
    }

    #[test]
    fn tokens_tell_callers_apart() {
        let guard = Guard::new(&[], &tokens());
        for (value, expected) in [
            ("Bearer secret-of-eyes-0123", Some(Role::Viewer)),
            ("bearer secret-of-hands-0123", Some(Role::Operator)),
            ("Bearer secret-of-boss-0123", Some(Role::Admin)),
            ("Bearer secret-of-boss-012", None),
            ("Bearer ", None),
            ("Basic secret-of-boss-0123", None),
            ("secret-of-boss-0123", None),
        ] {
            let who = guard.identify(&headers(&[("authorization", value)])).ok().map(|caller| caller.role);
            assert_eq!(who, expected, "{value}");
        }
        assert!(guard.identify(&HeaderMap::new()).is_err());
        let open = Guard::new(&[], &[]);
        assert_eq!(open.identify(&HeaderMap::new()).expect("local").role, Role::Admin);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(host in "[ -~]{0,40}", origin in "[ -~]{0,40}", auth in "[ -~]{0,40}") {
            let guard = Guard::new(&[], &tokens());
            let map = headers(&[("host", &host), ("origin", &origin), ("authorization", &auth)]);
            let _ = guard.check_site(&Method::POST, &Uri::from_static("/"), &map);
            prop_assert!(guard.identify(&map).is_err());
        }
    }
}
