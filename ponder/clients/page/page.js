// Brings what view.py describes into the document, and what the user does to Python: by trigger('tell'), done at once, and
// trigger('ask'), where the model answers. gradio calls this once with element, props, trigger and watch.
const find = (selector) => element.querySelector(selector);
const log = find(".log"), turns = find(".turns"), box = find("textarea"), form = find(".composer");
const think = find(".think"), budget = find(".budget input"), opener = find(".open-settings"), settings = find(".settings");
const latest = find(".latest"), composer = find(".composer"), narrow = matchMedia("(max-width: 640px)");
let language = readLanguage(), running = "", status = "", newest = 0, katex = null, kept = [], keyNeeded = false;
const tex = new Map();

// ---- labels ----

function readLanguage() {
  let kept = null;
  try { kept = localStorage.getItem("ponder-language"); } catch { /* storage may be forbidden */ }
  return (kept ?? navigator.language).toLowerCase().startsWith("zh") ? "zh" : "en";
}
const label = (key) => props.labels[language][key];
function relabel() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const one of element.querySelectorAll("[data-label]")) one.textContent = label(one.dataset.label);
  box.setAttribute("aria-label", label("message"));
  box.placeholder = label("placeholder");
  budget.placeholder = label(narrow.matches ? "budget" : "no_limit");
  budget.title = label("budget_long");
  budget.setAttribute("aria-label", label("budget_long"));
  log.setAttribute("aria-label", label("conversation"));
  find(".switch").lang = language === "zh" ? "en" : "zh-CN";
}
narrow.addEventListener("change", relabel);

// ---- what stays when the page is loaded again: the server may be another one by then ----

function keep(name, value) {
  try { sessionStorage.setItem(`ponder-${name}`, JSON.stringify(value)); } catch { /* no storage, or full: then nothing stays */ }
}
const structured = (value) => JSON.parse(JSON.stringify(value));
function recall(name) {
  try { return JSON.parse(sessionStorage.getItem(`ponder-${name}`)); } catch { return null; }
}

// ---- a server that has gone ----

// gradio sees that a connection broke, but not that a server has ended in good order. Where nothing comes though something
// should, we ask: another server, or the same after it was away, gets the page anew, with what was kept.
let heard = Date.now(), asks = 0, expects = true, known = null, lost = false;
async function serverId() {
  const response = await fetch(new URL("gradio_api/app_id", document.baseURI), { cache: "no-store" });
  return response.ok ? (await response.json()).app_id : null;
}
async function watchServer() {
  if (!(running || expects || lost) || Date.now() - heard < (lost ? 1500 : expects ? 700 : 4000)) return;
  heard = Date.now();
  try {
    const id = await serverId();
    if (id !== null && (lost || id !== known)) location.reload();
    // When nothing is under way gradio ends its stream, even while the next question is on its way: then that one's answer
    // is not read. What is told now opens the stream again, and what waits there comes.
    else if (id !== null) greet();
  } catch {
    lost = true;
    find(".problem").textContent = label("lost");
  }
}
serverId().then((id) => { known = id; setInterval(watchServer, 350); }, () => {});

// ---- following what grows ----

// At the end a box follows what is added, until the reader scrolls up; at the end again, it follows again.
function follow(one, changed = () => {}) {
  let top = 0, height = 0;
  one.follows = true;
  const look = () => {
    const atEnd = one.scrollHeight - one.scrollTop - one.clientHeight < 8;
    if (one.scrollTop > top && atEnd) one.follows = true;
    else if (one.scrollTop < top - 1 && one.scrollHeight >= height) one.follows = false;  // else it became shorter by itself
    top = one.scrollTop;
    height = one.scrollHeight;
    changed();
  };
  one.addEventListener("scroll", look, { passive: true });
  one.toEnd = () => {
    look();  // the event of what the reader has just done may come later than this
    if (one.follows) one.scrollTop = one.scrollHeight;
    look();
  };
}
follow(log, () => { latest.hidden = log.follows; });
latest.onclick = () => { log.scrollTop = log.scrollHeight; log.toEnd(); box.focus(); };
new ResizeObserver(() => log.toEnd()).observe(log);

// ---- from Python into the document ----

