//! The spellings of one URL that Twilio's libraries accept.

use serde::Serialize;

/// Which spelling of the URL matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spelling {
    /// As configured and received.
    AsGiven,
    /// Without its port.
    WithoutPort,
    /// With the scheme's default port.
    WithDefaultPort,
    /// With the quotes and angle brackets of its query percent-encoded.
    QueryEncoded,
    /// Both that and without its port.
    WithoutPortQueryEncoded,
    /// Both that and with the default port.
    WithDefaultPortQueryEncoded,
}

impl Spelling {
    /// A short word for labels and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AsGiven => "as_given",
            Self::WithoutPort => "without_port",
            Self::WithDefaultPort => "with_default_port",
            Self::QueryEncoded => "query_encoded",
            Self::WithoutPortQueryEncoded => "without_port_query_encoded",
            Self::WithDefaultPortQueryEncoded => "with_default_port_query_encoded",
        }
    }
}

/// A URL cut into the parts that spellings differ in. Nothing is decoded, and joining gives the same URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    /// Without `://`.
    pub(super) scheme: &'a str,
    /// With its `@`, or empty.
    pub(super) userinfo: &'a str,
    /// Without the port; an IPv6 address keeps its brackets.
    pub(super) host: &'a str,
    /// Digits, if there are any.
    pub(super) port: Option<&'a str>,
    /// From the first `/`, if there is one.
    pub(super) path: &'a str,
    /// From the `?`, if there is one.
    pub(super) query: &'a str,
}

impl<'a> Parts<'a> {
    /// Cuts `url`; `None` if it has no scheme.
    pub(super) fn of(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (userinfo, host_and_port) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let (host, port) = match host_and_port.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (host, Some(port))
            }
            _ => (host_and_port, None),
        };
        let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
        Some(Self { scheme, userinfo, host, port, path, query })
    }

    pub(super) fn default_port(&self) -> Option<&'static str> {
        if self.scheme.eq_ignore_ascii_case("https") {
            Some("443")
        } else if self.scheme.eq_ignore_ascii_case("http") {
            Some("80")
        } else {
            None
        }
    }

    pub(super) fn join(&self) -> String {
        let Self { scheme, userinfo, host, port, path, query } = self;
        match port {
            Some(port) => format!("{scheme}://{userinfo}{host}:{port}{path}{query}"),
            None => format!("{scheme}://{userinfo}{host}{path}{query}"),
        }
    }
}

/// Every spelling of `url`, each once, the given one first. At most four.
pub(super) fn spellings(url: &str) -> Vec<(Spelling, String)> {
    let mut all = vec![(Spelling::AsGiven, url.to_owned())];
    let Some(parts) = Parts::of(url) else { return all };
    let other_port = match (parts.port, parts.default_port()) {
        (Some(_), _) => Some((Spelling::WithoutPort, Parts { port: None, ..parts })),
        (None, Some(port)) => Some((Spelling::WithDefaultPort, Parts { port: Some(port), ..parts })),
        (None, None) => None,
    };
    if let Some((spelling, parts)) = other_port {
        all.push((spelling, parts.join()));
    }
    let query = encode_query(parts.query);
    if query != parts.query {
        all.push((Spelling::QueryEncoded, Parts { query: &query, ..parts }.join()));
        if let Some((spelling, parts)) = other_port {
            let spelling = match spelling {
                Spelling::WithoutPort => Spelling::WithoutPortQueryEncoded,
                _ => Spelling::WithDefaultPortQueryEncoded,
            };
            all.push((spelling, Parts { query: &query, ..parts }.join()));
        }
    }
    all
}

/// The query as the URL standard writes it: what may not stand there raw is percent-encoded.
fn encode_query(query: &str) -> String {
    let mut encoded = String::with_capacity(query.len());
    for character in query.chars() {
        match character {
            '\'' => encoded.push_str("%27"),
            '"' => encoded.push_str("%22"),
            '<' => encoded.push_str("%3C"),
            '>' => encoded.push_str("%3E"),
            ' ' => encoded.push_str("%20"),
            other if other.is_ascii() => encoded.push(other),
            other => {
                for byte in other.encode_utf8(&mut [0; 4]).bytes() {
                    encoded.push_str(&format!("%{byte:02X}"));
                }
            }
        }
    }
    encoded
}

/// The first value of `name` in the URL's query, percent-decoded.
pub(super) fn query_value(url: &str, name: &str) -> Option<String> {
    let query = Parts::of(url)?.query.strip_prefix('?')?;
    let query = query.split('#').next().unwrap_or(query);
    crate::form::query_value(query, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(url: &str) -> Vec<String> {
        spellings(url).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ports_are_added_and_taken_away() {
        assert_eq!(texts("https://a.b/c"), ["https://a.b/c", "https://a.b:443/c"]);
        assert_eq!(texts("http://a.b"), ["http://a.b", "http://a.b:80"]);
        assert_eq!(texts("https://a.b:8443/c?d"), ["https://a.b:8443/c?d", "https://a.b/c?d"]);
        assert_eq!(texts("HTTP://u:p@A.b/c"), ["HTTP://u:p@A.b/c", "HTTP://u:p@A.b:80/c"]);
    }

    #[test]
    fn an_ipv6_host_is_not_taken_for_a_port() {
        assert_eq!(texts("https://[::1]/c"), ["https://[::1]/c", "https://[::1]:443/c"]);
        assert_eq!(texts("https://[::1]:8443/c"), ["https://[::1]:8443/c", "https://[::1]/c"]);
    }

    #[test]
    fn a_password_with_a_colon_is_not_taken_for_a_port() {
        assert_eq!(texts("https://u:42@h/c"), ["https://u:42@h/c", "https://u:42@h:443/c"]);
    }

    #[test]
    fn quotes_in_the_query_have_two_spellings() {
        let all = texts("https://a.b/it's?n='x'");
        assert_eq!(all.len(), 4);
        assert_eq!(all[2], "https://a.b/it's?n=%27x%27");
        assert_eq!(all[3], "https://a.b:443/it's?n=%27x%27");
    }

    #[test]
    fn what_is_no_url_has_one_spelling() {
        assert_eq!(texts("/webhook"), ["/webhook"]);
        assert_eq!(texts(""), [""]);
    }
}
