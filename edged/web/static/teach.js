// Labels that are taught with frames of the camera.

import { $, command, el } from "./dom.js";

/** `changed` is called when labels have come or gone. */
export function teaching(changed) {
  const form = $("teach-form");
  const withPictures = document.querySelector(".screen").dataset.pictures === "on";
  const buttons = () => $("teach").querySelectorAll("button");
  let shown = []; // addresses of the pictures that are shown

  function show({ labels, remarks }) {
    const all = Object.entries(labels);
    for (const address of shown) URL.revokeObjectURL(address);
    shown = [];
    $("teach").querySelector(".empty").hidden = all.length > 0;
    const items = all.map(([label, count]) => item(label, count));
    $("taught-list").replaceChildren(...items);
    $("teach-said").textContent = remarks.join(" ");
    $("teach-said").hidden = remarks.length === 0;
    if (withPictures) showPictures(all.map(([label], place) => [label, items[place]]));
  }

  function item(label, count) {
    const forget = el("button", { className: "quiet", type: "button", textContent: "Forget", ariaLabel: `Forget ${label}` });
    forget.addEventListener("click", () => ask("forget", { label }));
    const pictures = count === 1 ? "1 picture" : `${count} pictures`;
    const head = el("div", { className: "row" }, el("span", {}, label), el("span", { className: "hint" }, pictures), forget);
    return el("li", {}, head, el("div", { className: "taught" }));
  }

  /** One label after the other: [[label, its item], ...], until others are shown. */
  async function showPictures(all) {
    for (const [label, element] of all) {
      const told = await command("taught-pictures", { label }).catch(() => ({ pictures: [] }));
      if (!element.isConnected) return;
      element.querySelector(".taught").replaceChildren(
        ...told.pictures.map(({ jpeg, source }) => {
          const bytes = Uint8Array.from(atob(jpeg), (sign) => sign.charCodeAt(0));
          const address = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
          shown.push(address);
          return el("img", { src: address, alt: `${label}, from ${source}`, title: source });
        }),
      );
    }
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
