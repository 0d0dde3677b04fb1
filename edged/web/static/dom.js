// The page's elements. Text is set as text: nothing that arrives is parsed as HTML.

export const $ = (id) => document.getElementById(id);

/** An element with properties and children. */
export function el(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

export const percent = (score) => `${Math.round(100 * score)}%`;

/** A bar for a score in 0..1, with marks where thresholds are. */
export function meter(score, { on = false, enter = null, exit = null } = {}) {
  const fill = el("i");
  fill.style.width = `${100 * score}%`;
  const bar = el("div", { className: on ? "meter on" : "meter" }, fill);
  for (const [kind, level] of [["enter", enter], ["exit", exit]]) {
    if (level === null) continue;
    const tick = el("b", { className: kind });
    tick.style.left = `calc(${100 * level}% - 1px)`;
    bar.append(tick);
  }
  return bar;
}

/** Class names with their scores as bars: [[name, score], ...]. */
export function bars(list, classes) {
  list.replaceChildren(
    ...classes.map(([name, score]) =>
      el("li", {}, el("span", { className: "name", textContent: name, title: name }), el("span", { className: "value", textContent: percent(score) }), meter(score)),
    ),
  );
}

/** The server's answer as JSON; an Error with its one line if it refuses. */
export async function ask(path, options = {}) {
  const answer = await fetch(path, { cache: "no-store", ...options });
  if (answer.status === 401) location.assign("/login");
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error ?? body.message ?? `the server answered ${answer.status}`);
  return body;
}

/** A command of the daemon. */
export const command = (name, fields = {}) =>
  ask("/command", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ command: name, ...fields }),
  });
