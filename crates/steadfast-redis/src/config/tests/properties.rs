//! For any configuration: its URL says the same; for any secret: nothing shows it; for any text: no panic.

use crate::config::raw::Raw;
use crate::config::{Address, Config, Hosts, Secret, diff, settings};
use proptest::prelude::*;

fn host() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-z0-9][a-z0-9._-]{0,20}", 1 => Just("::1".to_owned()), 1 => Just("fe80::1:2".to_owned())]
}

fn address() -> impl Strategy<Value = Address> {
    (host(), 1_u16..).prop_map(|(host, port)| Address::tcp(host, port))
}

fn hosts() -> impl Strategy<Value = Hosts> {
    let several = || prop::collection::vec(address(), 1..4);
    prop_oneof![
        address().prop_map(Hosts::standalone),
        (address(), several()).prop_map(|(primary, replicas)| Hosts::replicas(primary, replicas)),
        several().prop_map(Hosts::sentinels),
        several().prop_map(Hosts::cluster),
        "/[^\0]{1,20}".prop_map(|path| Hosts::standalone(Address::unix(path))),
    ]
}

/// A word that each kind of setting takes some of.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        any::<u32>().prop_map(|number| number.to_string()),
        prop::sample::select(vec!["true", "2", "3", "replica", "nearest", "refuse", "interval"])
            .prop_map(str::to_owned),
    ]
}

fn any_config() -> impl Strategy<Value = Config> {
    let count = settings().count();
    (hosts(), prop::collection::vec((0..count, word()), 0..8)).prop_map(|(hosts, words)| {
        let mut config = Config { hosts, ..Config::default() };
        for (index, word) in words {
            if let Some(setting) = settings().nth(index) {
                // What a setting does not take leaves it as it was.
                let _ = (setting.get_mut)(&mut config).read(&Raw::text(&word), setting.unit);
            }
        }
        // The text of an option cannot tell "none" from "".
        if config.connection.client_name.is_empty() {
            "x".clone_into(&mut config.connection.client_name);
        }
        config
    })
}

/// Long enough not to stand in a message by chance.
fn password() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9@:/?#%&=+,. -]{12,40}", "\\PC{12,30}"]
}

fn encoded(text: &str) -> String {
    let mut out = String::new();
    crate::config::percent::encode(text, "", &mut out);
    out
}

proptest! {
    #[test]
    fn an_url_says_all_that_the_configuration_does(config in any_config()) {
        let url = config.url_with_secrets();
        let again = Config::from_url(url.expose());
        prop_assert!(again.is_ok(), "{:?} from {}", again, url.expose());
        prop_assert!(diff(&config, &again.unwrap()).is_empty(), "{}", url.expose());
    }

    #[test]
    fn no_secret_is_shown(config in any_config(), secret in password(), other in password()) {
        let mut config = config;
        config.login.password = Some(Secret::new(secret.as_str()));
        config.sentinel.password = Some(Secret::new(other.as_str()));
        let mut shown = vec![format!("{config:?}"), config.to_string(), config.url()];
        let changed = diff(&config, &Config::default());
        shown.extend([format!("{changed:?}"), changed.to_string()]);
        match config.validate() {
            Ok(checked) => shown.push(format!("{checked:?} {:?}", checked.login_with())),
            Err(problems) => shown.extend([format!("{problems:?}"), problems.to_string()]),
        }
        for text in &shown {
            for secret in [&secret, &other] {
                prop_assert!(!text.contains(secret.as_str()) && !text.contains(&encoded(secret)), "{text}");
            }
        }
    }

    /// Not even when the URL is wrong, or the secret was not encoded.
    #[test]
    fn no_broken_url_shows_its_secret(secret in password(), encode in any::<bool>(), rest in 0..8_usize) {
        let written = if encode { encoded(&secret) } else { secret.clone() };
        let tail = ["h", "h:x", "h/x", "", "h?pol=1", "h:0/x?db=y", "h,,", "h#x"][rest];
        for url in [
            format!("redis://u:{written}@{tail}"),
            format!("redis://:{written}@{tail}"),
            format!("redis+sentinel://u:{written}@{tail}"),
            format!("u:{written}@{tail}"),
            format!("redis+unix://:{written}@{tail}"),
        ] {
            let shown = match Config::from_url(&url) {
                Err(problems) => format!("{problems} {problems:?}"),
                Ok(config) => match config.validate() {
                    Ok(checked) => format!("{} {checked:?}", checked.url()),
                    Err(problems) => format!("{problems} {problems:?}"),
                },
            };
            // No piece of it either, split where URLs split.
            for piece in secret.split(['@', ':', '/', '?', '#', ',', '&', '=', ' ']).filter(|piece| piece.len() > 7) {
                prop_assert!(!shown.contains(piece), "{piece} in {shown}");
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), tail in "\\PC*") {
        let _ = Config::from_url(&text);
        let _ = Config::from_url(&format!("redis://{tail}"));
        let _ = Config::from_url(&format!("redis://h?{tail}"));
        let _ = Config::from_url(&format!("redis+sentinel://{tail}")).map(|config| config.validate());
        let _ = Config::from_env(|_| Some(tail.clone()));
        let _ = serde_json::from_str::<Config>(&text);
    }
}
