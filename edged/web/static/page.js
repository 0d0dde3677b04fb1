// The page: what the daemon sees, and the commands that it accepts.

import { $, ask, bars, command, el, meter, percent } from "./dom.js";
import { drawing } from "./draw.js";
import { ownPicture } from "./own.js";
import { livePicture } from "./picture.js";
import { plot } from "./plot.js";
import { ruleForm } from "./rule.js";
import { teaching } from "./teach.js";

const KEPT_S = 60;
const STATUS_MS = 3000;
const STALE_MS = 10_000; // An older frame does not count as live.

let setup = { rules: {}, outputs: {} };
let past = { events: [] };
let metrics = null;
let scores = []; // [{t, rules: {name: score}}]
let classes = []; // [{t, labels: {name: score}}]
let timings = []; // [{t, stages}]
let rates = []; // [[t, fps]]
let attention = null; // "paused" or "idle": no frame is expected
let trouble = null; // why the daemon does not answer
let connected = true;
let frame = { t: null, cameMs: performance.now() };
let newestEvent = null;

const picture = livePicture();
ownPicture();
drawing(() => setup, refresh);
const form = ruleForm(() => classes, refresh);
teaching(refresh);

const clock = new Intl.DateTimeFormat([], { timeStyle: "medium" });
const seconds = (time) => Date.parse(time) / 1000;

// ---- with each frame

function showState(state) {
  showTrouble(state.trouble);
  const { live, rules } = state;
  if (live.frame !== undefined) showLive(live, rules);
  for (const [name, output] of Object.entries(state.outputs)) showLevel(name, output.value, output.error);
  if (state.event !== newestEvent) {
    if (newestEvent !== null || state.event !== null) refresh();
    newestEvent = state.event;
  }
}

function showLive(live, rules) {
  picture.frameCame();
  const scene = live.scene ?? "undecided";
  if ($("scene").textContent !== scene) $("scene").textContent = scene;
  bars($("classes"), live.results.slice(0, 5).map(({ label, score }) => [label, score]));
  $("when").textContent = clock.format(new Date(live.captured));
  const now = seconds(live.captured);
  if (now === frame.t) return;
  frame = { t: now, cameMs: performance.now() };
  scores.push({ t: now, rules: Object.fromEntries(Object.entries(rules).map(([name, rule]) => [name, rule.score])) });
  timings.push({ t: now, stages: live.stages_ms });
  classes.push({ t: now, labels: Object.fromEntries(live.results.map(({ label, score }) => [label, score])) });
  classes = classes.filter(({ t }) => t >= now - KEPT_S);
  form.frameCame();
  scores = scores.filter(({ t }) => t >= now - KEPT_S);
  timings = timings.filter(({ t }) => t >= now - KEPT_S);
  for (const [name, rule] of Object.entries(rules)) showRule(name, rule, now);
}

function distance(rule, { enter, exit }) {
  const away = rule.active ? rule.score - exit : enter - rule.score;
  if (rule.active) return away < 0 ? "ends soon" : `${percent(away)} above where it ends`;
  return away <= 0 ? "begins soon" : `${percent(away)} below where it begins`;
}

function showRule(name, rule, now) {
  const item = items.rules.get(name);
  if (!item) return;
  const thresholds = setup.rules[name];
  item.pill.textContent = rule.active ? "on" : "off";
  item.pill.dataset.state = rule.active ? "on" : "";
  item.meter.replaceChildren(meter(rule.score, { on: rule.active, ...thresholds }));
  item.detail.textContent = `${percent(rule.score)}, ${distance(rule, thresholds)} · since ${clock.format(new Date(rule.since))}`;
  const points = scores.filter((entry) => Object.hasOwn(entry.rules, name)).map((entry) => [entry.t, entry.rules[name]]);
  item.plot.replaceChildren(
    plot(points, {
      levels: [thresholds.enter, thresholds.exit],
      span: [now - KEPT_S, now],
      most: 1,
      label: `Score of ${name} over the last minute`,
    }),
  );
}

