//! What was popped for somebody who is gone. Pure: which command puts it back where it was.

use crate::command::arg;
use redis::{Cmd, Value};

/// The command that puts back what `cmd` took out, given its `answer`; none if it took nothing out, or nothing that is
/// not kept elsewhere (`BLMOVE` has it in its destination, `XREADGROUP` in the list of pending entries).
pub(super) fn put_back(cmd: &Cmd, answer: &Value) -> Option<Cmd> {
    let name = crate::command::name(cmd).to_ascii_uppercase();
    let parts = items(answer)?;
    let key = bytes(parts.first()?)?;
    match name.as_slice() {
        b"BLPOP" => Some(redis::cmd("LPUSH").arg(key).arg(bytes(parts.get(1)?)?).to_owned()),
        b"BRPOP" => Some(redis::cmd("RPUSH").arg(key).arg(bytes(parts.get(1)?)?).to_owned()),
        b"BLMPOP" => {
            let elements: Option<Vec<&[u8]>> = items(parts.get(1)?)?.iter().map(bytes).collect();
            // The last one popped goes back first, so that the first is outermost again.
            let elements: Vec<&[u8]> = elements?.into_iter().rev().collect();
            let side = if crate::command::has_word(cmd, 3, &["LEFT"]) { "LPUSH" } else { "RPUSH" };
            (!elements.is_empty()).then(|| redis::cmd(side).arg(key).arg(elements).to_owned())
        }
        b"BZPOPMIN" | b"BZPOPMAX" => {
            let (member, score) = (bytes(parts.get(1)?)?, score(parts.get(2)?)?);
            // A score that somebody gave it meanwhile is newer.
            Some(redis::cmd("ZADD").arg(key).arg("NX").arg(score).arg(member).to_owned())
        }
        b"BZMPOP" => {
            let mut zadd = redis::cmd("ZADD").arg(key).arg("NX").to_owned();
            let pairs = items(parts.get(1)?)?;
            for pair in pairs {
                let pair = items(pair)?;
                zadd.arg(score(pair.get(1)?)?).arg(bytes(pair.first()?)?);
            }
            (!pairs.is_empty()).then_some(zadd)
        }
        _ => None,
    }
}

/// How long the server waits for `cmd` at most, in seconds; none if it says so itself nowhere. Zero is for ever.
pub(super) fn server_wait_s(cmd: &Cmd) -> Option<f64> {
    let name = crate::command::name(cmd).to_ascii_uppercase();
    let count = cmd.args_iter().len();
    let number = |at: usize| std::str::from_utf8(arg(cmd, at)?).ok()?.parse::<f64>().ok();
    match name.as_slice() {
        b"BLPOP" | b"BRPOP" | b"BZPOPMIN" | b"BZPOPMAX" | b"BLMOVE" | b"BRPOPLPUSH" => {
            number(count.checked_sub(1)?)
        }
        b"BLMPOP" | b"BZMPOP" => number(1),
        b"WAIT" => number(2).map(|ms| ms / 1000.0),
        b"WAITAOF" => number(3).map(|ms| ms / 1000.0),
        b"XREAD" | b"XREADGROUP" => {
            let at = (1..count)
                .find(|at| arg(cmd, *at).is_some_and(|word| word.eq_ignore_ascii_case(b"BLOCK")))?;
            number(at + 1).map(|ms| ms / 1000.0)
        }
        _ => None,
    }
}

fn items(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

/// A score as it came: text in protocol 2, a number in protocol 3. Written so that it is read as the same number.
fn score(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Double(score) if score.is_infinite() => {
            Some(if *score > 0.0 { b"+inf".to_vec() } else { b"-inf".to_vec() })
        }
        Value::Double(score) => Some(format!("{score:?}").into_bytes()),
        other => bytes(other).map(<[u8]>::to_vec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Cmd {
        let mut words = line.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            cmd.arg(word);
        });
        cmd
    }

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn line(cmd: Option<Cmd>) -> Option<String> {
        let cmd = cmd?;
        let words =
            (0..cmd.args_iter().len()).map(|at| String::from_utf8_lossy(arg(&cmd, at).unwrap()).into_owned());
        Some(words.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_was_popped_goes_back_to_its_place() {
        let of = |cmd: &str, answer: Vec<Value>| line(put_back(&command(cmd), &Value::Array(answer)));
        assert_eq!(of("BLPOP a b 5", vec![bulk("b"), bulk("x")]).as_deref(), Some("LPUSH b x"));
        assert_eq!(of("brpop a 5", vec![bulk("a"), bulk("x")]).as_deref(), Some("RPUSH a x"));
        let many = Value::Array(vec![bulk("1"), bulk("2")]);
        assert_eq!(
            of("BLMPOP 1 1 a LEFT COUNT 2", vec![bulk("a"), many.clone()]).as_deref(),
            Some("LPUSH a 2 1")
        );
        assert_eq!(of("BLMPOP 1 1 a RIGHT COUNT 2", vec![bulk("a"), many]).as_deref(), Some("RPUSH a 2 1"));
        assert_eq!(
            of("BZPOPMIN z 5", vec![bulk("z"), bulk("m"), Value::Double(1.5)]).as_deref(),
            Some("ZADD z NX 1.5 m")
        );
        assert_eq!(
            of("BZPOPMAX z 5", vec![bulk("z"), bulk("m"), bulk("inf")]).as_deref(),
            Some("ZADD z NX inf m")
        );
        let pairs = Value::Array(vec![Value::Array(vec![bulk("m"), Value::Double(f64::NEG_INFINITY)])]);
        assert_eq!(of("BZMPOP 1 1 z MIN", vec![bulk("z"), pairs]).as_deref(), Some("ZADD z NX -inf m"));
        assert_eq!(of("BLMOVE a b LEFT RIGHT 5", vec![bulk("x")]), None);
        assert_eq!(line(put_back(&command("BLPOP a 5"), &Value::Nil)), None);
    }

    #[test]
    fn the_servers_own_wait_is_read() {
        assert_eq!(server_wait_s(&command("BLPOP a b 0.5")), Some(0.5));
        assert_eq!(server_wait_s(&command("BLMPOP 3 1 a LEFT")), Some(3.0));
        assert_eq!(server_wait_s(&command("XREAD COUNT 1 block 1500 STREAMS s 0")), Some(1.5));
        assert_eq!(server_wait_s(&command("XREAD STREAMS s 0")), None);
        assert_eq!(server_wait_s(&command("GET a")), None);
    }
}