function show(value) {
  if (!value || value.number < newest) return;
  newest = value.number;
  heard = Date.now();
  expects = value.asks < asks;
  const before = running, held = document.activeElement;
  running = value.running;
  log.setAttribute("aria-busy", String(Boolean(running)));
  find(".empty").hidden = value.parts.length > 0;
  if (!running || !before) keep("turns", kept = structured(value.kept));  // it does not change while an answer grows
  reconcile(turns, value.parts, "turn");
  composer.classList.toggle("busy", Boolean(running));
  find(".answer-now").hidden = running !== "thinking";
  find(".stop").hidden = !running;
  find(".send").hidden = find(".keys").hidden = Boolean(running);
  for (const button of element.querySelectorAll(".new-chat")) button.disabled = Boolean(running);
  const meter = find("meter");
  meter.max = value.gauge.most || 1;
  meter.high = 0.9 * meter.max;
  meter.value = value.gauge.used;
  meter.hidden = !value.gauge.most;
  meter.setAttribute("aria-label", label("context"));
  find(".gauge-text").textContent = value.gauge.text;
  find(".problem").textContent = value.problem;
  if (value.status !== status) find(".unseen").textContent = status = value.status;
  if (running && !before) {
    log.follows = true;
    keep("draft", "");  // it has arrived
  }
  log.toEnd();
  if (value.key_needed && !keyNeeded) askForKey();
  keyNeeded = value.key_needed;
  // Where what had the focus is gone, typing goes on: in the next tool's result, else in the box.
  if (held !== document.body && !(held?.isConnected && held.offsetParent)) (turns.querySelector(".fill textarea") ?? box).focus();
}

function askForKey() {
  if (settings.hidden) opener.click();
  settings.elements.api_key.focus();
}

// Elements with the same key stay, so that focus, selection and what the reader has folded stay too.
function reconcile(parent, parts, prefix) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  parts.forEach((part, place) => {
    let child = old.get(part.key);
    const tag = (part.tag ?? (part.form ? "form" : "div")).toUpperCase();
    if (child && child.tagName !== tag) { child.remove(); child = null; }
    if (!child) {
      child = document.createElement(tag);
      child.dataset.key = part.key;
      if (tag === "BUTTON") child.type = "button";
    }
    old.delete(part.key);
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
    update(child, part, `${prefix}-${part.key}`);
  });
  for (const child of old.values()) child.remove();
}

function update(child, part, id) {
  child.spec = part;
  if (child.querySelector(":scope > .edit-form")) return;  // the user is at it
  const cls = part.cls ?? "";
  if (child.className !== cls) child.className = cls;
  const attrs = part.attrs ?? {};
  for (const name of child.ours ?? []) if (!(name in attrs)) child.removeAttribute(name);
  for (const name in attrs) child.setAttribute(name, attrs[name]);
  child.ours = Object.keys(attrs);
  if (part.fold) fold(child, part, id);
  else if (part.form) fill(child, part.form, id);
  else if (part.parts) reconcile(child, part.parts, id);
  else if (part.html !== undefined && child.html !== part.html) {
    child.innerHTML = child.html = part.html;
    for (const one of child.querySelectorAll(".math")) typeset(one);
  } else if (part.text !== undefined && child.firstChild?.data !== part.text) child.textContent = part.text;
}

function fold(child, part, id) {
  let [head, body] = child.children;
  if (!head) {
    head = document.createElement("button");
    head.type = "button";
    head.className = "fold";
    body = document.createElement("div");
    body.className = "folded";
    body.id = id;
    body.tabIndex = 0;
    head.setAttribute("aria-controls", id);
    head.onclick = () => { child.chosen = true; open(head.getAttribute("aria-expanded") !== "true"); };
    child.append(head, body);
    follow(body);
  }
  const open = (yes) => { head.setAttribute("aria-expanded", String(yes)); body.hidden = !yes; };
  if (head.textContent !== part.fold.title) head.textContent = part.fold.title;
  // It does not close on who has scrolled up in it to read.
  if (!child.chosen && (part.fold.open || body.follows)) open(part.fold.open);
  reconcile(body, part.parts, id);
  if (part.fold.open && !body.hidden) body.toEnd();
}

// A text to fill in: the result of a tool.
function fill(child, wanted, id) {
  if (child.firstChild) return;
  const text = document.createElement("textarea"), send = document.createElement("button");
  text.rows = 2;
  text.placeholder = wanted.hint;
  text.setAttribute("aria-label", wanted.hint);
  send.textContent = wanted.label;
  child.append(text, send);
  const done = () => ask({ ...wanted.act, text: text.value });
  child.onsubmit = (event) => { event.preventDefault(); done(); };
  onEnter(text, done);
}

// ---- formulas ----

function typeset(one) {
  const source = one.textContent;
  if (!katex || source.length > 5000) return;
  const display = one.dataset.display === "1";
  const key = source + display;
  if (!tex.has(key)) {
    if (tex.size > 2000) tex.clear();
    const options = { displayMode: display, throwOnError: false, trust: false, strict: "ignore", maxSize: 20, maxExpand: 200 };
    tex.set(key, katex.renderToString(source, options));
  }
  one.innerHTML = tex.get(key);
}
if (props.katex.script) {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL(props.katex.style, document.baseURI).href;
  document.head.append(style);
  import(new URL(props.katex.script, document.baseURI).href).then((module) => {
    katex = module.default;
    for (const one of element.querySelectorAll(".math")) typeset(one);
  }, () => {});  // then formulas stay as they were written
}

// ---- from the user to Python ----

