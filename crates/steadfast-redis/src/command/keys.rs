//! The keys among a command's arguments.

use super::table::{Keys, Spec};
use super::{arg, has_word};
use redis::{Arg, Cmd};

/// The keys of `cmd`, in order. Empty if it has none, or if its arguments are too few: the server will say so.
pub(crate) fn keys<'a>(spec: &Spec, cmd: &'a Cmd) -> Vec<&'a [u8]> {
    let simple = |from: usize| {
        cmd.args_iter().skip(from).map(|arg| match arg {
            Arg::Simple(bytes) => bytes,
            _ => &[],
        })
    };
    match spec.keys {
        Keys::None => Vec::new(),
        Keys::At(at) => arg(cmd, at).into_iter().collect(),
        Keys::Two => simple(1).take(2).collect(),
        Keys::From(at) => simple(at).collect(),
        Keys::AllButLast => {
            let count = cmd.args_iter().len().saturating_sub(2);
            simple(1).take(count).collect()
        }
        Keys::Pairs => simple(1).step_by(2).collect(),
        Keys::Counted(at) => simple(at + 1).take(count(cmd, at)).collect(),
        Keys::StoreCounted => simple(1).take(1).chain(simple(3).take(count(cmd, 2))).collect(),
        Keys::Streams => streams(cmd),
    }
}

fn count(cmd: &Cmd, at: usize) -> usize {
    arg(cmd, at)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// `… STREAMS key key id id`.
fn streams(cmd: &Cmd) -> Vec<&[u8]> {
    if !has_word(cmd, 1, &["STREAMS"]) {
        return Vec::new();
    }
    let after = |arg: &Arg<&[u8]>| !matches!(arg, Arg::Simple(word) if word.eq_ignore_ascii_case(b"STREAMS"));
    let rest: Vec<&[u8]> = cmd
        .args_iter()
        .skip_while(after)
        .skip(1)
        .map(|arg| match arg {
            Arg::Simple(bytes) => bytes,
            _ => &[],
        })
        .collect();
    let half = rest.len() / 2;
    rest.into_iter().take(half).collect()
}

#[cfg(test)]
mod tests {
    use super::super::spec;
    use super::*;

    fn of(line: &str) -> Vec<String> {
        let mut words = line.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            cmd.arg(word);
        });
        keys(spec(super::super::name(&cmd)), &cmd)
            .into_iter()
            .map(|key| String::from_utf8_lossy(key).into_owned())
            .collect()
    }

    #[test]
    fn keys_are_found_where_each_command_has_them() {
        assert_eq!(of("GET a"), ["a"]);
        assert_eq!(of("PING"), [""; 0]);
        assert_eq!(of("MGET a b c"), ["a", "b", "c"]);
        assert_eq!(of("MSET a 1 b 2"), ["a", "b"]);
        assert_eq!(of("BLPOP a b 5"), ["a", "b"]);
        assert_eq!(of("EVAL code 2 a b c"), ["a", "b"]);
        assert_eq!(of("EVALSHA sha 0 x"), [""; 0]);
        assert_eq!(of("ZUNIONSTORE d 2 a b WEIGHTS 1 2"), ["d", "a", "b"]);
        assert_eq!(of("XREADGROUP GROUP g c COUNT 5 STREAMS a b > >"), ["a", "b"]);
        assert_eq!(of("XREAD streams a 0"), ["a"]);
        assert_eq!(of("BITOP AND d a b"), ["d", "a", "b"]);
        assert_eq!(of("OBJECT ENCODING a"), ["a"]);
        assert_eq!(of("JSON.GET a $"), ["a"]);
        assert_eq!(of("BLMPOP 1 2 a b LEFT"), ["a", "b"]);
        assert_eq!(of("GET"), [""; 0], "too few arguments");
        assert_eq!(of("EVAL code x a"), [""; 0], "no number");
    }
}
