//! Commands that need no conversation, recognised as whole messages: "hi" is one, "Hiring" is not.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

/// Words that ask us to be silent, each a whole message. Not "cancel" nor "end": people end orders so.
const STOP: &[&str] = &[
    "stop",
    "stopall",
    "stop all",
    "unsubscribe",
    "optout",
    "opt out",
    "stop messages",
    "stop messaging me",
    "stop sending messages",
    "no more messages",
    "revoke",
    "quit",
    "baja",
    "darme de baja",
    "parar",
    "sair",
    "descadastrar",
    "cancelar suscripcion",
    "cancelar inscricao",
    "desabonner",
    "रोको",
    "बन्द",
    "बंद",
];

/// Words that ask for messages again.
const START: &[&str] = &["start", "unstop", "subscribe", "optin", "opt in", "resume messages"];

/// Words that greet or ask for help. A message of these and fillers alone gets the welcome.
const HELP: &[&str] = &[
    "help",
    "hi",
    "hii",
    "hiii",
    "hello",
    "helo",
    "hey",
    "menu",
    "info",
    "namaste",
    "namaskar",
    "hola",
    "ola",
    "oi",
    "salut",
    "bonjour",
    "ayuda",
    "ajuda",
    "aide",
    "madad",
    "नमस्ते",
    "नमस्कार",
    "मदद",
    "मद्दत",
    "मेनु",
    "सहायता",
];

const FILLERS: &[&str] = &[
    "there",
    "please",
    "pls",
    "plz",
    "me",
    "bot",
    "sir",
    "madam",
    "mam",
    "maam",
    "dear",
    "again",
    "the",
    "show",
    "need",
    "i",
    "want",
    "to",
    "see",
    "ji",
    "dai",
    "bhai",
    "por",
    "favor",
    "good",
    "morning",
    "afternoon",
    "evening",
    "all",
    "everyone",
    "friend",
    "my",
];

/// Whole messages that ask what we are.
const HELP_PHRASES: &[&str] = &[
    "how does this work",
    "how does it work",
    "what can you do",
    "what do you do",
    "who are you",
    "what is this",
    "how to use",
    "how to use this",
    "what are my options",
    "options",
    "commands",
    "good morning",
    "good afternoon",
    "good evening",
    "good day",
    "buenos dias",
    "buenas tardes",
    "bom dia",
    "boa tarde",
];

/// The most words of a greeting.
const GREETING_WORDS_MAX: usize = 5;

/// A command that is answered without looking at the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The welcome.
    Help,
    /// No more messages.
    Stop,
    /// Messages again.
    Start,
}

/// `text` folded for comparison: NFKC, lower case, Latin accents dropped, words of letters and digits
/// separated by single spaces.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let decomposed = text.nfkc().flat_map(char::to_lowercase).nfd();
    let kept = decomposed.filter(|&c| !matches!(c, '\u{300}'..='\u{36f}' | '\'' | '’'));
    // Once more: what was dropped may have stood between two marks, and marks have an order.
    for c in kept.nfd() {
        // Marks of other scripts belong to their words: "नमस्ते" is no word without them.
        let mark = unicode_normalization::char::is_combining_mark(c);
        if c.is_alphanumeric() || (mark && !folded.is_empty()) {
            folded.push(c);
        } else if !folded.is_empty() && !folded.ends_with(' ') {
            folded.push(' ');
        }
    }
    folded.truncate(folded.trim_end().len());
    folded
}

static COMMANDS: LazyLock<HashMap<String, Command>> = LazyLock::new(|| {
    let table = [(STOP, Command::Stop), (START, Command::Start), (HELP_PHRASES, Command::Help)];
    let pairs =
        table.into_iter().flat_map(|(phrases, command)| phrases.iter().map(move |p| (fold(p), command)));
    pairs.collect()
});

static HELP_WORDS: LazyLock<HashSet<String>> = LazyLock::new(|| HELP.iter().map(|word| fold(word)).collect());

/// The command that the whole of `text` is, if it is one.
pub fn command(text: &str) -> Option<Command> {
    // Longer than any command: not worth folding.
    if text.chars().take(81).count() > 80 {
        return None;
    }
    let folded = fold(text);
    let plain = folded.strip_suffix(" please").unwrap_or(&folded);
    COMMANDS.get(plain).copied().or_else(|| is_greeting(&folded, text).then_some(Command::Help))
}

fn is_greeting(folded: &str, text: &str) -> bool {
    if folded.is_empty() {
        return matches!(text.trim(), "?" | "??" | "???" | "👋");
    }
    let words: Vec<&str> = folded.split(' ').collect();
    words.len() <= GREETING_WORDS_MAX
        && words.iter().any(|&word| HELP_WORDS.contains(word))
        && words.iter().all(|&word| HELP_WORDS.contains(word) || FILLERS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_messages_are_commands() {
        for text in
            ["hi", "Hello!", "HELP", " help me please ", "नमस्ते", "¡Hola!", "Hi there 👋", "menu", "?", "Olá"]
        {
            assert_eq!(command(text), Some(Command::Help), "{text}");
        }
        for text in ["STOP", "stop.", "Unsubscribe", "opt-out", "Stop please", "बन्द"] {
            assert_eq!(command(text), Some(Command::Stop), "{text}");
        }
        for text in ["START", "Unstop", "opt in"] {
            assert_eq!(command(text), Some(Command::Start), "{text}");
        }
    }

    /// Defect 10: a substring test took each of these for a cry for help.
    #[test]
    fn defect_10_words_that_only_contain_a_command() {
        let others = [
            "Hiring cashiers, $500 per day, start today",
            "this",
            "anything",
            "what about the nonstop bus",
            "helpful stopwatch",
            "start today",
            "stop the 2 rice",
            "how much is rice",
            "Chili",
            "cancel",
            "yes",
            "1x2",
            "",
        ];
        for text in others {
            assert_eq!(command(text), None, "{text}");
        }
    }

    #[test]
    fn marks_around_what_is_dropped_come_into_order() {
        assert_eq!(fold("\u{5d8}\u{5bc}'\u{a3c}"), "\u{5d8}\u{a3c}\u{5bc}");
    }

    proptest! {
        #[test]
        fn never_panics_and_folding_is_stable(text in "\\PC{0,120}") {
            let _ = command(&text);
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once.clone());
        }
    }
}
