// The list of episodes. Content only ever becomes text nodes.

const DATA = JSON.parse(document.getElementById("data").textContent);
const PAGE = 100; // episodes that the list grows by
const MARKS = { right: "✓", wrong: "✗", unjudged: "?" };
const KINDS = { "i->c": "gain", "c->i": "loss" };
const CHOICES = ["method", "decoding", "seed"];

const byId = (id) => document.getElementById(id);
const episodes = DATA.episodes;
const words = new Map(); // index -> its searchable text, made when first searched
let matching = []; // indices into episodes
let drawn = 0; // how many of them the list shows
let chosen = -1; // index into episodes

function make(name, properties, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// -- filters ---------------------------------------------------------------------------------
function distinct(key) {
  return [...new Set(episodes.map((episode) => episode[key]))];
}

function buildFilters() {
  for (const key of CHOICES) {
    const values = distinct(key);
    if (key === "seed") values.sort((a, b) => a - b || a.localeCompare(b));
    byId(key).append(make("option", { value: "", textContent: "all" }));
    for (const value of values) byId(key).append(make("option", { value, textContent: value }));
  }
  const present = new Set(distinct("transition"));
  for (const [transition, title] of Object.entries(DATA.titles)) {
    if (!present.has(transition)) continue;
    const box = make("input", { type: "checkbox", name: "transition", value: transition });
    const count = make("span", { className: "count" });
    byId("transition").append(make("label", { className: `chip ${KINDS[transition] || ""}` }, box, ` ${title} `, count));
  }
}

function boxes() {
  return [...byId("transition").querySelectorAll("input")];
}

function readFilters() {
  const wanted = { transitions: boxes().filter((box) => box.checked).map((box) => box.value) };
  for (const key of CHOICES) wanted[key] = byId(key).value;
  wanted.terms = byId("q").value.toLowerCase().split(/\s+/).filter(Boolean);
  return wanted;
}

function searchable(index) {
  if (!words.has(index)) {
    const e = episodes[index];
    const attempts = e.attempts.map((a) => `${a.reply}\n${a.answer || ""}\n${a.reason}`);
    words.set(index, [e.id, e.prompt, e.reference, ...attempts].join("\n").toLowerCase());
  }
  return words.get(index);
}

function passesOthers(index, wanted) {
  const episode = episodes[index];
  if (CHOICES.some((key) => wanted[key] && episode[key] !== wanted[key])) return false;
  return wanted.terms.every((term) => searchable(index).includes(term));
}

function applyFilters(keep) {
  const wanted = readFilters();
  const counts = {};
  matching = [];
  episodes.forEach((episode, index) => {
    if (!passesOthers(index, wanted)) return;
    counts[episode.transition] = (counts[episode.transition] || 0) + 1;
    if (!wanted.transitions.length || wanted.transitions.includes(episode.transition)) matching.push(index);
  });
  for (const box of boxes()) {
    box.parentElement.querySelector(".count").textContent = (counts[box.value] || 0).toLocaleString("en");
  }
  const shown = matching.length.toLocaleString("en");
  byId("status").textContent = `${shown} of ${episodes.length.toLocaleString("en")} episodes shown`;
  byId("list").replaceChildren();
  drawn = 0;
  choose(matching.includes(keep) ? keep : matching.length ? matching[0] : -1);
}

// -- the state in the address ----------------------------------------------------------------
function writeHash() {
  const state = new URLSearchParams();
  const wanted = readFilters();
  for (const transition of wanted.transitions) state.append("transition", transition);
  for (const key of CHOICES) if (wanted[key]) state.set(key, wanted[key]);
  if (byId("q").value) state.set("q", byId("q").value);
  if (chosen >= 0) state.set("episode", chosen);
  history.replaceState(null, "", `#${state}`);
}

function readHash() {
  if (!location.hash.includes("=")) return false;
  const state = new URLSearchParams(location.hash.slice(1));
  for (const box of boxes()) box.checked = state.getAll("transition").includes(box.value);
  for (const key of CHOICES) {
    byId(key).value = state.get(key) || "";
    if (byId(key).selectedIndex < 0) byId(key).value = ""; // a value that no episode has
  }
  byId("q").value = state.get("q") || "";
  applyFilters(Number(state.get("episode") ?? -1));
  byId("episodes").scrollIntoView();
  return true;
}

// -- the list --------------------------------------------------------------------------------
function option(index, position) {
  const e = episodes[index];
  const sign = make("span", { className: `sign ${KINDS[e.transition] || ""}`, title: DATA.titles[e.transition] });
  sign.textContent = e.attempts.map((attempt) => MARKS[result(attempt)]).join(" → ");
  const about = `${e.method} · ${e.decoding} · seed ${e.seed}`;
  const item = make("li", { id: `option-${index}`, role: "option", "aria-selected": "false" });
  item.setAttribute("aria-setsize", matching.length);
  item.setAttribute("aria-posinset", position + 1);
  item.dataset.index = index;
  item.append(sign, make("span", { className: "snippet", textContent: snippet(e) }));
  item.append(make("span", { className: "about", textContent: about }));
  return item;
}

function result(attempt) {
  if (!attempt.judged) return "unjudged";
  return attempt.right ? "right" : "wrong";
}

function snippet(episode) {
  const line = episode.prompt.trim().split("\n").pop();
  return (line || episode.id).slice(0, 120);
}

function draw(upTo) {
  const list = byId("list");
  list.querySelector(".more")?.remove();
  const end = Math.min(Math.max(upTo, drawn), matching.length);
  const items = [];
  for (let i = drawn; i < end; i++) items.push(option(matching[i], i));
  list.append(...items);
  drawn = end;
  if (drawn < matching.length) {
    const left = (matching.length - drawn).toLocaleString("en");
    list.append(make("li", { className: "more", role: "presentation", textContent: `Show more (${left} left)` }));
  }
}

function choose(index) {
  const list = byId("list");
  list.querySelector('[aria-selected="true"]')?.setAttribute("aria-selected", "false");
  chosen = index;
  const position = matching.indexOf(index);
  draw(PAGE * Math.ceil(Math.max(position + 1, 1) / PAGE));
  if (position < 0) {
    list.removeAttribute("aria-activedescendant");
  } else {
    const item = byId(`option-${index}`);
    item.setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", item.id);
    const below = item.offsetTop + item.offsetHeight - list.clientHeight;
    list.scrollTop = Math.min(item.offsetTop, Math.max(list.scrollTop, below));
  }
  showEpisode(position);
}

function step(by) {
  const position = Math.min(Math.max(matching.indexOf(chosen) + by, 0), matching.length - 1);
  if (position >= 0) choose(matching[position]);
  writeHash();
}

// -- one episode -----------------------------------------------------------------------------
function showEpisode(position) {
  const box = byId("episode");
  if (position < 0) {
    const none = episodes.length ? "No episode passes these filters." : "There are no episodes on this page.";
    box.replaceChildren(make("p", { className: "missing", textContent: none }));
    return;
  }
  const e = episodes[chosen];
  const previous = make("button", { type: "button", textContent: "← Previous", disabled: position === 0 });
  const next = make("button", { type: "button", textContent: "Next →", disabled: position === matching.length - 1 });
  previous.addEventListener("click", () => stepFrom(-1));
  next.addEventListener("click", () => stepFrom(1));
  const title = make("h3", {}, DATA.titles[e.transition], make("span", { className: "id", textContent: e.id }));
  const about = `${e.method} · ${e.decoding} · seed ${e.seed} · ${position + 1} of ${matching.length}`;
  box.replaceChildren(
    make("div", { className: "turning" }, previous, next),
    title,
    make("p", { className: "about", textContent: about }),
    make("h4", { textContent: "Problem" }), make("pre", { textContent: e.prompt }),
    make("h4", { textContent: "Reference" }), make("pre", { className: "reference", textContent: e.reference }),
    attempts(e),
  );
}

// Turning pages keeps the focus on the button that turned it.
function stepFrom(by) {
  step(by);
  const buttons = byId("episode").querySelectorAll(".turning button");
  const same = buttons[by < 0 ? 0 : 1];
  (same.disabled ? byId("episode") : same).focus({ preventScroll: true });
}

function attempts(episode) {
  const columns = make("div", { className: "attempts" });
  episode.attempts.forEach((attempt, i) => {
    const before = i ? changes(episode.attempts[i - 1].reply, attempt.reply) : null;
    const after = i === 0 && episode.attempts[1] ? changes(attempt.reply, episode.attempts[1].reply) : null;
    const pieces = before ? before.filter((p) => p.kind !== "gone") : after ? after.filter((p) => p.kind !== "new") : null;
    columns.append(column(attempt, i, pieces));
  });
  return columns;
}

function column(attempt, index, pieces) {
  const found = result(attempt);
  const verdict = make("p", { className: `verdict ${found}` });
  verdict.textContent = `${MARKS[found]} ${attempt.reason} (score ${attempt.score})`;
  const answer = make("p", { className: "answer" }, "Answer: ");
  answer.append(attempt.answer === null ? make("em", { textContent: "none found" }) : make("code", { textContent: attempt.answer }));
  const reply = make("pre", { className: "reply" });
  for (const piece of pieces || [{ kind: "same", text: attempt.reply }]) {
    const name = { gone: "del", new: "ins" }[piece.kind];
    reply.append(name ? make(name, { textContent: piece.text }) : piece.text);
  }
  if (!attempt.reply) reply.append(make("em", { textContent: "(empty)" }));
  const same = index && pieces && pieces.every((piece) => piece.kind === "same");
  const heading = make("h4", { textContent: `Attempt ${index + 1}` });
  const note = same ? make("p", { className: "note", textContent: "The same text as the attempt before." }) : null;
  return make("section", { className: "attempt" }, heading, verdict, answer, reply, note);
}

// -- start -----------------------------------------------------------------------------------
function onKey(event) {
  const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -matching.length, End: matching.length };
  if (event.key in by) step(by[event.key]);
  else if (event.key === "Enter" || event.key === " ") byId("episode").focus();
  else return;
  event.preventDefault();
}

function onClick(event) {
  if (event.target.closest(".more")) {
    draw(drawn + PAGE);
    return;
  }
  const item = event.target.closest("[role=option]");
  if (!item) return;
  choose(Number(item.dataset.index));
  writeHash();
  if (matchMedia("(max-width: 760px)").matches) byId("episode").scrollIntoView();
}

function startBrowser() {
  const filters = byId("filters");
  const changed = () => {
    applyFilters(chosen);
    writeHash();
  };
  buildFilters();
  byId("browser").hidden = false;
  filters.addEventListener("input", changed);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filters.addEventListener("reset", () => setTimeout(changed)); // the fields are cleared after this event
  byId("list").addEventListener("keydown", onKey);
  byId("list").addEventListener("click", onClick);
  byId("episode").addEventListener("keydown", (event) => {
    if (event.key === "Escape") byId("list").focus();
  });
  addEventListener("hashchange", readHash);
  if (!readHash()) applyFilters(-1);
}

startBrowser();
