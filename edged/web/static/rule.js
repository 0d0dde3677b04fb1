// The form of a new rule: a label, and thresholds shown over its recent scores.

import { $, command, el } from "./dom.js";
import { plot } from "./plot.js";

/** `classes` returns [{t, labels: {name: score}}] of the last minute; `changed` is called after saving. */
export function ruleForm(classes, changed) {
  const form = $("rule-form");
  const fields = form.elements;
  let named = false; // whether the name was typed

  function show() {
    const enter = Number(fields.enter.value) / 100;
    const exit = Number(fields.exit.value) / 100;
    for (const name of ["enter", "exit"]) $(`${name}-now`).textContent = `${fields[name].value}%`;
    const seen = classes();
    const now = seen.at(-1)?.t ?? 0;
    const label = fields.label.value;
    $("rule-preview").replaceChildren(
      plot(seen.map(({ t, labels }) => [t, Object.hasOwn(labels, label) ? labels[label] : 0]), {
        levels: [enter, exit],
        span: [now - 60, now],
        most: 1,
        label: `Score of ${label} over the last minute, with both thresholds`,
      }),
    );
  }

  fields.name.addEventListener("input", () => (named = true));
  fields.label.addEventListener("input", () => {
    if (!named) fields.name.value = asName(fields.label.value);
    show();
  });
  fields.enter.addEventListener("input", () => {
    if (Number(fields.exit.value) > Number(fields.enter.value)) fields.exit.value = fields.enter.value;
    show();
  });
  fields.exit.addEventListener("input", () => {
    if (Number(fields.exit.value) > Number(fields.enter.value)) fields.enter.value = fields.exit.value;
    show();
  });
  $("new-rule").addEventListener("toggle", () => {
    if (!$("new-rule").open) return;
    const best = Object.entries(classes().at(-1)?.labels ?? {}).sort((a, b) => b[1] - a[1])[0];
    if (best && !fields.label.value) fields.label.value = best[0];
    if (!named) fields.name.value = asName(fields.label.value);
    show();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [enter, exit] = [Number(fields.enter.value) / 100, Number(fields.exit.value) / 100];
    $("rule-problem").hidden = true;
    try {
      await command("save", { rule: { name: fields.name.value, labels: [fields.label.value], enter, exit } });
      named = false;
      fields.label.value = fields.name.value = "";
      $("new-rule").open = false;
      await changed();
    } catch (error) {
      $("rule-problem").textContent = error.message;
      $("rule-problem").hidden = false;
    }
  });

  return {
    /** Offer the labels that a rule can name. */
    labels(all) {
      $("labels").replaceChildren(...all.slice(0, 2000).map((value) => el("option", { value })));
    },
    /** Another frame has arrived. */
    frameCame() {
      if ($("new-rule").open) show();
    },
  };
}

/** A label as the name of a rule: only letters, digits, _ . and -. */
const asName = (label) => label.split(",")[0].trim().replace(/[^A-Za-z0-9_.-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 64);
