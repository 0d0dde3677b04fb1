// Labels that are taught with frames of the camera.

import { $, command, el } from "./dom.js";

/** `changed` is called when labels have come or gone. */
export function teaching(changed) {
  const form = $("teach-form");
  const buttons = () => $("teach").querySelectorAll("button");

  function show({ labels, remarks }) {
    const all = Object.entries(labels);
    $("teach").querySelector(".empty").hidden = all.length > 0;
    $("taught-list").replaceChildren(...all.map(([label, count]) => item(label, count)));
    $("teach-said").textContent = remarks.join(" ");
    $("teach-said").hidden = remarks.length === 0;
  }

  function item(label, count) {
    const forget = el("button", { className: "quiet", type: "button", textContent: "Forget" });
    forget.addEventListener("click", () => ask("forget", { label }));
    const pictures = count === 1 ? "1 picture" : `${count} pictures`;
    return el("li", { className: "row" }, el("span", {}, label), el("span", { className: "hint" }, pictures), forget);
  }

  async function ask(name, fields = {}) {
    $("teach-problem").hidden = true;
    for (const button of buttons()) button.disabled = true;
    let done = true;
    try {
      show(await command(name, fields));
      if (name !== "taught") await changed();
    } catch (error) {
      done = false;
      $("teach-problem").textContent = error.message;
      $("teach-problem").hidden = false;
    }
    for (const button of buttons()) button.disabled = false;
    return done;
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await ask("teach", { label: form.elements.label.value.trim() })) form.reset();
  });
  $("teach-undo").addEventListener("click", () => ask("undo-teaching"));
  ask("taught");
}