function showTrouble(told) {
  trouble = told;
  // A screen reader would read an unchanged text again.
  if ($("trouble").textContent !== (trouble ?? "")) $("trouble").textContent = trouble ?? "";
  $("trouble").hidden = trouble === null;
  showLink();
}

function showLink() {
  const [state, text] = presence();
  const pill = $("link");
  if (pill.textContent !== text) pill.textContent = text;
  pill.dataset.state = state;
  $("dot").classList.toggle("on", state === "on");
}

function presence() {
  if (!connected) return ["bad", "no connection"];
  if (trouble) return ["bad", "daemon unreachable"];
  if (attention) return ["wait", attention];
  const waitedMs = performance.now() - frame.cameMs;
  return waitedMs < STALE_MS ? ["on", "live"] : ["bad", `no frame for ${span(waitedMs / 1000)}`];
}

function span(seconds) {
  return seconds < 120 ? `${10 * Math.floor(seconds / 10)} s` : `${Math.floor(seconds / 60)} min`;
}

// ---- rules and outputs, as configured

const items = { rules: new Map(), outputs: new Map() };

function build() {
  items.rules.clear();
  $("rule-list").replaceChildren(
    ...Object.entries(setup.rules).map(([name, rule]) => {
      const item = {
        pill: el("span", { className: "pill", textContent: "off" }),
        meter: el("div"),
        detail: el("p", { className: "detail", textContent: "no score yet" }),
        plot: el("div"),
      };
      items.rules.set(name, item);
      const labels = el("p", { className: "detail", textContent: rule.labels.join(", "), title: rule.labels.join(", ") });
      const head = el("div", { className: "head" }, el("h3", { textContent: name }), labels, item.pill);
      const remove = rule.saved ? el("button", { className: "remove", textContent: "Remove", ariaLabel: `Remove the rule ${name}` }) : null;
      remove?.addEventListener("click", () => command("save", { remove_rule: name }).then(refresh, (error) => (item.detail.textContent = error.message)));
      return el("li", {}, head, item.meter, item.plot, item.detail, remove);
    }),
  );
  form.labels(setup.labels);
  $("undo").hidden = !setup.undo;
  items.outputs.clear();
  $("output-list").replaceChildren(...Object.entries(setup.outputs).map(([name, output]) => outputItem(name, output)));
  document.querySelector("#rules .empty").hidden = items.rules.size > 0;
  document.querySelector("#outputs .empty").hidden = items.outputs.size > 0;
}

const DURATIONS = [
  [0, "until its rule changes"],
  [60, "for a minute"],
  [600, "for 10 minutes"],
  [3600, "for an hour"],
];

function outputItem(name, output) {
  const many = output.device === "pwm" || output.device === "servo";
  const item = {
    pill: el("span", { className: "pill", textContent: "–" }),
    detail: el("p", { className: "detail" }),
    problem: el("p", { className: "problem", hidden: true }),
    what: output.rule ? `${output.device}, ${output.action} ${output.rule}` : `${output.device}, by hand`,
    byHand: "",
    range: null,
  };
  item.detail.textContent = item.what;
  items.outputs.set(name, item);
  const duration = el("select", { ariaLabel: `How long ${name} is set by hand` });
  const durations = output.rule ? DURATIONS : [[0, "until set again"], ...DURATIONS.slice(1)];
  duration.append(...durations.map(([value, text]) => el("option", { value, textContent: text })));
  const set = async (value) => {
    try {
      await command("set-output", { name, value, for_s: Number(duration.value) });
      item.problem.hidden = true;
      await refresh();
    } catch (error) {
      item.problem.textContent = error.message;
      item.problem.hidden = false;
    }
  };
  const button = (text, value) =>
    el("button", { className: "quiet", textContent: text, ariaLabel: `${name} ${text.toLowerCase()}`, onclick: () => set(value) });
  if (many) {
    item.range = el("input", { type: "range", min: 0, max: 1, step: 0.01, ariaLabel: `Value of ${name}` });
    item.range.addEventListener("change", () => set(Number(item.range.value)));
  }
  const controls = el("div", { className: "row" }, button("On", 1), button("Off", 0), duration);
  const head = el("div", { className: "head" }, el("h3", { textContent: name }), item.pill);
  return el("li", {}, head, item.detail, controls, item.range, item.problem);
}

