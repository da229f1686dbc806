//! Does a text look like a job ad? Scored cues over whole words, in several languages.

use super::words::fold;
use std::collections::HashMap;
use std::sync::LazyLock;

/// From this score on, a text with a strong cue is taken for a job ad,
const SCORE_MIN: u32 = 4;
/// and one without from this score on.
const SCORE_MIN_WITHOUT_STRONG: u32 = 6;
/// No ad is shorter, in characters.
pub const AD_CHARS_MIN: usize = 10;
/// More of a text is not looked at for routing, in characters.
const LOOK_CHARS_MAX: usize = 4_000;

/// Words that hardly stand anywhere else (3 points).
const STRONG: &[&str] = &[
    "hiring",
    "vacancy",
    "vacancies",
    "salary",
    "recruiter",
    "recruitment",
    "recruiting",
    "job",
    "jobs",
    "resume",
    "applicants",
    "internship",
    "employment",
    "mystery shopper",
    "data entry",
    "nurse",
    "delivery rider",
    "delivery boy",
    "work from home",
    "job opening",
    "now hiring",
    "we are hiring",
    "home based",
    "part time",
    "full time",
    "curriculum",
    "vaga",
    "vagas",
    "emprego",
    "contratando",
    "empleo",
    "vacante",
    "vacantes",
    "salario",
    "sueldo",
    "estamos contratando",
    "se busca",
    "contrata",
    "trabajo",
    "trabalho",
    "trabalhe",
    "trabaja",
    "home office",
    "emploi",
    "recrute",
    "recrutement",
    "salaire",
    "stage",
    "naukri",
    "bharti",
    "jagir",
    "rojgar",
    "नौकरी",
    "भर्ती",
    "वेतन",
    "जागिर",
    "तलब",
    "रोजगारी",
    "रोजगार",
    "कर्मचारी",
];

/// Words that ads share with other texts (2 points).
const MEDIUM: &[&str] = &[
    "position",
    "candidates",
    "candidate",
    "interview",
    "apply",
    "employer",
    "experience",
    "cv",
    "wanted",
    "qualification",
    "qualifications",
    "degree",
    "licence required",
    "license required",
    "earn",
    "earnings",
    "income",
    "shift",
    "per hour",
    "per day",
    "per week",
    "per month",
    "a month",
    "a week",
    "a year",
    "an hour",
    "a day",
    "monthly",
    "weekly pay",
    "daily payment",
    "401k",
    "engineer",
    "rider",
    "developer",
    "manager",
    "cashier",
    "cashiers",
    "driver",
    "drivers",
    "representative",
    "assistant",
    "accountant",
    "remote work",
    "training fee",
    "processing fee",
    "activation fee",
    "registration fee",
    "background check",
    "gift cards",
    "gift card",
    "money transfer",
    "guaranteed income",
    "ghar baithe",
    "ghar baithe kamaye",
    "kamaye",
    "kamao",
    "kamai",
    "por dia",
    "por mes",
    "por semana",
    "al dia",
    "al mes",
    "a la semana",
    "ao mes",
    "ganhe",
    "gana",
    "ingresos",
    "renda extra",
    "entrevista",
    "experiencia",
    "candidatos",
    "घर बैठे",
    "कमाएं",
    "कमाउनुहोस्",
    "अनुभव",
    "अन्तर्वार्ता",
];

/// Words that add a little (1 point).
const WEAK: &[&str] = &[
    "pay",
    "paid",
    "fee",
    "deposit",
    "company",
    "team",
    "join",
    "office",
    "work",
    "worker",
    "workers",
    "years",
    "benefits",
    "requirements",
    "responsibilities",
    "skills",
    "opportunity",
    "immediate",
    "urgent",
    "contact",
    "hours",
    "staff",
    "agency",
    "selected",
    "shortlisted",
    "whatsapp",
    "telegram",
    "certified",
    "uniform",
    "barista",
    "waiter",
    "cook",
    "clerk",
    "guard",
    "teacher",
    "seguro",
    "empresa",
    "kaam",
    "काम",
    "कम्पनी",
    "insurance",
    "health insurance",
];

/// Words of people who order or complain (3 points off): managers and drivers occur there too.
const AGAINST: &[&str] = &[
    "order",
    "orders",
    "my order",
    "refund",
    "delivery",
    "delivered",
    "deliver",
    "cart",
    "invoice",
    "bill",
    "complaint",
    "pedido",
    "entrega",
    "अर्डर",
    "ऑर्डर",
];

/// Words that open an explicit request for a check, as the beginning of a message.
const ASKS: &[&str] = &[
    "check",
    "verify",
    "analyze",
    "analyse",
    "reality check",
    "scan",
    "is this real",
    "is this job real",
    "is this legit",
    "is this a scam",
    "is it a scam",
    "real or fake",
    "es real",
    "es estafa",
    "e golpe",
];

/// Words after "check" that ask about an order or an account, not about an ad.
const NOT_ADS: &[&str] =
    &["order", "orders", "credit", "status", "balance", "price", "prices", "stock", "out", "in"];

static CUES: LazyLock<HashMap<String, i32>> = LazyLock::new(|| {
    let table = [(STRONG, STRONG_POINTS), (MEDIUM, 2), (WEAK, 1), (AGAINST, -3)];
    table.into_iter().flat_map(|(cues, points)| cues.iter().map(move |cue| (fold(cue), points))).collect()
});

const STRONG_POINTS: i32 = 3;
/// The most words of a cue.
const CUE_WORDS_MAX: usize = 3;

/// How much `text` looks like a job ad: the points of the distinct cues in it, at least 0.
pub fn score(text: &str) -> u32 {
    weigh(text).0
}

