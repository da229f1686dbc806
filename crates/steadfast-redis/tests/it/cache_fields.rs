//! Sets and hashes of the cache, with a real server that goes away and comes back.

use crate::cache::{back, open, quick, url};
use std::collections::BTreeMap;
use std::time::Duration;
use steadfast_redis::Client;
use steadfast_redis::cache::{Cache, Found, Source, Written};
use steadfast_testkit::lab::proxy::{Proxy, Shape};
use steadfast_testkit::redis::Server;

fn texts(found: &Found<BTreeMap<bytes::Bytes, bytes::Bytes>>) -> Vec<(&str, &str)> {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    found.value.iter().map(|(field, value)| (text(field), text(value))).collect()
}

async fn behind(proxy: &Proxy, more: &str) -> Cache {
    let client = Client::open(&url(&proxy.addr().to_string(), more)).unwrap();
    Cache::open(&client, quick()).await.unwrap()
}

#[tokio::test]
async fn fields_changed_on_both_sides_of_an_outage_come_together_and_adding_wins() {
    let server = Server::start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let (here, there) = (behind(&proxy, "").await, open(&server, "").await.1);
    assert_eq!(here.put_field("cart", "apple", "1").await.unwrap(), Written::Stored);
    assert_eq!(there.put_field("cart", "pear", "2").await.unwrap(), Written::Stored);
    let read = here.fields("cart").await.unwrap();
    assert_eq!((texts(&read), read.stale), (vec![("apple", "1"), ("pear", "2")], false));
    assert_eq!(read.source, Source::Redis);
    proxy.shape_all(Shape::black_hole());
    assert_eq!(here.remove_field("cart", "pear").await.unwrap(), Written::Fallback);
    assert_eq!(here.put_field("cart", "plum", "3").await.unwrap(), Written::Fallback);
    let read = here.fields("cart").await.unwrap();
    assert_eq!((texts(&read), read.stale), (vec![("apple", "1"), ("plum", "3")], true));
    assert_eq!(read.source, Source::Fallback);
    // What is changed here was not seen there.
    there.put_field("cart", "pear", "4").await.unwrap();
    there.remove_field("cart", "apple").await.unwrap();
    proxy.shape_all(Shape::pass());
    proxy.reset_existing();
    back(&here).await;
    for cache in [&here, &there] {
        let read = cache.fields("cart").await.unwrap();
        assert_eq!((texts(&read), read.stale), (vec![("pear", "4"), ("plum", "3")], false));
    }
    there.remove_field("cart", "plum").await.unwrap();
    here.remove_field("cart", "pear").await.unwrap();
    assert!(there.fields("cart").await.unwrap().value.is_empty());
}

#[tokio::test]
async fn lost_replies_bring_no_removed_field_back() {
    let server = Server::start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let cache = behind(&proxy, "breaker.enabled=false").await;
    // Until some of the replies that are lost were those of changes.
    let mut round = 0;
    while cache.report().await.unwrap().sync.answered() < 5 {
        assert!(round < 400, "{:?}", cache.report().await);
        round += 1;
        cache.put_field("s", "kept", "before").await.unwrap();
        let lose = async {
            tokio::time::sleep(Duration::from_micros(fastrand::u64(..2_000))).await;
            // The request passes, the reply does not.
            proxy.shape_existing(Shape::lose_reply());
        };
        let change = async {
            cache.put_field("s", "gone", format!("{round}")).await.unwrap();
            cache.remove_field("s", "gone").await.unwrap();
            cache.put_field("s", "kept", format!("{round}")).await.unwrap();
        };
        tokio::join!(lose, change);
        back(&cache).await;
        let read = open(&server, "").await.1.fields("s").await.unwrap();
        assert_eq!(texts(&read), [("kept", format!("{round}").as_str())]);
    }
    assert_eq!(cache.report().await.unwrap().sync.conflicted, 0);
}

#[tokio::test]
async fn what_is_no_set_of_the_caches_is_refused() {
    let server = Server::start().await.unwrap();
    let (_client, cache) = open(&server, "").await;
    server.expect(&["SET", "t:f:{text}", "x"]).await.unwrap();
    server.expect(&["HSET", "t:f:{hash}", "field", "x"]).await.unwrap();
    assert!(cache.fields("text").await.is_err() && cache.put_field("text", "f", "x").await.is_err());
    assert_eq!(cache.fields("hash").await.unwrap_err().code(), "CONFLICT");
    assert_eq!(cache.put_field("hash", "f", "x").await.unwrap_err().code(), "CONFLICT");
    assert_eq!(cache.report().await.unwrap().waiting, 0);
}
