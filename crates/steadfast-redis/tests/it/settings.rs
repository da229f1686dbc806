//! SETTINGS.md is what the settings' table says.

use std::fmt::Write as _;
use steadfast_redis::config::{Apply, Setting, Unit, settings};

const HEAD: &str = "# Settings of steadfast-redis

Written from the crate's own table (`steadfast_redis::config::settings`) by the test `settings_md_is_up_to_date`; do not edit.

A setting's name is its field in `Config`, its key in a file (`[pool]` `lanes_max = 4`) and its option in a URL
(`redis://host?pool.lanes_max=4`). Times are milliseconds, or texts such as `250ms`, `5s`, `2m`; sizes are bytes, or `64KiB`, `1GiB`.
Of several environment variables the first that is set wins. What the environment says of the servers (`REDIS_URL` and others) is
told in `Config::overlay_env`.

A change (`Client::reload`) acts *live*, from the next use on; by *login*, anew on open connections; by *reconnect*, connections
being replaced one by one; or only with another client (*restart*).
";

fn row(setting: &Setting) -> String {
    let unit = match setting.unit {
        Unit::Ms => " ms",
        Unit::Bytes => " bytes",
        Unit::Percent => " %",
        _ => "",
    };
    let range = setting.range.map_or_else(|| "-".to_owned(), |(min, max)| format!("{min} to {max}{unit}"));
    let apply = match setting.apply {
        Apply::Live => "live",
        Apply::Reauthenticate => "login",
        Apply::Reconnect => "reconnect",
        _ => "restart",
    };
    let env: Vec<String> = setting.env().map(|name| format!("`{name}`")).collect();
    let also = setting.also.iter().map(|name| format!("`{name}`"));
    let seconds = setting.also_seconds.iter().map(|name| format!("`{name}` (seconds)"));
    let also: Vec<String> = also.chain(seconds).collect();
    let name = setting.path;
    let (default, env, also) = (setting.default_shown(), env.join(", "), also.join(", "));
    let also = if also.is_empty() { "-".to_owned() } else { also };
    format!("| `{name}` |{} | `{default}` | {range} | {apply} | {env} | {also} |", setting.doc)
}

fn text() -> String {
    let (mut text, mut section) = (HEAD.to_owned(), "");
    for setting in settings() {
        let of = setting.path.split('.').next().unwrap_or_default();
        if of != section {
            section = of;
            let columns =
                "| setting | what it is | default | range | a change acts | environment | also read as |";
            let _ = write!(text, "\n## {section}\n\n{columns}\n|---|---|---|---|---|---|---|\n");
        }
        text.push_str(&row(setting));
        text.push('\n');
    }
    text
}

#[test]
fn settings_md_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/SETTINGS.md");
    if std::env::var_os("STEADFAST_WRITE_DOCS").is_some() {
        std::fs::write(path, text()).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == text(), "SETTINGS.md is old; run this test once with STEADFAST_WRITE_DOCS=1");
}
