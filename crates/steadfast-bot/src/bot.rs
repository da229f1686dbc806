//! Everything together: the handlers of a node, sharing limits and pace.

use crate::config::BotConfig;
use crate::limits::Limits;
use crate::reply::pacing::Pacer;
use crate::{CheckHandler, OrderHandler, ReplyHandler, WebhookHandler};
use std::fmt;
use std::sync::Arc;
use steadfast_core::SharedClock;
use steadfast_core::ports::{Messenger, Records};
use steadfast_core::queues;
use steadfast_queue::handler::Handler;

/// Which handler runs which jobs.
#[derive(Clone)]
pub struct Registration {
    /// The queue.
    pub queue: &'static str,
    /// The kind of job in it.
    pub kind: &'static str,
    /// What runs it.
    pub handler: Arc<dyn Handler>,
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({}/{})", self.queue, self.kind)
    }
}

/// The bot of one node.
#[derive(Debug)]
pub struct Bot {
    /// What each person may ask, and who is blocked.
    pub limits: Arc<Limits>,
    /// How fast replies go out.
    pub pacer: Arc<Pacer>,
    /// The handlers.
    pub registrations: Vec<Registration>,
}

impl Bot {
    /// The bot over `records`, sending through `messenger`.
    pub fn new(
        records: Arc<dyn Records>,
        messenger: Arc<dyn Messenger>,
        clock: SharedClock,
        config: BotConfig,
    ) -> Self {
        let limits = Arc::new(Limits::new(&config.limits, Arc::clone(&clock)));
        let pacer = Arc::new(Pacer::new(config.pacing, Arc::clone(&clock)));
        let config = Arc::new(config);
        let webhooks: Arc<dyn Handler> =
            Arc::new(WebhookHandler::new(Arc::clone(&records), Arc::clone(&limits), Arc::clone(&config)));
        let orders = OrderHandler::new(
            Arc::clone(&records),
            Arc::clone(&limits),
            Arc::clone(&clock),
            Arc::clone(&config),
        );
        let checks = CheckHandler::new(Arc::clone(&records), Arc::clone(&limits), Arc::clone(&config));
        let replies = ReplyHandler::new(records, messenger, Arc::clone(&pacer), clock, config);
        let registration = |queue, kind, handler| Registration { queue, kind, handler };
        let registrations = vec![
            registration(queues::WEBHOOKS, queues::KIND_INBOUND, Arc::clone(&webhooks)),
            registration(queues::WEBHOOKS, queues::KIND_STATUS, webhooks),
            registration(queues::ORDERS, queues::KIND_ORDER, Arc::new(orders)),
            registration(queues::REALITY_CHECK, queues::KIND_CHECK, Arc::new(checks)),
            registration(queues::REPLIES, queues::KIND_REPLY, Arc::new(replies)),
        ];
        Self { limits, pacer, registrations }
    }
}
