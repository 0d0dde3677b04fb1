// The live picture: loaded while the page is visible, and requested again when it freezes.

import { $ } from "./dom.js";

const WATCHDOG_MS = 8000;

export function livePicture() {
  const image = $("picture");
  if (document.querySelector(".screen").dataset.pictures === "off") return { frameCame() {} };
  let seenMs = 0;
  let startedMs = 0;

  function start() {
    startedMs = seenMs = performance.now();
    image.src = `/live/picture.mjpeg?${Date.now()}`;
  }
  function stop() {
    // End the stream: otherwise the browser would continue to load it.
    image.removeAttribute("src");
    image.classList.remove("shown");
  }
  image.addEventListener("load", () => image.classList.add("shown"));
  image.addEventListener("error", () => {
    image.classList.remove("shown");
    setTimeout(() => document.hidden || start(), 2000);
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  // Some browsers end a stream silently; the picture then has no size.
  setInterval(() => {
    const now = performance.now();
    if (image.naturalWidth) image.classList.add("shown");
    if (!document.hidden && now - seenMs < 2000 && now - startedMs > WATCHDOG_MS && !image.naturalWidth) start();
  }, 1000);
  if (!document.hidden) start();
  return {
    /** Frames are classified, so pictures should arrive, too. */
    frameCame() {
      seenMs = performance.now();
    },
  };
}
