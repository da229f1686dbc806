// The chat page: what it knows, what it sends, what it hears. How things look is in draw.js.
import { drawMessage, make, pretty, preview, quickReplies, webhookRow, webhookWords } from "/draw.js";

const DEMO = "whatsapp:+9779800000001";
const SUGGESTIONS = [
  "menu",
  "2 kg rice and 1 oil",
  "yes",
  "status",
  "URGENT hiring! Earn $900/day from home, no experience. Pay a $50 training fee today to secure your place. WhatsApp only.",
];
const $ = (id) => document.getElementById(id);
const state = {
  number: DEMO,
  people: new Map(), // number -> { last: message or null, unread: count }
  messages: new Map(), // id -> message, of the open chat
  nodes: new Map(), // id -> element
  draws: 0, // counts openings, so that a late answer draws nothing
  run: null, // the server process that the messages are from
  notes: 0,
  pinned: true, // the log is scrolled to its end, and stays there
};

// ---- small helpers

async function call(method, path, body) {
  const options = { method, headers: {}, signal: AbortSignal.timeout(60000) };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message || `HTTP ${response.status}`);
  return answer;
}

function newSid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `SM${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

// ---- customers

function remembered() {
  try {
    const list = JSON.parse(localStorage.getItem("customers") || "[]");
    return Array.isArray(list) ? list.filter((number) => typeof number === "string").slice(0, 50) : [];
  } catch {
    return [];
  }
}

function remember(number) {
  const list = [number, ...remembered().filter((known) => known !== number)].slice(0, 50);
  try {
    localStorage.setItem("customers", JSON.stringify(list));
  } catch {
    // Without storage the customer lasts as long as the page.
  }
}

function person(number) {
  if (!state.people.has(number)) state.people.set(number, { last: null, unread: 0 });
  return state.people.get(number);
}

function drawPeople() {
  const focused = document.activeElement?.dataset?.number;
  const rows = [...state.people].map(([number, known]) => {
    const button = make("button", "person");
    button.type = "button";
    button.dataset.number = number;
    if (number === state.number) button.setAttribute("aria-current", "true");
    const face = make("span", "face", number.slice(-2));
    face.setAttribute("aria-hidden", "true");
    button.append(face, make("b", "", pretty(number)), make("small", "", preview(known.last)));
    if (known.unread > 0) {
      const badge = make("span", "badge", String(known.unread));
      badge.append(make("span", "sr", " unread"));
      button.append(badge);
    }
    button.addEventListener("click", () => open(number));
    const row = make("li");
    row.append(button);
    return row;
  });
  $("people").replaceChildren(...rows);
  if (focused) document.querySelector(`.person[data-number="${CSS.escape(focused)}"]`)?.focus();
}

// ---- messages

function drawLog(arriving) {
  const log = $("log");
  const sorted = [...state.messages.values()].sort((a, b) => a.seq - b.seq);
  let day = "";
  let before = null;
  const nodes = [];
  for (const message of sorted) {
    const today = new Date(message.created_ms).toDateString();
    if (today !== day) {
      day = today;
      const name = today === new Date().toDateString() ? "Today" : new Date(message.created_ms).toLocaleDateString();
      nodes.push(make("li", "day", name));
    }
    let node = state.nodes.get(message.sid);
    if (!node) {
      node = drawMessage(message);
      node.classList.toggle("still", !arriving);
      state.nodes.set(message.sid, node);
    }
    node.classList.toggle("turn", before !== null && before !== message.direction);
    before = message.direction;
    nodes.push(node);
  }
  // Nodes that stay are left alone: a screen reader reads only what is new.
  nodes.forEach((node, at) => {
    const current = log.children[at];
    if (current === node) return;
    if (current && current.className === "day" && node.className === "day" && current.textContent === node.textContent) return;
    log.insertBefore(node, current || null);
  });
  while (log.children.length > nodes.length) log.lastChild.remove();
  $("empty").hidden = sorted.length > 0;
  drawChips(sorted.filter((message) => !message.note).at(-1));
}

function scrollDown() {
  state.pinned = true;
  $("scroll").scrollTop = $("scroll").scrollHeight;
}

function upsert(message) {
  const known = state.messages.get(message.sid);
  const stick = state.pinned || message.direction === "inbound";
  state.messages.set(message.sid, known ? { ...known, ...message } : message);
  const old = state.nodes.get(message.sid);
  if (old) {
    const fresh = drawMessage(state.messages.get(message.sid));
    fresh.classList.add("still");
    old.replaceWith(fresh);
    state.nodes.set(message.sid, fresh);
  }
  drawLog(true);
  if (stick) scrollDown();
}

// ---- suggestions

function drawChips(last) {
  const replies = quickReplies(last);
  const known = new Set(replies.map((text) => text.toLowerCase()));
  const chip = (text, className) => {
    const button = make("button", `chip${className}`, text);
    button.type = "button";
    button.title = text;
    button.addEventListener("click", () => send({ body: text }));
    return button;
  };
  const rest = SUGGESTIONS.filter((text) => !known.has(text.toLowerCase()));
  $("chips").replaceChildren(...replies.map((text) => chip(text, " reply")), ...rest.map((text) => chip(text, "")));
}

// ---- sending

function lastSeq() {
  return Math.max(0, ...[...state.messages.values()].map((message) => message.seq));
}

async function send(what) {
  const number = state.number;
  const sid = what.sid || newSid();
  if (!what.sid && !what.count) {
    const seq = lastSeq() + 0.5;
    const kind = what.location ? "location" : what.button ? "button" : undefined;
    const detail = what.location ? what.location.label : what.button ? what.button.payload : "";
    const body = what.body || what.button?.text || "";
    upsert({ sid, seq, direction: "inbound", body, kind, detail, created_ms: Date.now(), status: "received" });
  }
  const request = { from: number, ...what };
  if (!what.count) request.sid = sid;
  try {
    const answer = await call("POST", "/fake/inbound", request);
    if (!answer.webhook && number === state.number && state.messages.has(sid)) {
      upsert({ ...state.messages.get(sid), refused: "no webhook URL is set" });
    }
  } catch (error) {
    if (number === state.number && state.messages.has(sid)) {
      upsert({ ...state.messages.get(sid), refused: `not sent: ${error.message}`, webhook: { status: 0, ms: 0 } });
    }
  }
  if (!stream || stream.readyState !== EventSource.OPEN) await reload();
}

const EXTRAS = {
  location: () => send({ location: { latitude: 27.7172453, longitude: 85.3239605, address: "Durbar Marg, Kathmandu", label: "Durbar Marg, Kathmandu" } }),
  button: () => send({ button: { text: "Yes", payload: "yes" } }),
  repeat: () => {
    const last = [...state.messages.values()].filter((message) => message.direction === "inbound").sort((a, b) => a.seq - b.seq).at(-1);
    if (last) send({ sid: last.sid, body: last.body, deliveries: 5 });
  },
  burst: () => send({ body: "burst {n}", count: 20, parallel: 8 }),
  forged: () => send({ body: "I am not who I say I am", signature: "bad" }),
  window: () => call("POST", "/fake/window", { number: state.number, open: false }).then(reload, () => {}),
};

function menu(shown) {
  $("menu").hidden = !shown;
  $("more").setAttribute("aria-expanded", String(shown));
  if (shown) $("menu").querySelector("button").focus();
}

// ---- loading and listening

async function open(number) {
  state.number = number;
  state.messages.clear();
  state.nodes.clear();
  $("log").replaceChildren();
  $("name").textContent = pretty(number);
  person(number).unread = 0;
  drawPeople();
  await loadChat();
  scrollDown();
}

async function loadChat() {
  const draw = ++state.draws;
  const chat = await call("GET", `/fake/chat?number=${encodeURIComponent(state.number)}`);
  if (draw !== state.draws || chat.number !== state.number) return;
  if (state.run !== chat.run && state.run !== null) {
    // Another process, with sequence numbers of its own: what the former one knew is gone.
    state.messages.clear();
    state.nodes.clear();
  }
  state.run = chat.run;
  // What came by the stream after this answer was made stays, and so does what is still being sent.
  const present = new Set(chat.messages.map((message) => message.sid));
  const newest = chat.messages.at(-1)?.seq ?? 0;
  for (const [sid, { seq }] of state.messages) {
    if (!present.has(sid) && Number.isInteger(seq) && seq <= newest) state.messages.delete(sid);
  }
  for (const message of chat.messages) {
    const known = state.messages.get(message.sid);
    if (!known || JSON.stringify(known) !== JSON.stringify({ ...known, ...message })) state.nodes.delete(message.sid);
    state.messages.set(message.sid, known ? { ...known, ...message } : message);
  }
  $("behaviour").value = chat.behaviour && chat.behaviour !== "ok" ? chat.behaviour : "";
  $("behaviour").parentElement.classList.toggle("on", $("behaviour").value !== "");
  drawLog(false);
  if (state.pinned) scrollDown();
  readSoon();
}

async function loadPeople() {
  const { chats } = await call("GET", "/fake/chats");
  const known = state.people;
  state.people = new Map();
  for (const number of [DEMO, ...remembered()]) person(number);
  for (const message of chats) person(message.customer).last = message;
  person(state.number);
  for (const [number, entry] of state.people) entry.unread = known.get(number)?.unread || 0;
  drawPeople();
}

async function loadWebhooks() {
  const { webhooks } = await call("GET", "/fake/webhooks?newest=true&limit=20");
  $("webhooks").replaceChildren(...webhooks.map(webhookRow));
  for (const hook of [...webhooks].reverse()) drawLastWebhook(hook);
}

let reloading = null;
function reload() {
  // One at a time, however many events ask for it.
  reloading ??= Promise.all([loadPeople(), loadChat(), loadWebhooks()])
    .then(() => live(stream?.readyState === EventSource.OPEN ? "live" : "poll"))
    .catch(() => live("lost"))
    .finally(() => { reloading = null; });
  return reloading;
}

function drawLastWebhook(hook) {
  const { what, ok, answer } = webhookWords(hook);
  const answered = make("span", ok ? "good" : "bad", answer);
  if (hook.kind === "status") $("last-status").replaceChildren(` · last callback: ${hook.message_status} `, answered);
  else $("last-message").replaceChildren(`Last webhook: ${what} `, answered, ` in ${hook.ms} ms`);
}

function onMessage(message) {
  const known = state.people.has(message.customer);
  const entry = person(message.customer);
  const isNew = !entry.last || message.seq > entry.last.seq;
  if (!entry.last || message.seq >= entry.last.seq) entry.last = message;
  if (message.customer === state.number) {
    upsert(message);
    readSoon();
  } else if (isNew && message.direction !== "inbound") {
    entry.unread += 1;
  }
  if (isNew || !known) drawPeople();
}

// Something about the open chat that no message shows: a reply that was refused, say.
function onNote({ number, text }) {
  if (number !== state.number) return;
  upsert({ sid: `note-${state.notes++}`, seq: lastSeq() + 0.5, direction: "note", note: text, created_ms: Date.now() });
}

let reading = 0;
function readSoon() {
  clearTimeout(reading);
  reading = setTimeout(() => {
    const unread = [...state.messages.values()].some((message) => message.status === "delivered");
    if (unread && document.visibilityState === "visible") {
      call("POST", "/fake/read", { number: state.number }).catch(() => {});
    }
  }, 700);
}

function live(now) {
  const words = { live: "live", poll: "polling", lost: "not reachable", wait: "connecting" };
  if ($("live").dataset.state === now) return;
  $("live").dataset.state = now;
  $("live").textContent = words[now];
}

let stream = null;
function listen() {
  stream?.close();
  stream = new EventSource("/fake/events");
  stream.addEventListener("hello", () => { live("live"); reload(); });
  stream.addEventListener("resync", reload);
  stream.addEventListener("reset", () => { state.messages.clear(); state.nodes.clear(); reload(); });
  stream.addEventListener("message", (event) => { if (event.data) onMessage(JSON.parse(event.data)); });
  stream.addEventListener("note", (event) => onNote(JSON.parse(event.data)));
  stream.addEventListener("webhook", (event) => {
    const hook = JSON.parse(event.data);
    drawLastWebhook(hook);
    $("webhooks").prepend(webhookRow(hook));
    while ($("webhooks").children.length > 20) $("webhooks").lastChild.remove();
  });
  // A closed stream does not come back by itself: the next poll opens another.
  stream.onerror = () => live("lost");
}

setInterval(() => {
  if (document.visibilityState !== "visible" || stream?.readyState === EventSource.OPEN) return;
  if (stream?.readyState === EventSource.CLOSED) listen();
  reload();
}, 3000);

// ---- wiring

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  send({ body: text });
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $("composer").requestSubmit();
  }
});
$("more").addEventListener("click", () => menu($("menu").hidden));
$("menu").addEventListener("click", (event) => {
  const which = event.target.closest("[data-send]")?.dataset.send;
  if (!which) return;
  menu(false);
  $("text").focus();
  EXTRAS[which]();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !$("menu").hidden) {
    menu(false);
    $("more").focus();
  }
});
document.addEventListener("click", (event) => {
  if (!$("menu").hidden && !event.target.closest(".more")) menu(false);
});
document.addEventListener("visibilitychange", readSoon);
$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const typed = $("add-number").value.replace(/[\s()-]/g, "").replace(/^whatsapp:/, "");
  const valid = /^\+[1-9]\d{6,14}$/.test(typed) || /^[A-Z]{2}\.[A-Za-z0-9]{1,128}$/.test(typed);
  $("add-error").hidden = valid;
  if (!valid) {
    $("add-error").textContent = "Write a number with its country, such as +977 980 000 0002.";
    return;
  }
  $("add-number").value = "";
  remember(`whatsapp:${typed}`);
  person(`whatsapp:${typed}`);
  open(`whatsapp:${typed}`);
  $("text").focus();
});
$("behaviour").addEventListener("change", async () => {
  const behaviour = $("behaviour").value;
  const done = behaviour
    ? call("POST", "/fake/script", { to: state.number, behaviour })
    : call("DELETE", `/fake/script?to=${encodeURIComponent(state.number)}`);
  await done.catch(() => {});
  reload();
});

$("scroll").addEventListener("scroll", () => {
  const box = $("scroll");
  state.pinned = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
});
// The keyboard of a phone, or the list of webhooks, takes room away: the newest message stays in sight.
new ResizeObserver(() => { if (state.pinned) scrollDown(); }).observe($("scroll"));

person(DEMO);
drawPeople();
$("name").textContent = pretty(DEMO);
drawChips(null);
listen();
if (matchMedia("(min-width: 46rem)").matches) $("text").focus();