const tell = (act) => trigger("tell", act);
// It brings what was kept until a view has come: from then on what is kept is what the server has.
const greet = () => tell({ name: "hello", text: language, settings: chosen(), kept: newest ? undefined : recall("turns") ?? [] });
function ask(act) {
  if (running) return;
  const tokens = Number.parseInt(budget.value, 10);
  const thinking = think.getAttribute("aria-pressed") === "true";
  heard = Date.now();
  expects = true;
  asks += 1;
  trigger("ask", { ...act, thinking, budget: thinking && tokens > 0 ? tokens : null, settings: chosen() });
}

// The settings that are filled in; what is empty the server decides.
function chosen() {
  const fields = {};
  for (const field of settings.elements) {
    if (field.value === "") continue;
    fields[field.name] = field.type === "number" ? Number(field.value) : field.value;
  }
  return fields;
}

function send() {
  const text = box.value;
  if (!text.trim() || running) return;
  keep("draft", text);
  ask({ name: "send", text });
  box.value = "";
  grow();
  box.focus();
}
form.onsubmit = (event) => { event.preventDefault(); send(); };

// Enter while an input method composes a character belongs to the input method (229: how some browsers say so).
function onEnter(field, done) {
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    done();
  });
}
onEnter(box, send);
function grow() {
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + box.offsetHeight - box.clientHeight, window.innerHeight / 3)}px`;
}
box.addEventListener("input", grow);

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing || event.keyCode === 229) return;
  const editing = element.querySelector(".edit-form");
  if (editing) editing.closest("article").stopEditing();
  else if (running) tell({ name: "stop" });
  else if (!settings.hidden) { opener.click(); opener.focus(); }
});

find(".stop").onclick = () => { tell({ name: "stop" }); box.focus(); };
find(".answer-now").onclick = () => { tell({ name: "answer_now" }); box.focus(); };
find(".new-chat").onclick = () => { tell({ name: "clear" }); box.focus(); };
find(".skip").onclick = (event) => { event.preventDefault(); box.focus(); };
think.onclick = () => {
  const on = think.getAttribute("aria-pressed") !== "true";
  think.setAttribute("aria-pressed", String(on));
  budget.disabled = !on;
};
opener.onclick = () => {
  settings.hidden = !settings.hidden;
  opener.setAttribute("aria-expanded", String(!settings.hidden));
  if (!settings.hidden) settings.querySelector("textarea").focus();
};
settings.onsubmit = (event) => event.preventDefault();
settings.onchange = (event) => {
  if (event.target.name === "api_key") greet();
  const { api_key, ...others } = chosen();  // a key is nothing to leave lying about
  keep("settings", others);
};
find(".switch").onclick = () => {
  language = language === "zh" ? "en" : "zh";
  try { localStorage.setItem("ponder-language", language); } catch { /* then it lasts as long as the page */ }
  relabel();
  tell({ name: "language", text: language });
};

turns.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.copy === "code") copy(button, button.closest(".code").querySelector("code").textContent);
  const part = button.spec;
  if (part?.copy !== undefined) copy(button, kept[part.copy[0]][part.copy[1]]);
  else if (part?.act?.edit !== undefined) edit(button.closest("article"), part.act.edit);
  else if (part?.act?.name === "show") tell(part.act);
  else if (part?.act) { ask(part.act); box.focus(); }
});

// A page that is not served by https has no clipboard but the old one.
async function copy(button, text) {
  if (navigator.clipboard) await navigator.clipboard.writeText(text);
  else {
    const held = document.createElement("textarea");
    held.value = text;
    element.append(held);
    held.select();
    document.execCommand("copy");
    held.remove();
    button.focus();
  }
  const before = button.textContent;
  if (before === label("copied")) return;
  button.textContent = label("copied");
  setTimeout(() => { button.textContent = before; }, 1500);
}

function edit(article, node) {
  if (article.querySelector(".edit-form")) return;
  const said = article.querySelector(".said");
  const editing = document.createElement("form"), text = document.createElement("textarea");
  editing.className = "edit-form";
  text.value = said.textContent;
  text.rows = Math.min(10, text.value.split("\n").length + 1);
  text.setAttribute("aria-label", label("edit"));
  const save = document.createElement("button"), cancel = document.createElement("button");
  save.textContent = label("save");
  cancel.textContent = label("cancel");
  cancel.type = "button";
  editing.append(text, save, cancel);
  article.append(editing);
  article.classList.add("editing");
  article.stopEditing = () => { editing.remove(); article.classList.remove("editing"); box.focus(); };
  const done = () => {
    if (!text.value.trim() || running) return;
    article.stopEditing();
    ask({ name: "edit", node, text: text.value });
  };
  editing.onsubmit = (event) => { event.preventDefault(); done(); };
  cancel.onclick = article.stopEditing;
  onEnter(text, done);
  text.focus();
}

find(".model-name").textContent = props.model;
find(".api-key").hidden = !props.asks_key;
for (const [name, value] of Object.entries(recall("settings") ?? {})) {
  if (settings.elements[name]) settings.elements[name].value = value;
}
box.value = recall("draft") ?? "";
relabel();
watch("value", () => show(props.value));
show(props.value);
greet();
grow();
box.focus();
