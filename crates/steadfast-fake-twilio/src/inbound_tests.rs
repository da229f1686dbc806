use super::*;
use crate::sid::{Prefix, Random};
use std::collections::BTreeSet;

const FROM: &str = "whatsapp:+9779800000000";
const TO: &str = "whatsapp:+14155238886";
const ACCOUNT: &str = "AC00000000000000000000000000000000";

fn request(json: &str) -> InboundRequest {
    serde_json::from_str(json).expect("valid")
}

fn fields_of(json: &str, from: &str) -> BTreeMap<String, String> {
    let request = request(json);
    let sid = Random::new(1).sid(Prefix::Sm);
    let urls = vec!["https://example.org/m".to_owned(); request.media.len()];
    form(&request, ACCOUNT, from, TO, sid, request.text(), &urls).into_iter().collect()
}

/// The fields that Twilio sends with every WhatsApp message.
const USUAL: [&str; 15] = [
    "SmsMessageSid",
    "NumMedia",
    "ProfileName",
    "MessageType",
    "SmsSid",
    "WaId",
    "SmsStatus",
    "Body",
    "To",
    "NumSegments",
    "ReferralNumMedia",
    "MessageSid",
    "AccountSid",
    "From",
    "ApiVersion",
];

#[test]
fn a_text_has_all_usual_fields() {
    let fields = fields_of(r#"{"from":"x","body":"1x2, 3x1"}"#, FROM);
    let names: BTreeSet<&str> = fields.keys().map(String::as_str).collect();
    assert!(USUAL.iter().all(|name| names.contains(name)));
    assert_eq!(fields["WaId"], "9779800000000");
    assert_eq!(fields["MessageType"], "text");
    assert_eq!(fields["Body"], "1x2, 3x1");
    assert!(fields["MessageSid"].starts_with("SM") && fields["MessageSid"] == fields["SmsSid"]);
}

#[test]
fn a_place_a_button_and_a_list_entry() {
    let place = r#"{"from":"x","location":{"latitude":27.7172453,"longitude":85.3239605,"label":"Shop"}}"#;
    let fields = fields_of(place, FROM);
    assert_eq!((fields["MessageType"].as_str(), fields["Body"].as_str()), ("location", ""));
    assert_eq!((fields["Latitude"].as_str(), fields["Label"].as_str()), ("27.7172453", "Shop"));
    let fields = fields_of(r#"{"from":"x","button":{"text":"Yes","payload":"order:confirm:1:2"}}"#, FROM);
    assert_eq!((fields["MessageType"].as_str(), fields["Body"].as_str()), ("button", "Yes"));
    assert_eq!(fields["ButtonPayload"], "order:confirm:1:2");
    let fields = fields_of(r#"{"from":"x","list":{"id":"sku:1","title":"Rice (1kg)"}}"#, FROM);
    assert_eq!((fields["MessageType"].as_str(), fields["ListId"].as_str()), ("interactive", "sku:1"));
}

#[test]
fn a_user_without_a_number_has_no_wa_id() {
    let fields = fields_of(r#"{"from":"x","body":"hi"}"#, "whatsapp:NP.1A2B3C");
    assert!(!fields.contains_key("WaId"));
    assert_eq!(fields["ExternalUserId"], "whatsapp:NP.1A2B3C");
}

#[test]
fn extra_fields_are_added_and_win() {
    let fields =
        fields_of(r#"{"from":"x","body":"hi","extra":{"SomeNewField2027":"x","NumSegments":"3"}}"#, FROM);
    assert_eq!((fields["SomeNewField2027"].as_str(), fields["NumSegments"].as_str()), ("x", "3"));
}

#[test]
fn a_misspelt_field_is_refused() {
    assert!(serde_json::from_str::<InboundRequest>(r#"{"from":"x","boddy":"hi"}"#).is_err());
}
