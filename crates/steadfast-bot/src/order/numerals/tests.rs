use super::read::WEAK;
use super::*;
use crate::order::amount::Amount;
use crate::order::parse::lex::lex;
use serde_json::Value;

/// The numeral that is the whole of `text`, units like "dozen" left out.
fn whole(text: &str) -> Option<Amount> {
    let lexed = lex(text);
    let numeral = read(&lexed.tokens, 0, true)?;
    (numeral.len == lexed.tokens.len()).then_some(numeral.amount)
}

fn whole_value(text: &str) -> Option<u64> {
    whole(text)?.as_whole()
}

#[test]
fn the_collected_number_words() {
    let file: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/order_numerals.json")).expect("JSON");
    let mut wrong = Vec::new();
    let mut count = 0;
    for (language, cases) in file["numerals"].as_object().expect("languages") {
        for case in cases.as_array().expect("cases") {
            let expected = case["value"].as_f64().expect("a value");
            for text in case["texts"].as_array().expect("texts") {
                let text = text.as_str().expect("a text");
                // Dozens and pairs are units here; see the parser's tests.
                let unit = lex(text).tokens.iter().any(|token| {
                    matches!(token.key.as_str(), "of" | "de")
                        || matches!(crate::order::units::Unit::parse(&token.key), Some(unit) if unit.size().as_whole() != Some(1))
                            && token.is_word() && token.key.len() > 2
                });
                if unit {
                    continue;
                }
                count += 1;
                let right = match whole(text) {
                    Some(amount) if expected.fract() == 0.0 => amount.as_whole() == Some(expected as u64),
                    Some(amount) => amount.is_fractional(),
                    None => false,
                };
                if !right {
                    wrong.push(format!("{language}: {text} = {expected}, read as {:?}", whole(text)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 350, "only {count} cases");
}

#[test]
fn more_number_words() {
    for (text, value) in [
        ("forty two", 42),
        ("a hundred and one", 101),
        ("nineteen hundred", 1_900),
        ("diez y seis", 16),
        ("ciento veinticinco", 125),
        ("mil doscientos treinta y cuatro", 1_234),
        ("cento e vinte e cinco", 125),
        ("quatre-vingts", 80),
        ("quatre vingt un", 81),
        ("soixante et onze", 71),
        ("deux cent quatre vingt dix sept", 297),
        ("nonante neuf", 99),
        ("einundzwanzig", 21),
        ("ein und zwanzig", 21),
        ("hunderteins", 101),
        ("fuenf", 5),
        ("ventuno", 21),
        ("ventitré", 23),
        ("sessantotto", 68),
        ("duecentoventidue", 222),
        ("millecentouno", 1_101),
        ("eenentwintig", 21),
        ("zesenzeventig", 76),
        ("seratus satu", 101),
        ("dua belas", 12),
        ("seribu lima ratus", 1_500),
        ("một trăm linh năm", 105),
        ("mười lăm", 15),
        ("muoi bon", 14),
        ("kumi na moja", 11),
        ("ishirini na tano", 25),
        ("mia mbili na hamsini", 250),
        ("elfu tatu", 3_000),
        ("خمسة عشر", 15),
        ("مئتان", 200),
        ("مائة وخمسة وعشرون", 125),
        ("दो सौ", 200),
        ("एक हजार पाँच", 1_005),
        ("दुई सय पचास", 250),
        ("एक लाख", 100_000),
        ("একশো পঁচিশ", 125),
        ("দুই হাজার", 2_000),
        ("ek", 1),
        ("dui", 2),
        ("tres mil", 3_000),
        ("12 thousand", 12_000),
        ("5 tausend", 5_000),
    ] {
        assert_eq!(whole_value(text), Some(value), "{text}");
    }
}

#[test]
fn fractions_stay_fractions() {
    for text in [
        "one and a half",
        "half",
        "half a",
        "two point five",
        "punto cinco",
        "1 ponto cinco",
        "1 1/2",
        "dos y media",
        "आधा",
    ] {
        assert!(whole(text).is_some_and(Amount::is_fractional), "{text}: {:?}", whole(text));
    }
}

#[test]
fn ordinary_words_are_no_numbers() {
    for text in
        ["often", "tent", "oneself", "and", "y", "rice", "milan", "unir", "einfach", "undo", "dos y una"]
    {
        assert_eq!(whole_value(text), None, "{text}");
    }
}

#[test]
fn every_number_to_a_thousand_of_the_regular_languages() {
    let units = ["", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let tens = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    for (hundred, hundreds) in units.iter().enumerate() {
        for (ten, tens) in tens.iter().enumerate().skip(2) {
            for (unit, units) in units.iter().enumerate() {
                let value = (hundred * 100 + ten * 10 + unit) as u64;
                let head = if hundred == 0 { String::new() } else { format!("{hundreds} hundred and ") };
                let text = format!("{head}{tens} {units}");
                assert_eq!(whole_value(&text), Some(value), "{text}");
            }
        }
    }
}

#[test]
fn irregular_tables_are_whole_and_free_of_contradictions() {
    for table in india::ALL {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (index, words) in table.below_hundred.iter().enumerate() {
            for word in words.split_whitespace() {
                if let Some(other) = seen.insert(fold(word), index) {
                    assert_eq!(other, index, "{word} is {} and {}", other + 1, index + 1);
                }
            }
        }
        assert!(matches!(table.below_hundred.len(), 99 | 20));
    }
}

#[test]
fn compounds_of_hostile_length_cost_little() {
    for word in ["ein".repeat(20), "tausendtausend".repeat(4), "zehn".repeat(1_000)] {
        assert_eq!(whole_value(&format!("{word}z")), None);
    }
}

#[test]
fn what_several_languages_read_differently_is_weak() {
    let mut readings: HashMap<String, Vec<Atom>> = HashMap::new();
    for language in LANGUAGES.iter() {
        for (word, &atom) in &language.words {
            readings.entry(word.clone()).or_default().push(atom);
        }
    }
    for (word, atoms) in readings {
        let values: Vec<u64> =
            atoms.iter().filter_map(|&atom| grammar::value(&[atom], EMPTY.rules)).collect();
        let agree = values.windows(2).all(|pair| pair[0] == pair[1]);
        assert!(agree || WEAK.contains(&word.as_str()), "{word} means {atoms:?}");
    }
}
