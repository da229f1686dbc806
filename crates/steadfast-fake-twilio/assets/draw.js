// How things look: from data to elements, and nothing else. Texts of messages only ever become text nodes.

const STATUS_WORDS = {
  queued: "queued at Twilio",
  sent: "sent",
  delivered: "delivered",
  read: "read",
  failed: "failed",
  undelivered: "not delivered",
};

export function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export function pretty(number) {
  const bare = number.replace(/^whatsapp:/, "");
  const nepal = bare.match(/^\+977(\d{3})(\d{3})(\d+)$/);
  return nepal ? `+977 ${nepal[1]} ${nepal[2]} ${nepal[3]}` : bare;
}

export function preview(message) {
  if (!message) return "nothing written yet";
  const text = message.body || message.detail || message.kind || "";
  return (message.direction === "inbound" ? "You: " : "") + text.replace(/[*_~`]/g, "").replace(/\s+/g, " ").slice(0, 60);
}

// WhatsApp's marks: *bold*, _italic_, ~struck~, ```code```; only at word boundaries, as WhatsApp does.
function appendMarked(parent, text) {
  const mark = /(^|[^\p{L}\p{N}])(```([\s\S]+?)```|\*(\S(?:[^*\n]*\S)?)\*|_(\S(?:[^_\n]*\S)?)_|~(\S(?:[^~\n]*\S)?)~)(?![\p{L}\p{N}])/u;
  let rest = text;
  for (let found = mark.exec(rest); found; found = mark.exec(rest)) {
    parent.append(rest.slice(0, found.index) + found[1]);
    const [tag, inner] = found[3] !== undefined ? ["code", found[3]]
      : found[4] !== undefined ? ["strong", found[4]]
      : found[5] !== undefined ? ["em", found[5]] : ["s", found[6]];
    const node = make(tag);
    if (tag === "code") node.textContent = inner;
    else appendMarked(node, inner);
    parent.append(node);
    rest = rest.slice(found.index + found[0].length);
  }
  parent.append(rest);
}

function mark(iconName, className, label, text) {
  const node = make("span", `mark ${className}`);
  node.setAttribute("role", "img");
  node.setAttribute("aria-label", label);
  node.title = label;
  node.append(icon(iconName));
  if (text) node.append(make("span", "", text));
  return node;
}

function statusMark(message) {
  const words = STATUS_WORDS[message.status] || message.status;
  switch (message.status) {
    case "queued": return mark("clock", "", words);
    case "sent": return mark("tick", "", words);
    case "delivered": return mark("ticks", "wide", words);
    case "read": return mark("ticks", "wide seen", words);
    default: return mark("failed", "bad", words);
  }
}

function webhookMark(message) {
  const hook = message.webhook;
  if (!hook) return mark("clock", "", message.refused || "waiting for the webhook's answer");
  const ok = hook.status >= 200 && hook.status < 300;
  const what = hook.status ? `webhook answered ${hook.status} in ${hook.ms} ms` : `webhook gave no answer, ${hook.ms} ms`;
  return mark(ok ? "tick" : "failed", ok ? "" : "bad", what, hook.status ? `${hook.status} · ${hook.ms} ms` : "no answer");
}

export function drawMessage(message) {
  if (message.note) return make("li", "day remark", message.note);
  const mine = message.direction === "inbound";
  const failed = message.status === "failed" || message.status === "undelivered";
  const bubble = make("li", `bubble${mine ? " mine" : ""}${failed ? " bad" : ""}`);
  bubble.append(make("span", "sr", mine ? "You: " : "Bot: "));
  if (message.kind) {
    const part = make("div", "part");
    part.append(icon({ location: "pin", button: "press", interactive: "press" }[message.kind] || "file"));
    part.append(make("span", "", message.kind === "location" ? message.detail : `${message.kind}: ${message.detail}`));
    bubble.append(part);
  }
  if (message.body) {
    const body = make("div", "body");
    appendMarked(body, message.body);
    bubble.append(body);
  }
  const foot = make("div", "foot");
  if (failed) foot.append(make("span", "why", `${message.error_code || ""} ${message.error_message || "not delivered"}`));
  if (message.refused) foot.append(make("span", "why", message.refused));
  const time = make("time", "", new Date(message.created_ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = new Date(message.created_ms).toISOString();
  time.title = new Date(message.created_ms).toLocaleString();
  foot.append(time, mine ? webhookMark(message) : statusMark(message));
  bubble.append(foot);
  return bubble;
}

export function quickReplies(message) {
  if (!message || message.direction === "inbound") return [];
  const found = [];
  for (const sentence of message.body.split(/\n|(?<=[.!?])\s/)) {
    if (!/\b(reply|answer|send|type|say)\b/i.test(sentence)) continue;
    for (const match of sentence.matchAll(/\*([^*\n]{1,24})\*/g)) {
      if (!found.includes(match[1]) && found.length < 5) found.push(match[1]);
    }
  }
  return found;
}

export function webhookWords(hook) {
  const what = hook.kind === "status" ? `status ${hook.message_status}` : hook.kind === "fallback" ? "message, to the fallback" : "message";
  const ok = hook.status >= 200 && hook.status < 300;
  return { what, ok, answer: hook.status ? String(hook.status) : hook.attempts.at(-1)?.error || "no answer" };
}

export function webhookRow(hook) {
  const { what, ok, answer } = webhookWords(hook);
  const row = make("tr");
  row.title = `${hook.sid} → ${hook.url}`;
  row.append(
    make("td", "", new Date(hook.at_ms).toLocaleTimeString()),
    make("td", "", what),
    make("td", ok ? "good" : "bad", hook.error_code ? `${answer} (${hook.error_code})` : answer),
    make("td", "", String(hook.ms)),
    make("td", "", String(hook.attempts.length)),
  );
  return row;
}
