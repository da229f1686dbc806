use super::*;
use proptest::prelude::*;

const SID: &str = "SM00000000000000000000000000000001";
const ACCOUNT: &str = "AC00000000000000000000000000000000";

fn form(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let least = [
        ("MessageSid", SID),
        ("AccountSid", ACCOUNT),
        ("From", "whatsapp:+9779800000000"),
        ("To", "whatsapp:+14155238886"),
    ];
    let all = least.iter().chain(more);
    all.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn content_of(more: &[(&str, &str)]) -> Content {
    read(form(more), 0).expect("readable").content
}

#[test]
fn the_least_is_enough() {
    let message = read(form(&[]), 42).expect("readable");
    assert_eq!(message.body, "");
    assert_eq!(message.content, Content::Other { message_type: String::new() });
    assert_eq!(message.received_ms, 42);
    assert!(message.extra.is_empty());
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for (at, name) in ["MessageSid", "AccountSid", "From", "To"].into_iter().enumerate() {
        let mut fields = form(&[]);
        fields.remove(at);
        assert_eq!(read(fields, 0).expect_err(name).to_string(), format!("{name} is missing"));
    }
    let mut fields = form(&[]);
    fields[0].1 = "SM1".to_owned();
    let error = read(fields, 0).expect_err("short").to_string();
    assert_eq!(error, "MessageSid must be SM or MM and 32 hex digits");
    let mut fields = form(&[]);
    fields[2].1 = "whatsapp:+1\n555".to_owned();
    let error = read(fields, 0).expect_err("control").to_string();
    assert_eq!(error, "From is unusable: the address holds a control character");
}

#[test]
fn the_older_names_of_the_id_do() {
    let mut fields = form(&[("SmsSid", SID), ("SmsMessageSid", SID)]);
    fields.remove(0);
    let message = read(fields, 0).expect("readable");
    assert_eq!(message.sid.as_str(), SID);
    assert!(message.extra.is_empty(), "what repeats the id says nothing new");
}

#[test]
fn a_user_without_a_number_is_read_like_any_other() {
    let mut fields = form(&[
        ("ExternalUserId", "whatsapp:NP.1A2B3C4D5E6F7081"),
        ("ProfileUsername", "ramesh"),
        ("Body", "hi"),
        ("MessageType", "text"),
    ]);
    fields[2].1 = format!("whatsapp:NP.{}", "a1".repeat(60));
    let message = read(fields, 0).expect("readable");
    assert_eq!(message.from.channel(), "whatsapp");
    assert_eq!(message.external_user_id.as_deref(), Some("whatsapp:NP.1A2B3C4D5E6F7081"));
    assert!(message.extra.contains(&("ProfileUsername".to_owned(), "ramesh".to_owned())));
}

#[test]
fn files_are_counted_by_what_is_there_not_by_what_is_claimed() {
    let content = content_of(&[
        ("NumMedia", "7"),
        ("MediaUrl0", "https://api.twilio.com/a"),
        ("MediaContentType0", "Image/JPEG"),
        ("MediaUrl1", "https://api.twilio.com/b"),
    ]);
    let Content::Media { items } = content else { panic!("{content:?}") };
    let types: Vec<&str> = items.iter().map(|item| item.content_type.as_str()).collect();
    assert_eq!(types, ["image/jpeg", "application/octet-stream"]);

    let many: Vec<(String, String)> = (0..20).map(|n| (format!("MediaUrl{n}"), "u".to_owned())).collect();
    let mut fields = form(&[]);
    fields.extend(many);
    let message = read(fields, 0).expect("readable");
    let Content::Media { items } = message.content else { panic!("media") };
    assert_eq!((items.len(), message.extra.len()), (10, 10), "nothing is dropped");

    assert_eq!(
        content_of(&[("NumMedia", "1"), ("MessageType", "sticker")]),
        Content::Other { message_type: "sticker".to_owned() }
    );
}

#[test]
fn a_place_that_is_none_is_kept_as_it_came() {
    for (latitude, longitude) in
        [("NaN", "1"), ("inf", "1"), ("90.1", "0"), ("0", "-180.5"), ("x", "1"), ("1", "")]
    {
        let fields = form(&[("MessageType", "location"), ("Latitude", latitude), ("Longitude", longitude)]);
        let message = read(fields, 0).expect("readable");
        assert_eq!(message.content, Content::Other { message_type: "location".to_owned() });
        assert_eq!(message.extra.iter().filter(|(name, _)| name.ends_with("tude")).count(), 2);
    }
    assert_eq!(
        content_of(&[("Latitude", "-90"), ("Longitude", "180.0")]),
        Content::Location { latitude: -90.0, longitude: 180.0, address: None, label: None }
    );
}

#[test]
fn half_a_button_or_choice_still_is_one() {
    let button =
        |text: &str, payload: &str| Content::Button { text: text.to_owned(), payload: payload.to_owned() };
    assert_eq!(content_of(&[("Body", "Yes"), ("ButtonPayload", "order:1")]), button("Yes", "order:1"));
    assert_eq!(content_of(&[("ButtonText", "Yes")]), button("Yes", "Yes"));
    let choice = Content::ListChoice { id: "sku:1".to_owned(), title: "Rice".to_owned() };
    assert_eq!(content_of(&[("Body", "Rice"), ("ListId", "sku:1")]), choice);
}

#[test]
fn types_of_the_future_are_kept_by_name() {
    for word in ["reaction", "contacts", "poll", "hologram"] {
        let message = read(form(&[("MessageType", word), ("Body", "text beside it")]), 0).expect("readable");
        assert_eq!(message.content, Content::Other { message_type: word.to_owned() });
        assert_eq!(message.body, "text beside it");
    }
    assert_eq!(content_of(&[("Body", "hi")]), Content::Text);
}

#[test]
fn nul_is_gone_from_every_text() {
    let message =
        read(form(&[("Body", "a\0b"), ("ProfileName", "\0"), ("Ne\0w", "x\0y")]), 0).expect("readable");
    assert_eq!(message.body, "ab");
    assert_eq!(message.profile_name, None);
    assert_eq!(message.extra, [("New".to_owned(), "xy".to_owned())]);
}

proptest! {
    #[test]
    fn whatever_comes_survives_json(more in prop::collection::vec((
        prop_oneof![Just("Body"), Just("Latitude"), Just("Longitude"), Just("MediaUrl0"), Just("ListId"), Just("X")],
        ".*",
    ), 0..8)) {
        let more: Vec<(&str, &str)> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let message = read(form(&more), 1).expect("only the four ids can be wrong");
        let json = serde_json::to_vec(&message).expect("serialises");
        prop_assert_eq!(serde_json::from_slice::<InboundMessage>(&json).expect("reads back"), message);
    }

    #[test]
    fn no_fields_make_it_panic(pairs in prop::collection::vec(("[A-Z][a-zA-Z]{0,12}[0-9]?", ".*"), 0..30)) {
        let _ = read(pairs, 0);
    }
}
