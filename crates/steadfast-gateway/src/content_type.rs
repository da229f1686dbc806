//! What kind of body a request claims to have.

use crate::answer::Refusal;
use http::{HeaderMap, header};

/// The kinds that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyKind {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`, signed by its hash.
    Json,
}

/// The body's kind by its headers. Parameters such as `charset` are passed over: both kinds are UTF-8
/// here, and what is not fails its decoding.
pub(crate) fn kind_of(headers: &HeaderMap) -> Result<BodyKind, Refusal> {
    if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(Refusal::ContentEncoding);
    }
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(BodyKind::Form)
    } else if media_type.eq_ignore_ascii_case("application/json") {
        Ok(BodyKind::Json)
    } else {
        Err(Refusal::ContentType)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(list: &[(&'static str, &'static str)]) -> Result<BodyKind, &'static str> {
        let headers = list.iter().map(|&(name, value)| {
            (header::HeaderName::from_static(name), header::HeaderValue::from_static(value))
        });
        kind_of(&headers.collect()).map_err(|refusal| refusal.reason())
    }

    #[test]
    fn parameters_and_case_do_not_matter() {
        assert_eq!(
            kind(&[("content-type", "Application/X-WWW-Form-Urlencoded; charset=\"UTF-8\"")]),
            Ok(BodyKind::Form)
        );
        assert_eq!(kind(&[("content-type", "application/json;charset=utf-8")]), Ok(BodyKind::Json));
        assert_eq!(
            kind(&[("content-type", "application/json"), ("content-encoding", "identity")]),
            Ok(BodyKind::Json)
        );
    }

    #[test]
    fn anything_else_is_refused() {
        assert_eq!(kind(&[]), Err("content_type"));
        assert_eq!(kind(&[("content-type", "multipart/form-data; boundary=x")]), Err("content_type"));
        let gzip = [("content-type", "application/json"), ("content-encoding", "gzip")];
        assert_eq!(kind(&gzip), Err("content_encoding"));
    }
}