/// The score, and whether there is a strong cue.
fn weigh(text: &str) -> (u32, bool) {
    let look: String = text.chars().take(LOOK_CHARS_MAX).collect();
    let folded = fold(&look);
    let words: Vec<&str> = folded.split(' ').collect();
    let mut found: HashMap<String, i32> = HashMap::new();
    for length in 1..=CUE_WORDS_MAX {
        for phrase in words.windows(length).map(|run| run.join(" ")) {
            if let Some(&points) = CUES.get(&phrase) {
                found.insert(phrase, points);
            }
        }
    }
    let money =
        look.contains(['$', '€', '£', '₹']) || words.iter().any(|&word| matches!(word, "rs" | "usd" | "inr"));
    let points = found.values().sum::<i32>() + i32::from(money);
    (u32::try_from(points).unwrap_or(0), found.values().any(|&points| points == STRONG_POINTS))
}

/// Whether `text` is a job ad by its cues.
fn is_ad(text: &str) -> bool {
    let (score, strong) = weigh(text);
    text.chars().count() >= AD_CHARS_MIN && score >= if strong { SCORE_MIN } else { SCORE_MIN_WITHOUT_STRONG }
}

/// What a message wants of the reality check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Nothing.
    No,
    /// It asks for a check and brings nothing to check.
    ForWhat,
    /// It is, or brings, a text to check.
    Check,
}

/// What `text` wants.
pub fn ask(text: &str) -> Ask {
    let subject = subject(text);
    let asked = subject.len() < text.trim().len();
    if asked {
        let folded = fold(subject);
        let first = folded.split(' ').find(|&word| word != "my").unwrap_or_default();
        return match () {
            () if NOT_ADS.contains(&first) => Ask::No,
            () if subject.chars().count() < AD_CHARS_MIN => Ask::ForWhat,
            () => Ask::Check,
        };
    }
    if is_ad(text) { Ask::Check } else { Ask::No }
}

/// The part of `text` that is to be checked: without a leading "check:" or its like.
pub fn subject(text: &str) -> &str {
    let text = text.trim();
    ASKS.iter().filter_map(|ask| after(text, ask)).min_by_key(|rest| rest.len()).unwrap_or(text)
}

/// What follows `phrase` at the start of `text`, if it stands there as whole words. Other words of the
/// request ("this job ad") go too.
fn after<'a>(text: &'a str, phrase: &str) -> Option<&'a str> {
    let head = text.get(..phrase.len())?;
    let rest = &text[phrase.len()..];
    if !head.eq_ignore_ascii_case(phrase)
        || rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '\'')
    {
        return None;
    }
    let mut rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation());
    for word in ["this", "the", "job", "ad", "advert", "offer", "text", "message", "please", "for me"] {
        let next = rest.get(..word.len()).filter(|head| head.eq_ignore_ascii_case(word));
        let whole = next.is_some() && !rest[word.len()..].starts_with(char::is_alphanumeric);
        if whole {
            rest = rest[word.len()..].trim_start_matches(|c: char| c.is_whitespace() || ":?!,.-".contains(c));
        }
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ads_are_recognised_in_several_languages() {
        let ads = [
            "Hiring cashiers, $500 per day, start today",
            "Union representative wanted; select candidates will be contacted",
            "Job available. Good pay. Contact me. job@email.com",
            "Mystery shopper: buy $500 gift cards, test a money transfer service, keep $100",
            "URGENT hiring! Pay $50 training fee",
            "$200-500 per day clicking ads and sharing links; pay $49 activation fee; WhatsApp only",
            "CONGRATULATIONS, selected for $10,000 a month data entry; send $500 processing fee by wire",
            "Barista, full time. Pay $60 uniform deposit by gift card first.",
            "Registered Nurse, hospital ICU, day shift; RN licence, BLS and ACLS required; $65,000-85,000",
            "Se busca cajero, sueldo $500 por día, envía tu depósito",
            "Vaga de emprego: trabalhe em casa, ganhe R$ 300 por dia",
            "घर बैठे नौकरी, वेतन 50000, आज ही संपर्क करें",
            "Ghar baithe job, daily payment, registration fee 500",
        ];
        for ad in ads {
            assert_eq!(ask(ad), Ask::Check, "{ad} scores {}", score(ad));
        }
    }

    #[test]
    fn orders_and_chat_are_not_ads() {
        let others = [
            "1x2, 3x1",
            "2 packet oil",
            "I want 5 wraps please",
            "2x margherita, 1 coke to 12 Main St",
            "yes",
            "cancel",
            "where is my order?",
            "dos margaritas y una coca cola",
            "check credit",
            "check my order",
            "check out",
            "deliver to the office please",
            "thanks, good work",
            "can I pay by card",
            "3 kg rice and contact me before delivery",
            "The delivery driver was rude, I want to talk to the manager",
            "I want to apply for a refund, my order experience was bad, call the manager",
            "do you have a part time discount",
        ];
        for text in others {
            assert_eq!(ask(text), Ask::No, "{text} scores {}", score(text));
        }
    }

    #[test]
    fn asking_for_a_check() {
        assert_eq!(ask("check"), Ask::ForWhat);
        assert_eq!(ask("Check this job please"), Ask::ForWhat);
        assert_eq!(ask("check: Cashier at Acme, apply at the shop"), Ask::Check);
        assert_eq!(subject("Check this job: Cashier at Acme"), "Cashier at Acme");
        assert_eq!(subject("checkers wanted"), "checkers wanted");
        assert_eq!(subject("Is this a scam? Earn $900"), "Earn $900");
    }

    proptest! {
        #[test]
        fn never_panics_and_the_subject_is_part_of_the_text(text in "\\PC{0,200}") {
            let _ = ask(&text);
            prop_assert!(text.contains(subject(&text)));
        }
    }
}
