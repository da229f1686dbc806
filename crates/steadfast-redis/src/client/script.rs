//! Scripts by their hash, loaded when the server does not know them.

use super::Client;
use crate::error::Result;
use crate::fault::Fault;
use redis::{Cmd, FromRedisValue, ToRedisArgs, Value};
use sha1::{Digest, Sha1};
use tokio::time::Instant;

/// A Lua script. Make it once and use it often: its hash is computed when it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    code: String,
    hash: String,
}

impl Script {
    /// The script of this code.
    pub fn new(code: impl Into<String>) -> Self {
        let code = code.into();
        let hash = Sha1::digest(&code).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { code, hash }
    }

    /// Its SHA-1, by which the server knows it.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// A call of it. All keys must be named as keys, for a cluster to find its place.
    pub fn call(&self) -> ScriptCall<'_> {
        ScriptCall { script: self, keys: Vec::new(), args: Vec::new() }
    }
}

/// One call of a script.
#[derive(Debug, Clone)]
pub struct ScriptCall<'a> {
    script: &'a Script,
    keys: Vec<Vec<u8>>,
    args: Vec<Vec<u8>>,
}

impl ScriptCall<'_> {
    /// Adds a key.
    #[must_use]
    pub fn key(mut self, key: impl ToRedisArgs) -> Self {
        self.keys.extend(key.to_redis_args());
        self
    }

    /// Adds an argument, or several.
    #[must_use]
    pub fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        self.args.extend(arg.to_redis_args());
        self
    }

    fn cmd(&self, name: &str, what: &str) -> Cmd {
        redis::cmd(name).arg(what).arg(self.keys.len()).arg(&self.keys).arg(&self.args).to_owned()
    }
}

impl Client {
    /// Runs a script by `deadline`. A server that does not know it is given the code: after a restart, a failover or
    /// `SCRIPT FLUSH` too, without the caller noticing.
    ///
    /// # Errors
    /// As [`Client::execute`]. A script is never sent twice when the first may have been executed.
    pub async fn run_script(&self, call: &ScriptCall<'_>, deadline: Instant) -> Result<Value> {
        match self.execute(&call.cmd("EVALSHA", &call.script.hash), deadline).await {
            Err(error) if error.fault() == Some(&Fault::NoScript) => {
                self.execute(&call.cmd("EVAL", &call.script.code), deadline).await
            }
            result => result,
        }
    }

    /// The same within the handle's time, converted.
    ///
    /// # Errors
    /// As [`Client::run_script`]; and if the answer is not of the type that is asked for.
    pub async fn query_script<T: FromRedisValue>(&self, call: &ScriptCall<'_>) -> Result<T> {
        let value = self.run_script(call, Instant::now() + self.options.timeout).await?;
        super::converted(value, "EVALSHA")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_known_by_its_sha1() {
        assert_eq!(Script::new("return 1").hash(), "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
        let script = Script::new("return 1");
        let cmd = script.call().key("a").key("b").arg(7).cmd("EVALSHA", script.hash());
        assert_eq!(cmd.args_iter().len(), 6);
    }
}
