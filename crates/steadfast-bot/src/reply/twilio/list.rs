//! Reading back what went out: the evidence for a send whose answer was lost.

use super::{Read, TwilioClient, describe, read, unreachable};
use crate::reply::classify::classify_refusal;
use crate::reply::dates;
use serde::Deserialize;
use steadfast_core::message::MessageSid;
use steadfast_core::outbox::NewReply;
use steadfast_core::ports::{ListedMessage, Refusal, RefusalClass};
use url::Url;

/// Messages per page. A page of the longest texts stays within [`PAGE_BYTES_MAX`].
const PAGE_SIZE: &str = "100";
/// The longest page read, in bytes.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The most pages read; a longer list counts as unreadable, for what is not seen proves nothing.
const PAGES_MAX: usize = 20;
/// How much earlier than our first try a message may be dated and still be ours, in milliseconds: a day.
/// Our clock may run ahead of Twilio's or have been set back since the try, and a message left out here
/// would be sent a second time. What earlier replies of ours are in the list is known by their ids.
const SKEW_MS: i64 = 86_400_000;

#[derive(Deserialize)]
struct Page {
    messages: Vec<Entry>,
    #[serde(default)]
    next_page_uri: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    sid: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    date_created: Option<String>,
    #[serde(default)]
    direction: Option<String>,
}

impl TwilioClient {
    /// All outbound messages from the reply's sender to its recipient created since `since_ms`. Either the
    /// whole list or an error: an absence counts as evidence.
    pub(super) async fn list(&self, reply: &NewReply, since_ms: i64) -> Result<Vec<ListedMessage>, Refusal> {
        let since_ms = since_ms.saturating_sub(SKEW_MS);
        // A message that Twilio has accepted and not sent yet has no date of sending and may be missing from
        // a list filtered by it: so the newest page without that filter is read as well.
        let mut found = self.pages(self.query(reply, Some(since_ms)), since_ms, PAGES_MAX).await?;
        let newest = self.pages(self.query(reply, None), since_ms, 1).await?;
        found.extend(newest);
        found.sort_by(|a, b| a.sid.cmp(&b.sid));
        found.dedup_by(|a, b| a.sid == b.sid);
        Ok(found)
    }

    fn query(&self, reply: &NewReply, since_ms: Option<i64>) -> Url {
        let mut url = self.messages.clone();
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("To", reply.to.as_str());
        pairs.append_pair("From", reply.from.as_str());
        if let Some(since_ms) = since_ms {
            // The parameter's name ends in ">": with the "=" it reads "on this day or after".
            pairs.append_pair("DateSent>", &dates::day(since_ms));
        }
        pairs.append_pair("PageSize", PAGE_SIZE);
        drop(pairs);
        url
    }

    async fn pages(&self, first: Url, since_ms: i64, read_max: usize) -> Result<Vec<ListedMessage>, Refusal> {
        let mut found = Vec::new();
        let mut next = Some(first);
        let mut pages = 0;
        while let Some(url) = next.take() {
            if pages == read_max {
                // Meant to end here when only the newest page was asked for.
                return if read_max == 1 { Ok(found) } else { Err(unreadable("it has too many pages")) };
            }
            pages += 1;
            let page = self.page(url).await?;
            found.extend(page.messages.into_iter().filter_map(|entry| listed(entry, since_ms)));
            next = match page.next_page_uri.filter(|uri| !uri.is_empty()) {
                None => None,
                Some(uri) => Some(self.next(&uri)?),
            };
        }
        Ok(found)
    }

    /// The next page's URL: on the same host, whatever the answer says.
    fn next(&self, uri: &str) -> Result<Url, Refusal> {
        let url = self.messages.join(uri).map_err(|_| unreadable("its next page has no usable address"))?;
        let same = url.origin() == self.messages.origin();
        if same { Ok(url) } else { Err(unreadable("its next page lies on another host")) }
    }

    async fn page(&self, url: Url) -> Result<Page, Refusal> {
        let request = self.http.get(url).basic_auth(&self.config.user, Some(&self.config.secret));
        let response = request.send().await.map_err(|error| match error.is_connect() {
            true => unreachable(&error),
            false => unreadable(describe(&error)),
        })?;
        let read: Read = read(response, PAGE_BYTES_MAX).await;
        if read.http_status != 200 {
            return Err(classify_refusal(read.answer(self.clock.now_ms())));
        }
        let body = read.body.as_deref().ok_or_else(|| unreadable("its page is too long or broke off"))?;
        serde_json::from_slice(body).map_err(|_| unreadable("its page is not the JSON it should be"))
    }
}

fn listed(entry: Entry, since_ms: i64) -> Option<ListedMessage> {
    if entry.direction.as_deref() == Some("inbound") {
        return None;
    }
    // Without a date it may be the one.
    let created_ms = entry.date_created.as_deref().and_then(dates::parse);
    if created_ms.is_some_and(|created_ms| created_ms < since_ms) {
        return None;
    }
    let sid = MessageSid::parse(entry.sid).ok()?;
    Some(ListedMessage { sid, body: entry.body.unwrap_or_default() })
}

fn unreadable(why: &str) -> Refusal {
    let message = format!("Twilio's message list could not be read: {why}");
    Refusal { http_status: None, code: None, class: RefusalClass::Retry, retry_after_ms: None, message }
}
