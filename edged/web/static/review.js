// Frames that the model was least sure of: accepted, corrected or discarded, then taught.

import { $, ask, bars, command, el } from "./dom.js";

const REFRESH_MS = 5000;
const BECAUSE = {
  margin: "Two labels score alike",
  unknown: "It looks unknown to the model",
  taught: "It is half like what was taught",
};

const list = $("kept");
const items = new Map(); // by number
const clock = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium" });
let lastLabel = ""; // offered for the next correction

function show(told) {
  if (told.labels) $("labels").replaceChildren(...told.labels.slice(0, 2000).map((value) => el("option", { value })));
  const present = new Set(told.pictures.map(({ number }) => number));
  for (const [number, item] of items) {
    if (present.has(number)) continue;
    item.element.remove();
    items.delete(number);
  }
  for (const picture of told.pictures) {
    if (!items.has(picture.number)) {
      items.set(picture.number, newItem(picture));
      list.append(items.get(picture.number).element);
    }
    items.get(picture.number).update(picture);
  }
  const decided = told.pictures.filter(({ verdict }) => verdict).length;
  $("review-count").textContent = `${decided} of ${told.pictures.length} decided`;
  $("review-teach").disabled = decided === 0;
  $("review-empty").hidden = told.pictures.length > 0;
  $("review-empty").textContent = told.enabled
    ? "No picture is kept yet. They come when the model is unsure."
    : "No picture is kept: set review.enabled to true in the configuration.";
}

function newItem(first) {
  const { number, results } = first;
  const best = results[0].label;
  let picture = first;
  const said = el("p", { className: "said" });
  const input = el("input", { name: "label", required: true, maxLength: 64, autocomplete: "off", ariaLabel: `Label of picture ${number}` });
  input.setAttribute("list", "labels");
  const form = el("form", { className: "row", hidden: true }, input, el("button", { className: "primary", textContent: "Save" }));
  const button = (text, key, act) => {
    const made = el("button", { className: "quiet", type: "button", textContent: text });
    made.setAttribute("aria-keyshortcuts", key);
    made.addEventListener("click", act);
    return made;
  };
  const scores = el("ol", { className: "bars", ariaLabel: "Best classes" });
  bars(scores, results.slice(0, 3).map(({ label, score }) => [label, score]));
  const actions = {
    a: () => decide("accept"),
    c: correct,
    d: () => decide("discard"),
  };
  const element = el(
    "li",
    { tabIndex: 0, ariaLabel: `Picture ${number}` },
    el("img", { src: `/review/${number}.jpg`, alt: `Frame ${number}, taken for ${best}`, loading: "lazy", width: 480, height: 360 }),
    el("p", { className: "detail", textContent: `${clock.format(new Date(first.time))} · ${BECAUSE[first.because]}` }),
    scores,
    said,
    form,
    el("div", { className: "row" }, button(`Accept ${best}`, "A", actions.a), button("Correct", "C", actions.c), button("Discard", "D", actions.d)),
  );

  function correct() {
    form.hidden = false;
    input.value = picture.label ?? lastLabel;
    input.focus();
    input.select();
  }

  async function decide(verdict, label = "") {
    // Whoever sees a decision may change it; one that is not seen here yet stays.
    const fields = { numbers: [number], verdict, label, again: picture.verdict !== null };
    if (await send("review-decide", fields)) {
      form.hidden = true;
      const next = nextUndecided(number);
      next?.element.focus();
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    lastLabel = input.value.trim();
    decide("correct", lastLabel);
  });
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !form.hidden) {
      form.hidden = true;
      element.focus();
    }
    if (event.target !== element || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = actions[event.key.toLowerCase()];
    const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!act && !move) return;
    event.preventDefault();
    if (act) act();
    else (move > 0 ? element.nextElementSibling : element.previousElementSibling)?.focus();
  });

  return {
    element,
    decided: () => picture.verdict !== null,
    update(now) {
      picture = now;
      element.dataset.verdict = now.verdict ?? "";
      said.textContent = now.verdict ? `${now.verdict === "accepted" ? "Accepted" : "Corrected"}: ${now.label}, by ${now.decided_by}` : "";
    },
  };
}

/** The first one after `number` that nobody has decided on; the list goes around. */
function nextUndecided(number) {
  const all = [...items];
  const after = all.filter(([other]) => other > number);
  return [...after, ...all].find(([other, item]) => other !== number && !item.decided())?.[1];
}

async function send(name, fields = {}) {
  $("review-problem").hidden = true;
  try {
    const told = await command(name, fields);
    if (name === "review-teach") {
      const taught = Object.entries(told.labels).map(([label, count]) => `${label} (${count})`);
      $("review-said").textContent = [`Taught now: ${taught.join(", ")}.`, ...told.remarks].join(" ");
    } else {
      show(told);
    }
    return true;
  } catch (error) {
    $("review-problem").textContent = error.message;
    $("review-problem").hidden = false;
    await refresh();
    return false;
  }
}

async function refresh() {
  try {
    show(await ask("/review.json"));
  } catch (error) {
    $("review-empty").textContent = error.message;
    $("review-empty").hidden = items.size > 0;
  }
}

$("review-teach").addEventListener("click", async () => {
  $("review-teach").disabled = true;
  await send("review-teach");
  $("review-teach").disabled = false;
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());
setInterval(() => document.hidden || refresh(), REFRESH_MS);
await refresh();