function showLevel(name, value, error) {
  const item = items.outputs.get(name);
  if (!item) return;
  item.pill.textContent = item.range ? percent(value) : value ? "on" : "off";
  item.pill.dataset.state = error ? "bad" : value ? "on" : "";
  if (item.range && document.activeElement !== item.range) item.range.value = value;
  item.detail.textContent = [item.what, item.byHand, error].filter(Boolean).join(" · ");
}

// ---- events

function showEvents() {
  const list = past.events;
  document.querySelector("#events .empty").hidden = list.length > 0;
  $("event-list").replaceChildren(...list.map(eventItem));
  const [newest] = list;
  const said = newest ? `${newest.rule} ${newest.active ? "on" : "off"} at ${clock.format(new Date(newest.decided))}` : "";
  if ($("said").textContent !== said) $("said").textContent = said;
}

const REASONS = { camera: "the camera delivered no picture", stop: "edged stopped", restart: "edged was restarted" };

function eventItem(event) {
  const what = `${event.rule} ${event.active ? "on" : "off"}`;
  const thumb = el("div", { className: "thumb" }, event.thumbnail ? el("img", { src: `/live/events/${encodeURIComponent(event.id)}.jpg`, alt: `Picture at ${what}`, loading: "lazy" }) : "no picture");
  const pill = el("span", { className: "pill", textContent: event.active ? "on" : "off" });
  pill.dataset.state = event.active ? "on" : "";
  const onset = seconds(event.onset);
  const decided = seconds(event.decided);
  const waited = decided - onset;
  const why = event.reason
    ? `because ${REASONS[event.reason] ?? event.reason}`
    : event.cause ? event.cause
    : `onset ${clock.format(new Date(event.onset))}, decided ${waited < 0.95 ? `${Math.round(1000 * waited)} ms` : `${waited.toFixed(1)} s`} later at ${percent(event.score)}`;
  const rule = Object.hasOwn(setup.rules, event.rule) ? setup.rules[event.rule] : null;
  const curve = event.scores.length > 1
    ? plot(event.scores, { levels: rule ? [event.active ? rule.enter : rule.exit] : [], marks: [onset], most: 1, label: `Score of ${event.rule} around its onset` })
    : null;
  return el(
    "li",
    {},
    thumb,
    el("div", { className: "head" }, el("h3", { textContent: event.rule }), el("time", { className: "detail", dateTime: event.decided, textContent: clock.format(new Date(event.decided)) }), pill),
    curve,
    el("p", { className: "detail", textContent: why }),
  );
}

// ---- health

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const ms = (value) => (value < 1 ? `${value.toFixed(2)} ms` : `${value.toFixed(1)} ms`);

