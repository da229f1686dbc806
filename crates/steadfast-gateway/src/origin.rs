//! Where a request came from, and under which URL it was sent.

use crate::config::GatewayConfig;
use crate::signature::{SETTINGS_HEADER, SIGNATURE_HEADER};
use http::{HeaderMap, Uri, header};
use std::net::IpAddr;

/// What the head of a request says about its sender.
pub(crate) struct Origin<'a> {
    /// The sender: the peer, or who stands behind the proxies that we believe.
    pub(crate) client: IpAddr,
    /// The URLs under which Twilio may have called us.
    pub(crate) urls: Vec<String>,
    /// The `Host` header.
    pub(crate) host: Option<&'a str>,
    /// The `X-Forwarded-Host` header, believed or not.
    pub(crate) forwarded_host: Option<&'a str>,
    /// All signature headers.
    pub(crate) signature: Vec<&'a str>,
    /// All settings headers.
    pub(crate) settings: Vec<&'a str>,
}

/// Reads the head of a request from `peer`.
pub(crate) fn read<'a>(
    config: &GatewayConfig,
    uri: &Uri,
    headers: &'a HeaderMap,
    peer: IpAddr,
) -> Origin<'a> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST.as_str());
    let forwarded_host = text("x-forwarded-host");
    let believed = is_proxy(config, peer);
    let target = target_of(uri);
    let urls = match &config.public_base_url {
        Some(public) => public.candidates(target, host),
        None => {
            let scheme = text("x-forwarded-proto").filter(|_| believed).map_or("http", first_of_list);
            let host = forwarded_host.filter(|_| believed).map(first_of_list).or(host).unwrap_or("localhost");
            vec![format!("{scheme}://{host}{target}")]
        }
    };
    Origin {
        client: client(config, headers, peer),
        urls,
        host,
        forwarded_host,
        signature: all(headers, SIGNATURE_HEADER),
        settings: all(headers, SETTINGS_HEADER),
    }
}

/// The sender: the peer, or who stands behind the proxies that we believe.
pub(crate) fn client(config: &GatewayConfig, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
    if is_proxy(config, peer) { behind_proxies(config, headers).unwrap_or(peer) } else { peer }
}

/// Path and query as received.
pub(crate) fn target_of(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |target| target.as_str())
}

fn is_proxy(config: &GatewayConfig, address: IpAddr) -> bool {
    config.trusted_proxies.iter().any(|network| network.contains(address))
}

/// The last address of `X-Forwarded-For` that is no proxy of ours: what stands before it, its sender may
/// have made up.
fn behind_proxies(config: &GatewayConfig, headers: &HeaderMap) -> Option<IpAddr> {
    let lines: Vec<&str> = all(headers, "x-forwarded-for");
    let listed = lines.iter().rev().flat_map(|line| line.rsplit(','));
    let mut last = None;
    for text in listed {
        let Ok(address) = text.trim().parse::<IpAddr>() else {
            break;
        };
        last = Some(address);
        if !is_proxy(config, address) {
            break;
        }
    }
    last
}

fn first_of_list(list: &str) -> &str {
    list.split(',').next().unwrap_or(list).trim()
}

/// Every value of `name`. One that is not text stands as an empty one, so that it is not overlooked.
fn all<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in list {
            map.append(*name, value.parse().expect("a value"));
        }
        map
    }

    fn config(public: Option<&str>) -> GatewayConfig {
        GatewayConfig {
            public_base_url: public.map(|text| text.parse().expect("a URL")),
            trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")],
            ..GatewayConfig::default()
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    const FORWARDED: [(&str, &str); 4] = [
        ("host", "inner:3010"),
        ("x-forwarded-host", "bot.example.com"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "198.51.100.7, 203.0.113.9, 10.0.0.2"),
    ];

    #[test]
    fn forwarded_headers_count_only_from_a_known_proxy() {
        let (config, uri) = (config(None), Uri::from_static("/webhook/twilio?a='1'"));
        let headers = headers(&FORWARDED);
        let believed = read(&config, &uri, &headers, ip("10.0.0.1"));
        assert_eq!(believed.urls, ["https://bot.example.com/webhook/twilio?a='1'"]);
        assert_eq!(believed.client, ip("203.0.113.9"), "what stands before it may be made up");
        let not = read(&config, &uri, &headers, ip("203.0.113.66"));
        assert_eq!(not.urls, ["http://inner:3010/webhook/twilio?a='1'"]);
        assert_eq!(not.client, ip("203.0.113.66"));
    }

    #[test]
    fn a_configured_url_is_not_changed_by_any_header() {
        let headers = headers(&FORWARDED);
        let origin =
            read(&config(Some("https://public.example")), &Uri::from_static("/a"), &headers, ip("10.0.0.1"));
        assert_eq!(origin.urls, ["https://public.example/a"]);
    }

    #[test]
    fn an_unreadable_forwarded_for_names_nobody() {
        let headers = headers(&[("x-forwarded-for", "unknown, 10.0.0.3"), ("x-twilio-signature", "a")]);
        let origin = read(&config(None), &Uri::from_static("/a"), &headers, ip("10.0.0.1"));
        assert_eq!(origin.client, ip("10.0.0.3"));
        assert_eq!(origin.signature, ["a"]);
    }

    #[test]
    fn an_absolute_target_is_read_by_its_path() {
        let uri = Uri::from_static("http://elsewhere/webhook?x");
        assert_eq!(target_of(&uri), "/webhook?x");
    }
}
