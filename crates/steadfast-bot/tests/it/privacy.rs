//! Defect 16: what people write and who they are stands in no log, error or debug form.

use crate::support::{Act, Bench, OURS, PERSON};
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use steadfast_bot::reply::twilio::TwilioConfig;
use steadfast_core::ports::RefusalClass;
use tracing_subscriber::fmt::MakeWriter;
use url::Url;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn defect_16_no_text_and_no_number_in_any_log() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_writer(log.clone()).with_max_level(tracing::Level::TRACE).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let bench = Bench::unlimited();
    let refuse = |class| Act::Refuse(class, Some(400), None);
    bench.twilio.will([
        Act::AcceptAndLose,
        refuse(RefusalClass::Config),
        refuse(RefusalClass::PauseSender { for_ms: 1_000 }),
        refuse(RefusalClass::Permanent),
    ]);
    for (number, body) in
        [(1, "hi"), (2, "xyzzy marzipan hiring, salary $900 per day"), (3, "2 xyzzy marzipan"), (4, "STOP")]
    {
        bench.hears(number, body).await;
    }
    let log = String::from_utf8(log.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).expect("UTF-8");
    assert!(log.contains("in doubt"), "the log was not captured:\n{log}");
    for secret in ["xyzzy", "marzipan", "9779812345678", "14155238886", PERSON, OURS, "Asha", "Job Analysis"]
    {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[test]
fn defect_16_the_clients_settings_show_no_secret() {
    let url = Url::parse("https://api.twilio.com").expect("valid");
    let config = TwilioConfig::new(url, crate::support::account(), "s3cr3t-token");
    assert!(!format!("{config:?}").contains("s3cr3t"));
}
