//! From replies and commands to bytes.

use super::{Protocol, Reply};

/// A command as an array of bulk strings.
pub fn command_bytes<I>(args: I) -> Vec<u8>
where
    I: IntoIterator<Item: AsRef<[u8]>, IntoIter: ExactSizeIterator>,
{
    let args = args.into_iter();
    let mut out = Vec::new();
    header(&mut out, b'*', args.len());
    for arg in args {
        bulk(&mut out, arg.as_ref());
    }
    out
}

/// Appends `reply` to `out` as a server of this protocol sends it.
pub fn encode_reply(reply: &Reply, protocol: Protocol, out: &mut Vec<u8>) {
    let resp3 = protocol == Protocol::Resp3;
    match reply {
        Reply::Simple(text) => line(out, b'+', text),
        Reply::Error(text) => line(out, b'-', text),
        Reply::Integer(number) => line(out, b':', &number.to_string()),
        Reply::Bulk(bytes) => bulk(out, bytes),
        Reply::Null => out.extend_from_slice(if resp3 { b"_\r\n" } else { b"$-1\r\n" }),
        Reply::NullArray => out.extend_from_slice(if resp3 { b"_\r\n" } else { b"*-1\r\n" }),
        Reply::Array(items) => array(out, b'*', items, protocol),
        Reply::Set(items) => array(out, if resp3 { b'~' } else { b'*' }, items, protocol),
        Reply::Push(items) => array(out, if resp3 { b'>' } else { b'*' }, items, protocol),
        Reply::Map(pairs) => map(out, pairs, protocol),
        Reply::Double(number) if resp3 => line(out, b',', &double(*number)),
        Reply::Double(number) => bulk(out, double(*number).as_bytes()),
        Reply::Boolean(held) if resp3 => line(out, b'#', if *held { "t" } else { "f" }),
        Reply::Boolean(held) => line(out, b':', if *held { "1" } else { "0" }),
        Reply::Verbatim(kind, bytes) if resp3 => {
            header(out, b'=', kind.len() + 1 + bytes.len());
            out.extend_from_slice(kind.as_bytes());
            out.push(b':');
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
        Reply::Verbatim(_, bytes) => bulk(out, bytes),
    }
}

/// The shortest decimal that reads back as the same number, as Redis from 7.2 on writes it.
pub(crate) fn double(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    number.to_string()
}

fn array(out: &mut Vec<u8>, kind: u8, items: &[Reply], protocol: Protocol) {
    header(out, kind, items.len());
    for item in items {
        encode_reply(item, protocol, out);
    }
}

fn map(out: &mut Vec<u8>, pairs: &[(Reply, Reply)], protocol: Protocol) {
    match protocol {
        Protocol::Resp3 => header(out, b'%', pairs.len()),
        Protocol::Resp2 => header(out, b'*', pairs.len() * 2),
    }
    for (key, value) in pairs {
        encode_reply(key, protocol, out);
        encode_reply(value, protocol, out);
    }
}

fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    header(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn header(out: &mut Vec<u8>, kind: u8, length: usize) {
    line(out, kind, &length.to_string());
}

fn line(out: &mut Vec<u8>, kind: u8, text: &str) {
    out.push(kind);
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}
