use super::*;
use proptest::prelude::*;

fn all(bytes: &[u8]) -> Vec<Reply> {
    let mut decoder = Decoder::new(1 << 20);
    let mut buffer = BytesMut::from(bytes);
    std::iter::from_fn(|| decoder.decode(&mut buffer).unwrap()).collect()
}

fn one(bytes: &[u8]) -> Reply {
    let mut replies = all(bytes);
    assert_eq!(replies.len(), 1, "{}", String::from_utf8_lossy(bytes));
    replies.remove(0)
}

#[test]
fn every_kind_of_value() {
    assert_eq!(one(b"+OK\r\n"), Reply::Value(Value::Okay));
    assert_eq!(one(b"+PONG\r\n"), Reply::Value(Value::SimpleString("PONG".to_owned())));
    assert_eq!(one(b":-7\r\n"), Reply::Value(Value::Int(-7)));
    assert_eq!(one(b"$3\r\na\r\n\r\n"), Reply::Value(Value::BulkString(b"a\r\n".to_vec())));
    assert_eq!(one(b"$0\r\n\r\n"), Reply::Value(Value::BulkString(Vec::new())));
    for nil in [&b"$-1\r\n"[..], b"*-1\r\n", b"_\r\n"] {
        assert_eq!(one(nil), Reply::Value(Value::Nil));
    }
    assert_eq!(one(b"#t\r\n"), Reply::Value(Value::Boolean(true)));
    assert_eq!(one(b",-inf\r\n"), Reply::Value(Value::Double(f64::NEG_INFINITY)));
    assert_eq!(one(b"*0\r\n"), Reply::Value(Value::Array(Vec::new())));
    assert_eq!(one(b"-ERR no\r\n"), Reply::Error("ERR no".to_owned()));
    assert_eq!(one(b"!6\r\nERR no\r\n"), Reply::Error("ERR no".to_owned()));
    let verbatim = Value::VerbatimString { format: VerbatimFormat::Text, text: "hi".to_owned() };
    assert_eq!(one(b"=6\r\ntxt:hi\r\n"), Reply::Value(verbatim));
    let map = Value::Map(vec![(Value::Int(1), Value::Array(vec![Value::Nil])), (Value::Int(2), Value::Okay)]);
    assert_eq!(one(b"%2\r\n:1\r\n*1\r\n_\r\n:2\r\n+OK\r\n"), Reply::Value(map));
    assert_eq!(one(b"~1\r\n:1\r\n"), Reply::Value(Value::Set(vec![Value::Int(1)])));
    assert!(matches!(one(b"(123456789012345678901234567890\r\n"), Reply::Value(Value::BigNumber(_))));
    let push = vec![Value::BulkString(b"message".to_vec()), Value::Int(1)];
    assert_eq!(one(b">2\r\n$7\r\nmessage\r\n:1\r\n"), Reply::Push(push));
}

#[test]
fn attributes_are_passed_over() {
    assert_eq!(one(b"|1\r\n+ttl\r\n:5\r\n:7\r\n"), Reply::Value(Value::Int(7)));
    let inner = Reply::Value(Value::Array(vec![Value::Int(1), Value::Int(2)]));
    assert_eq!(one(b"*2\r\n|1\r\n+a\r\n*1\r\n:9\r\n:1\r\n:2\r\n"), inner);
    assert_eq!(one(b"|0\r\n:7\r\n"), Reply::Value(Value::Int(7)));
}

#[test]
fn an_error_in_an_array_stays_in_its_place() {
    let Reply::Value(Value::Array(items)) = one(b"*2\r\n-WRONGTYPE no\r\n:1\r\n") else { panic!("no array") };
    let Value::ServerError(error) = &items[0] else { panic!("{items:?}") };
    assert_eq!(error.code(), "WRONGTYPE");
    assert_eq!(items[1], Value::Int(1));
}