function showHealth(before) {
  const { status, journal, mqtt } = metrics;
  if (before && metrics.uptime_s > before.uptime_s) {
    rates.push([Date.now() / 1000, (status.frames - before.status.frames) / (metrics.uptime_s - before.uptime_s)]);
    rates = rates.slice(-KEPT_S);
    $("fps").replaceChildren(plot(rates, { label: "Frames per second" }));
    $("fps-now").textContent = rates.at(-1)[1].toFixed(1);
  }
  const times = timings.map(({ t, stages }) => [t, Object.values(stages).reduce((sum, value) => sum + value, 0)]);
  if (times.length > 1) {
    $("frame").replaceChildren(plot(times, { label: "Milliseconds per frame" }));
    $("frame-now").textContent = ms(median(times.map(([, value]) => value)));
    $("stages").replaceChildren(
      ...[...new Set(timings.flatMap(({ stages }) => Object.keys(stages)))].map((stage) =>
        el("li", {}, `${stage} `, el("b", { textContent: ms(median(timings.flatMap(({ stages }) => stages[stage] ?? []))) })),
      ),
    );
  }
  const facts = [
    ["Camera", status.camera_error ?? status.camera, status.camera_error],
    ["Model", status.model],
    ...(status.camera_failures ? [["Failures", `${status.camera_failures}; the last: ${status.camera_last_error}`]] : []),
    ["Frames", `${status.frames - status.still} classified, ${status.still} still, ${status.dropped} unused`],
    ["Broker", mqtt === null ? "MQTT is off" : mqtt.connected ? "connected" : ["disconnected", status.broker_error].filter(Boolean).join(": "), mqtt && !mqtt.connected],
    ["Journal", journal.error ?? `${journal.last} events, ${journal.waiting} not yet stored`, journal.error],
    ["Pins", status.pins_error ?? "OK", status.pins_error],
    ["Memory", `${Math.round(metrics.memory_mb)} MB`],
    ["Running", `since ${new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" }).format(new Date(Date.now() - 1000 * metrics.uptime_s))}`],
  ];
  if (metrics.temperature_c !== null) facts.push(["Temperature", `${metrics.temperature_c.toFixed(0)} °C${metrics.throttled ? ", throttled" : ""}`, metrics.throttled]);
  for (const problem of status.broker_problems) facts.push(["Broker", problem, true]);
  $("facts").replaceChildren(
    ...facts.flatMap(([name, text, bad]) => [el("dt", { textContent: name }), el("dd", { textContent: text, className: bad ? "bad" : "" })]),
  );
}

// ---- the rest

async function refresh() {
  let told;
  try {
    told = await ask("/status.json");
  } catch {
    return; // The stream of states reports this, too.
  }
  past = told.past;
  if (!scores.length) scores = past.scores;
  if (told.setup) {
    if (JSON.stringify(told.setup) !== JSON.stringify(setup)) {
      setup = told.setup;
      build();
    }
    const before = metrics;
    metrics = told.metrics;
    const { paused, idle } = metrics.status;
    attention = paused ? "paused" : idle ? "idle" : null;
    $("pause").textContent = paused ? "Resume" : "Pause";
    $("pause").setAttribute("aria-pressed", paused);
    for (const [name, value] of Object.entries(metrics.status.outputs)) {
      const left = metrics.status.by_hand[name];
      const item = items.outputs.get(name);
      if (item) item.byHand = left === undefined ? "" : left === null ? "set by hand" : `set by hand, ${Math.ceil(left)} s left`;
      showLevel(name, value, null);
    }
    showHealth(before);
  }
  showTrouble(told.trouble);
  showEvents();
}

$("pause").addEventListener("click", async () => {
  await command(metrics?.status.paused ? "resume" : "pause").catch((error) => showTrouble(error.message));
  await refresh();
});

let stream = null;
function follow() {
  stream?.close();
  stream = new EventSource("/live/state");
  stream.onopen = () => (connected = true);
  stream.onmessage = (message) => showState(JSON.parse(message.data));
  stream.onerror = () => {
    connected = false;
    showLink();
    // The browser does not retry a refused stream.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => stream?.readyState === EventSource.CLOSED && follow(), STATUS_MS);
  };
}
// Browsers allow six connections to one host: a hidden page keeps none.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream?.close();
    stream = null;
  } else {
    follow();
    refresh();
  }
});
setInterval(() => document.hidden || refresh(), STATUS_MS);
setInterval(() => document.hidden || showLink(), 1000);
await refresh();
follow();
