//! TwiML, as Twilio's side of the conversation reads it.

use crate::input::lossy;
use steadfast_fake_twilio::twiml::replies;

/// The input is an answer of any kind; and texts, one a line, that are escaped, sent as TwiML and read back.
pub fn twiml(data: &[u8]) {
    let text = lossy(data);
    for kind in ["text/xml", "text/plain; charset=utf-8", "", "application/json"] {
        if let Ok(read) = replies(kind, text) {
            let bytes: usize = read.iter().map(String::len).sum();
            assert!(bytes <= text.len(), "reading makes nothing longer");
        }
    }
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    for (open, close) in [("<Message>", "</Message>"), ("<Message to='1'><Body>", "</Body></Message>")] {
        let messages: String = lines.iter().map(|line| format!("{open}{}{close}", escape(line))).collect();
        let answer = format!("<?xml version=\"1.0\"?><Response>{messages}</Response>");
        assert_eq!(
            replies("text/xml", &answer).as_deref(),
            Ok(&*owned(&lines)),
            "what was escaped reads back"
        );
    }
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
