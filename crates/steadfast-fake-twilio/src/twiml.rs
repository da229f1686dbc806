//! What a webhook's answer makes Twilio send. Our own gateway answers an empty `<Response/>`; a bot that answers
//! `OK` as plain text finds out here that its customers read "OK".

/// The messages that an answer of this type and text sends to the customer; an error code of Twilio's when the
/// answer cannot be used.
pub fn replies(content_type: &str, answer: &str) -> Result<Vec<String>, u32> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/xml" | "application/xml" | "text/html" => Ok(messages(answer)),
        "text/plain" => {
            let text = answer.trim();
            Ok(if text.is_empty() { Vec::new() } else { vec![text.to_owned()] })
        }
        "" if answer.trim().is_empty() => Ok(Vec::new()),
        _ => Err(12300),
    }
}

/// The texts of all `<Message>` elements, a `<Body>` inside or not. Good for well-formed TwiML; what is not
/// yields nothing.
fn messages(xml: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = xml;
    while let Some(start) = rest.find("<Message") {
        rest = &rest[start + "<Message".len()..];
        let Some(open_end) = rest.find('>') else { break };
        let empty = rest[..open_end].ends_with('/');
        rest = &rest[open_end + 1..];
        if empty {
            continue;
        }
        let Some(close) = rest.find("</Message>") else { break };
        let inner = &rest[..close];
        let text = match inner.split_once("<Body>") {
            Some((_, body)) => body.split_once("</Body>").map_or("", |(text, _)| text),
            None => inner,
        };
        if !text.trim().is_empty() {
            found.push(unescape(text.trim()));
        }
        rest = &rest[close..];
    }
    found
}

fn unescape(text: &str) -> String {
    // The ampersand last: `&amp;lt;` is the text `&lt;`.
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_response_sends_nothing() {
        let answer = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;
        assert_eq!(replies("text/xml", answer), Ok(Vec::new()));
    }

    #[test]
    fn twiml_and_plain_text_reach_the_customer() {
        let twiml = "<Response><Message>1 &lt; 2</Message><Message to=\"x\"><Body>&amp;lt;</Body></Message></Response>";
        assert_eq!(
            replies("text/xml; charset=utf-8", twiml),
            Ok(vec!["1 < 2".to_owned(), "&lt;".to_owned()])
        );
        assert_eq!(replies("text/plain", "OK"), Ok(vec!["OK".to_owned()]));
    }

    #[test]
    fn json_is_no_answer() {
        assert_eq!(replies("application/json", "{}"), Err(12300));
    }

    proptest! {
        #[test]
        fn any_answer_is_read(answer in "(<Message>|</Message>|<Body>|</Body>|<Message/>|[ -~é]){0,12}") {
            let _ = replies("text/xml", &answer);
        }
    }
}
