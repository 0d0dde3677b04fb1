// The user's own picture: chosen, dropped, pasted or taken, and classified on the device.

import { $, ask, bars } from "./dom.js";

let shown = null;

export async function classify(file) {
  const problem = $("own-problem");
  problem.hidden = true;
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(file);
  const image = $("own-picture");
  image.src = shown;
  image.alt = file.name || "Your picture";
  image.hidden = false;
  image.onerror = () => (image.hidden = true);
  $("own-classes").replaceChildren();
  const form = new FormData();
  form.append("image", file, file.name || "picture");
  try {
    const answer = await ask("/model/predict", { method: "POST", body: form });
    bars($("own-classes"), answer.predictions.map(({ label, probability }) => [label, probability]));
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
}

/** Classifies a picture that another application has shared; its name is in the address. */
async function classifyShared() {
  const name = new URLSearchParams(location.hash.slice(1)).get("shared");
  if (!name) return;
  history.replaceState(null, "", "#own");
  $("own").scrollIntoView();
  const answer = await fetch(`/shared/${encodeURIComponent(name)}`, { cache: "no-store" });
  if (answer.ok) await classify(new File([await answer.blob()], "Shared picture"));
}

export function ownPicture() {
  classifyShared();
  const drop = $("drop");
  for (const id of ["file", "photo"]) {
    $(id).addEventListener("change", (event) => {
      const [file] = event.target.files;
      if (file) classify(file);
      event.target.value = "";
    });
  }
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) classify(file);
  });
  document.addEventListener("paste", (event) => {
    const [file] = event.clipboardData.files;
    if (file) classify(file);
  });
}
