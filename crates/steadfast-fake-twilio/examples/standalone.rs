//! The pretend Twilio with a little bot behind it: `cargo run -p steadfast-fake-twilio --example standalone`, then open
//! the address it prints. The bot has four answers; it is there so that the page has somebody to talk to.
#![expect(clippy::print_stdout, reason = "it tells where to look")]

use axum::Router;
use axum::extract::{RawForm, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::post;
use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;
use steadfast_clock::SystemClock;
use steadfast_fake_twilio::{FakeTwilio, FakeTwilioConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
struct Bot {
    client: reqwest::Client,
    messages_url: String,
    callback_url: String,
    sender: String,
    user: String,
    token: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3011".to_owned());
    let chat = TcpListener::bind(&address).await?;
    let bot = TcpListener::bind("127.0.0.1:0").await?;
    let bot_url = format!("http://{}", bot.local_addr()?);
    let config =
        FakeTwilioConfig { webhook_url: Some(format!("{bot_url}/hook")), ..FakeTwilioConfig::default() };
    let url = format!("http://{}", chat.local_addr()?);
    let state = Bot {
        client: reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?,
        messages_url: format!("{url}/2010-04-01/Accounts/{}/Messages.json", config.account_sid),
        callback_url: format!("{bot_url}/status?o=1"),
        sender: config.sender.clone(),
        user: config.account_sid.clone(),
        token: config.auth_token.clone(),
    };
    println!("chat with it at {url}");

    let stop = CancellationToken::new();
    let router =
        Router::new().route("/hook", post(hook)).route("/status", post(|| async {})).with_state(state);
    let bot_stop = stop.clone();
    let bot = axum::serve(bot, router).with_graceful_shutdown(async move { bot_stop.cancelled().await });
    let twilio = FakeTwilio::new(config, SystemClock::shared());
    let interrupted = async {
        let result = tokio::signal::ctrl_c().await;
        stop.cancel();
        result
    };
    let ((), bot, interrupted) =
        tokio::join!(twilio.serve(chat, stop.clone()), bot.into_future(), interrupted);
    bot?;
    interrupted?;
    Ok(())
}

async fn hook(State(bot): State<Bot>, RawForm(form): RawForm) -> impl IntoResponse {
    let fields: HashMap<String, String> = url::form_urlencoded::parse(&form).into_owned().collect();
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let text = field("Body");
    let answer = match text.trim().to_lowercase().as_str() {
        "menu" => "*Today we have*\n1. Rice (1kg) _120_\n2. Dal (1kg) _180_\n3. Oil (1L) _200_\n\nWrite what you need.".to_owned(),
        "yes" => "Thank you! Your order *#1042* is placed.".to_owned(),
        "no" => "Nothing was ordered.".to_owned(),
        "" => "Got it.".to_owned(),
        _ => format!("You wrote: {text}\n\nReply *yes* to place the order or *no* to leave it."),
    };
    let message = [
        ("To", field("From")),
        ("From", bot.sender.clone()),
        ("Body", answer),
        ("StatusCallback", bot.callback_url.clone()),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&message).finish();
    let sent = bot
        .client
        .post(&bot.messages_url)
        .basic_auth(&bot.user, Some(&bot.token))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await;
    if let Ok(answer) = sent {
        println!("the reply was answered {}", answer.status());
    } else {
        println!("the reply was not answered");
    }
    ([(header::CONTENT_TYPE, "text/xml")], r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#)
}
