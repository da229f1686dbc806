//! Takes an URL apart. What it means is not known here.
//!
//! No part of the text is quoted in a problem unless it is certain that it is not part of a password.

use super::hosts::{Address, AddressError, Hosts, Kind, PORT, SENTINEL_PORT};
use super::percent::decode;
use super::problem::{Problem, Problems};
use super::secret::Secret;
use zeroize::Zeroizing;

/// The longest URL that is read.
const URL_MAX: usize = 65_536;

/// What an URL says, taken apart.
pub(crate) struct Parts {
    pub(crate) tls: bool,
    pub(crate) hosts: Hosts,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: Option<u32>,
    pub(crate) master_name: Option<String>,
    pub(crate) options: Vec<(String, Zeroizing<String>)>,
}

/// The kinds of URL there are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Plain,
    Unix,
    Sentinel,
    Cluster,
}

const SCHEMES: &[(&str, Scheme, bool)] = &[
    ("redis", Scheme::Plain, false),
    ("rediss", Scheme::Plain, true),
    ("redis+unix", Scheme::Unix, false),
    ("unix", Scheme::Unix, false),
    ("redis+sentinel", Scheme::Sentinel, false),
    ("redis-sentinel", Scheme::Sentinel, false),
    ("rediss+sentinel", Scheme::Sentinel, true),
    ("rediss-sentinel", Scheme::Sentinel, true),
    ("redis+cluster", Scheme::Cluster, false),
    ("redis-cluster", Scheme::Cluster, false),
    ("rediss+cluster", Scheme::Cluster, true),
    ("rediss-cluster", Scheme::Cluster, true),
];

fn problem(what: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem::new("url", what, fix)
}

/// Takes `text` apart. Problems beside the parts are of single parts, and are all that is wrong.
pub(crate) fn parse(text: &str) -> Result<(Parts, Problems), Problems> {
    let text = text.trim();
    let (scheme, tls, rest) = split_scheme(text)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if rest.contains('@') || authority.matches('@').count() > 1 {
        return Err(problem(
            "there is an `@` that does not end user and password",
            "write the characters @ : / ? # % within a user, password, path or option as %40 %3A %2F %3F %23 %25",
        )
        .into());
    }
    if rest.contains('#') {
        return Err(problem("there is a `#`, which means nothing here", "write it as %23, or drop it").into());
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut problems = Problems::default();
    let (login, places) = authority.split_once('@').unwrap_or(("", authority));
    let (username, password) = keep(split_login(login), &mut problems).unwrap_or_default();
    let options = keep(split_options(query), &mut problems).unwrap_or_default();
    let mut parts = Parts {
        tls,
        hosts: Hosts { kind: Kind::Standalone, addresses: Vec::new() },
        username,
        password,
        database: None,
        master_name: None,
        options,
    };
    match scheme {
        Scheme::Unix => read_socket(&mut parts, places, path, &mut problems),
        _ => read_places(&mut parts, scheme, places, path, &mut problems),
    }
    Ok((parts, problems))
}

/// The value, or none and its problems kept.
fn keep<T>(result: Result<T, Problems>, problems: &mut Problems) -> Option<T> {
    result.map_err(|more| problems.extend(more)).ok()
}

fn split_scheme(text: &str) -> Result<(Scheme, bool, &str), Problems> {
    let known = || {
        let names: Vec<String> = SCHEMES.iter().map(|(name, ..)| format!("{name}://")).collect();
        names.join(" ")
    };
    if text.len() > URL_MAX {
        let what = format!("longer than {URL_MAX} bytes");
        return Err(problem(what, "look at what is given as the URL").into());
    }
    let Some((name, rest)) = text.split_once("://") else {
        return Err(problem("no scheme", "begin it with redis:// or rediss://").allowed(known()).into());
    };
    let lower = name.to_ascii_lowercase();
    match SCHEMES.iter().find(|(known, ..)| *known == lower) {
        Some((_, scheme, tls)) => Ok((*scheme, *tls, rest)),
        None => {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
            let shown = name.len() <= 20 && name.chars().all(plain);
            let what = if shown { format!("unknown scheme `{name}`") } else { "unknown scheme".to_owned() };
            Err(problem(what, "begin it with redis:// or rediss://").allowed(known()).into())
        }
    }
}

/// `user:password`, `:password` or `user`; what is empty is not there.
fn split_login(login: &str) -> Result<(Option<String>, Option<Secret>), Problems> {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let broken = |what: &str| -> Problems {
        problem(
            format!("the {what} is not percent-encoded rightly"),
            "write a % in it as %25, and other characters as the % codes of their UTF-8 bytes",
        )
        .into()
    };
    let user = decode(user).ok_or_else(|| broken("user"))?;
    let password = decode(password).ok_or_else(|| broken("password"))?;
    let user = Some(user.as_str().to_owned()).filter(|user| !user.is_empty());
    let password = Some(Secret::new(password.as_str())).filter(|password| !password.is_empty());
    Ok((user, password))
}

fn split_options(query: &str) -> Result<Vec<(String, Zeroizing<String>)>, Problems> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).map(|name| name.as_str().to_owned());
            name.zip(decode(value)).ok_or_else(|| {
                problem("an option is not percent-encoded rightly", "write a % in an option as %25").into()
            })
        })
        .collect()
}

