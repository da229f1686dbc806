use super::*;
use steadfast_core::Address;
use steadfast_core::message::{AccountSid, MessageSid};

fn message(body: &str, content: Content) -> InboundMessage {
    InboundMessage {
        sid: MessageSid::parse("SM00000000000000000000000000000001").expect("valid"),
        account: AccountSid::parse("AC00000000000000000000000000000000").expect("valid"),
        from: Address::parse("whatsapp:+9779800000000").expect("valid"),
        to: Address::parse("whatsapp:+14155238886").expect("valid"),
        body: body.to_owned(),
        content,
        profile_name: None,
        external_user_id: None,
        received_ms: 0,
        in_reply_to: None,
        extra: Vec::new(),
    }
}

fn route(body: &str) -> Route {
    classify(&message(body, Content::Text))
}

fn media(content_type: &str, caption: &str) -> Route {
    let items =
        vec![Media { url: "https://api.twilio.com/x".to_owned(), content_type: content_type.to_owned() }];
    classify(&message(caption, Content::Media { items }))
}

#[test]
fn texts_go_where_they_belong() {
    for (body, expected) in [
        ("hi", Route::Help),
        ("Menu", Route::Help),
        ("STOP", Route::OptOut),
        ("start", Route::OptIn),
        ("1x2, 3x1", Route::Order),
        ("yes", Route::Order),
        ("cancel", Route::Order),
        ("no", Route::Order),
        ("status", Route::Order),
        ("check credit", Route::Order),
        ("2x margherita, 1 coke to 12 Main St", Route::Order),
        ("2 piñas + 1 कोक & 3% off 👍\nसाँझ ५ बजे", Route::Order),
        ("remove the dal", Route::Order),
        ("what time do you open", Route::Order),
        ("URGENT hiring! Pay $50 training fee", Route::Check),
        ("a\u{0}b", Route::Order),
    ] {
        assert_eq!(route(body), expected, "{body}");
    }
    assert_eq!(route("check"), Route::Answer(Kind::CheckWhat, texts::CHECK_WHAT));
    assert_eq!(route("  \n"), Route::Answer(Kind::Empty, texts::EMPTY));
}

/// Defect 10: "Hiring" got the welcome because it holds "hi", and "union select" was refused as an attack.
#[test]
fn defect_10_ads_are_analysed() {
    assert_eq!(route("Hiring cashiers, $500 per day, start today"), Route::Check);
    assert_eq!(route("Union representative wanted; select candidates will be contacted"), Route::Check);
}

#[test]
fn other_content() {
    let location = Content::Location { latitude: 27.7, longitude: 85.3, address: None, label: None };
    assert_eq!(classify(&message("", location)), Route::Order);
    let button = |text: &str, payload: &str| {
        let content = Content::Button { text: text.to_owned(), payload: payload.to_owned() };
        classify(&message(text, content))
    };
    assert_eq!(button("Yes", "order:confirm:d1:3"), Route::Order);
    assert_eq!(button("Stop", "order:cancel:d1:3"), Route::Order, "our own payload decides, not its caption");
    assert_eq!(button("Stop", "Stop"), Route::OptOut);
    assert_eq!(button("VOICE_CALL_REQUEST", "REJECTED"), Route::Silent);
    let choice = Content::ListChoice { id: "sku:rice-1kg".to_owned(), title: "Rice (1kg)".to_owned() };
    assert_eq!(classify(&message("Rice (1kg)", choice)), Route::Order);
    let other =
        |kind: &str, body: &str| classify(&message(body, Content::Other { message_type: kind.to_owned() }));
    assert_eq!(other("reaction", "👍"), Route::Silent);
    assert_eq!(other("sticker", ""), Route::Answer(Kind::Unknown, texts::UNKNOWN_TYPE));
    assert_eq!(other("contacts", ""), Route::Answer(Kind::Unknown, texts::CONTACT));
    assert_eq!(other("something_new_2027", "2 rice"), Route::Order);
    assert_eq!(other("", ""), Route::Answer(Kind::Empty, texts::EMPTY));
}

#[test]
fn files_are_answered_unless_their_caption_says_what_is_wanted() {
    for pdf in PDF_TYPES {
        assert_eq!(media(pdf, "offer letter.pdf"), Route::Answer(Kind::Media, texts::PDF));
    }
    assert_eq!(media("application/octet-stream", "Offer.PDF"), Route::Answer(Kind::Media, texts::PDF));
    assert_eq!(media("image/jpeg", ""), Route::Answer(Kind::Media, texts::IMAGE));
    assert_eq!(media("image/jpeg", "here it is"), Route::Answer(Kind::Media, texts::IMAGE));
    assert_eq!(media("image/jpeg", "2 rice and 1 oil"), Route::Order);
    assert_eq!(media("image/jpeg", "IMG_2024.jpg"), Route::Answer(Kind::Media, texts::IMAGE));
    assert_eq!(media("image/png", "Hiring cashiers, $500 per day, start today"), Route::Check);
    assert_eq!(media("image/png", "stop"), Route::OptOut);
    assert_eq!(media("audio/ogg; codecs=opus", ""), Route::Answer(Kind::Media, texts::AUDIO));
    assert_eq!(media("video/mp4", ""), Route::Answer(Kind::Media, texts::VIDEO));
    assert_eq!(media("application/zip", "cv.zip"), Route::Answer(Kind::Media, texts::DOCUMENT));
    assert_eq!(
        classify(&message("", Content::Media { items: Vec::new() })),
        Route::Answer(Kind::Media, texts::DOCUMENT)
    );
}

#[test]
fn orders_and_edits_go_to_the_conversation_and_an_ad_with_numbers_in_it_does_not() {
    for text in [
        "2 kg rice and 1 oil",
        "99x5",
        "1x0",
        "ek kg chamal",
        "2 achar",
        "dui kilo chamal",
        "I want rice",
        "remove oil",
        "no oil",
        "change rice to 3",
        "make it 3 rice",
    ] {
        assert_eq!(route(text), Route::Order, "{text}");
    }
    let ad = "We are hiring 5 data entry clerks, salary $500 per week, no experience needed. Contact us on \
              Telegram. Registration fee is 20 dollars. Work from home 2 hours per day. Urgent hiring, apply now!";
    assert_eq!(route(ad), Route::Check);
}
