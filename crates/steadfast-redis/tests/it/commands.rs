//! The table of commands against what a real server says of them.

use crate::pair;
use steadfast_redis::command::{Access, Facts};
use steadfast_redis::{Value, cmd};

fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).to_uppercase(),
        Value::SimpleString(text) => text.to_uppercase(),
        other => panic!("{other:?}"),
    }
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) | Value::Set(items) => items.iter().map(text).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_table_agrees_with_the_server() {
    let (_server, client) = pair().await;
    let commands: Vec<Value> = client.query(&cmd("COMMAND")).await.unwrap();
    assert!(commands.len() > 200);
    let mut wrong = Vec::new();
    for command in &commands {
        let Value::Array(facts) = command else { panic!("{command:?}") };
        let (name, flags) = (text(&facts[0]), list(&facts[2]));
        let has = |flag: &str| flags.iter().any(|one| one == flag);
        let ours = Facts::of(&cmd(&name));
        let access = match ours.access {
            _ if ours.name == "?" => "unknown",
            Access::Write => "write",
            Access::Read => "read",
            Access::Script | Access::Admin => "other",
        };
        // Containers have no flags of their own: their subcommands do, and read.
        let container = ["MEMORY", "OBJECT", "XINFO", "XGROUP"].contains(&name.as_str());
        let theirs = if has("WRITE") || name == "SPUBLISH" {
            "write"
        } else if has("READONLY") {
            "read"
        } else {
            "other"
        };
        if access != theirs && !container {
            wrong.push(format!("{name}: {access}, the server says {theirs}"));
        }
        // With BLOCK or without, the two that may do either are told apart by their arguments.
        let blocks = ours.blocks || ["XREAD", "XREADGROUP"].contains(&name.as_str());
        if has("BLOCKING") && !blocks {
            wrong.push(format!("{name} may block"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