fn read_socket(parts: &mut Parts, places: &str, path: &str, problems: &mut Problems) {
    if !places.is_empty() {
        problems.push(problem(
            "a Unix socket has no host",
            "write three slashes before its path: redis+unix:///run/redis.sock",
        ));
    }
    match decode(path) {
        Some(path) if path.len() > 1 => parts.hosts.addresses.push(Address::unix(path.as_str())),
        Some(_) => problems.push(problem(
            "no path of a socket",
            "write it after three slashes: redis+unix:///run/redis.sock",
        )),
        None => {
            problems.push(problem("the path is not percent-encoded rightly", "write a % in it as %25"));
        }
    }
}

fn read_places(parts: &mut Parts, scheme: Scheme, places: &str, path: &str, problems: &mut Problems) {
    let port = if scheme == Scheme::Sentinel { SENTINEL_PORT } else { PORT };
    for place in places.split(',') {
        match Address::parse(place, port) {
            Ok(address) => parts.hosts.addresses.push(address),
            Err(error) => problems.push(address_problem("url", error)),
        }
    }
    parts.hosts.kind = match scheme {
        Scheme::Sentinel => Kind::Sentinel,
        Scheme::Cluster => Kind::Cluster,
        _ if parts.hosts.addresses.len() > 1 => Kind::Replicas,
        _ => Kind::Standalone,
    };
    let mut path = path.strip_prefix('/').unwrap_or(path);
    if scheme == Scheme::Sentinel && !path.is_empty() {
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        path = rest;
        match decode(name) {
            Some(name) => parts.master_name = Some(name.as_str().to_owned()).filter(|name| !name.is_empty()),
            None => problems
                .push(problem("the primary's name is not percent-encoded rightly", "write a % in it as %25")),
        }
    }
    if path.is_empty() {
        return;
    }
    match path.parse() {
        Ok(database) => parts.database = Some(database),
        Err(_) => problems.push(
            Problem::new(
                "connection.database",
                "the path of the URL is no number",
                "end the URL in /0 or nothing",
            )
            .value(format!("{:?}", path.chars().take(40).collect::<String>()))
            .allowed("0 to 65535"),
        ),
    }
}

/// Says what is wrong with a place that is no address. In an URL a place may be a password whose `@host` is
/// missing, so the place itself is added by those alone who know better.
pub(crate) fn address_problem(path: &str, error: AddressError) -> Problem {
    match error {
        AddressError::NoHost => Problem::new(
            path,
            "no host",
            "name it: redis://host:6379; with several, one between every two commas",
        ),
        AddressError::Host => Problem::new(
            path,
            "no name of a host",
            "use letters, digits, dots and hyphens (other scripts as punycode), or [IPv6]",
        ),
        AddressError::Port => Problem::new(
            path,
            "no port after the colon of a host",
            "write a number, or neither; if it is a password, `@host` is missing after it",
        )
        .allowed("1 to 65535"),
    }
}