/// A reply beyond the bound costs its caller the reply, and nobody the connection.
#[test]
fn what_is_too_large_is_read_and_dropped() {
    let mut decoder = Decoder::new(200);
    let mut buffer = BytesMut::new();
    buffer.extend_from_slice(b"*3\r\n:1\r\n$1000\r\n");
    assert_eq!(decoder.decode(&mut buffer), Ok(None));
    for _ in 0..10 {
        buffer.extend_from_slice(&[b'x'; 100]);
        assert_eq!(decoder.decode(&mut buffer), Ok(None));
        assert!(buffer.is_empty(), "it is not kept");
    }
    buffer.extend_from_slice(b"\r\n*2\r\n:1\r\n$2\r\nab\r\n+OK\r\n");
    assert!(matches!(decoder.decode(&mut buffer), Ok(Some(Reply::Oversized { bytes: 1000.. }))));
    assert_eq!(decoder.decode(&mut buffer), Ok(Some(Reply::Value(Value::Okay))), "the next one is whole");

    let many = [b"*1000\r\n".to_vec(), b":1\r\n".repeat(1000), b"+OK\r\n".to_vec()].concat();
    let mut buffer = BytesMut::from(&many[..]);
    assert!(matches!(decoder.decode(&mut buffer), Ok(Some(Reply::Oversized { .. }))), "many small ones too");
    assert_eq!(decoder.decode(&mut buffer), Ok(Some(Reply::Value(Value::Okay))));
}

#[test]
fn a_length_alone_allocates_nothing() {
    let mut decoder = Decoder::new(1 << 20);
    let mut buffer = BytesMut::from(&b"*4000000000\r\n:1\r\n"[..]);
    assert_eq!(decoder.decode(&mut buffer), Ok(None));
    assert!(decoder.open[0].items.capacity() <= 256);
}

#[test]
fn what_is_no_reply_is_named() {
    let wrong = |bytes: &[u8]| Decoder::new(1000).decode(&mut BytesMut::from(bytes)).unwrap_err();
    assert_eq!(
        wrong(b"HTTP/1.1 400 Bad Request\r\n"),
        ProtocolError::NotAReply("HTTP/1.1 400 Bad Request".to_owned())
    );
    assert_eq!(wrong(b"\r\n"), ProtocolError::NotAReply(String::new()));
    assert_eq!(wrong(b"$x\r\n"), ProtocolError::Number("x".to_owned()));
    assert_eq!(wrong(b"$-2\r\n"), ProtocolError::Number("-2".to_owned()));
    assert_eq!(wrong(b"*-5\r\n"), ProtocolError::Number("-5".to_owned()));
    assert_eq!(wrong(b"$99999999999999\r\n"), ProtocolError::Number("99999999999999".to_owned()));
    assert_eq!(wrong(b"$1\r\nabc"), ProtocolError::Tail);
    assert_eq!(wrong(&b"*1\r\n".repeat(100)), ProtocolError::Depth);
    assert_eq!(wrong(&[&b"+"[..], &[b'x'; 70_000]].concat()), ProtocolError::Line);
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|n| format!(":{n}\r\n").into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|b| [
            format!("${}\r\n", b.len()).into_bytes(),
            b,
            b"\r\n".to_vec()
        ]
        .concat()),
        Just(b"$-1\r\n".to_vec()),
        "[a-zA-Z ]{0,12}".prop_map(|s| format!("+{s}\r\n").into_bytes()),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        proptest::collection::vec(inner, 0..6)
            .prop_map(|items| [format!("*{}\r\n", items.len()).into_bytes(), items.concat()].concat())
    })
}

proptest! {
    /// The same replies, however the bytes are cut, and the same as the redis crate's own parser finds.
    #[test]
    fn cuts_change_nothing(values in proptest::collection::vec(any_value(), 1..6), cuts in proptest::collection::vec(1usize..20, 1..200)) {
        let bytes = values.concat();
        let whole = all(&bytes);
        let theirs: Vec<Reply> =
            values.iter().map(|value| Reply::Value(redis::parse_redis_value(value).unwrap())).collect();
        prop_assert_eq!(&whole, &theirs);
        let (mut decoder, mut buffer, mut rest, mut seen) = (Decoder::new(1 << 20), BytesMut::new(), &bytes[..], Vec::new());
        for cut in cuts.iter().cycle() {
            let now = (*cut).min(rest.len());
            buffer.extend_from_slice(&rest[..now]);
            rest = &rest[now..];
            while let Some(reply) = decoder.decode(&mut buffer).unwrap() {
                seen.push(reply);
            }
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&whole, &seen);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), limit in 0u64..400) {
        let (mut decoder, mut buffer) = (Decoder::new(limit), BytesMut::from(&bytes[..]));
        while let Ok(Some(_)) = decoder.decode(&mut buffer) {}
    }
}
