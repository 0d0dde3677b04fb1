// The region and the privacy mask, drawn over the live picture with a mouse or a finger, or typed.

import { $, ask, command } from "./dom.js";

const POINTS = 24;
const WHOLE = [0, 0, 1, 1];

/** `setup` returns the daemon's configuration; `changed` is called after saving. */
export function drawing(setup, changed) {
  const canvas = $("drawing");
  const image = $("picture");
  const tools = $("tools");
  let tool = null; // "region" or "privacy"
  let shape = null; // points [x, y] in 0..1 of the shown picture
  let from = null;

  // ---- from the shown picture (the region) to the whole one and back

  const region = () => setup().region ?? WHOLE;
  const round = (value) => Math.round(Math.min(1, Math.max(0, value)) * 1e4) / 1e4;
  const toWhole = ([x, y]) => {
    const [left, top, width, height] = region();
    return [round(left + x * width), round(top + y * height)];
  };
  const toShown = ([x, y]) => {
    const [left, top, width, height] = region();
    return [(x - left) / width, (y - top) / height];
  };

  /** Where the picture is on the canvas, between its bars. */
  function box() {
    const { clientWidth: width, clientHeight: height } = canvas;
    const ratio = (image.naturalWidth || 4) / (image.naturalHeight || 3);
    const [w, h] = width / height > ratio ? [height * ratio, height] : [width, width / ratio];
    return { left: (width - w) / 2, top: (height - h) / 2, width: w, height: h };
  }

  function point(event) {
    const { left, top, width, height } = box();
    const edge = canvas.getBoundingClientRect();
    const clamp = (value) => Math.min(1, Math.max(0, value));
    return [clamp((event.clientX - edge.left - left) / width), clamp((event.clientY - edge.top - top) / height)];
  }

  // ---- drawing

  function paint() {
    const scale = devicePixelRatio;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const { left, top, width, height } = box();
    const trace = (points) => {
      pen.beginPath();
      for (const [x, y] of points) pen.lineTo(left + x * width, top + y * height);
      pen.closePath();
    };
    pen.lineWidth = 2.5;
    pen.strokeStyle = "#ffd33d";
    if (tool === "privacy") {
      pen.fillStyle = "rgb(0 0 0 / 55%)";
      for (const polygon of setup().privacy ?? []) {
        trace(corners(polygon.map(toShown)));
        pen.fill();
        pen.stroke();
      }
    }
    if (!shape) return;
    if (tool === "region") {
      pen.fillStyle = "rgb(0 0 0 / 55%)";
      pen.fillRect(left, top, width, height);
      const [[x, y], [right, bottom]] = shape;
      pen.clearRect(left + x * width, top + y * height, (right - x) * width, (bottom - y) * height);
      trace(corners(shape));
    } else {
      pen.fillStyle = "rgb(255 211 61 / 35%)";
      trace(corners(shape));
      pen.fill();
    }
    pen.stroke();
  }

  function corners(points) {
    if (points.length !== 2) return points;
    const [[left, top], [right, bottom]] = points;
    return [[left, top], [right, top], [right, bottom], [left, bottom]];
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = point(event);
    shape = [from];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from) return;
    const to = point(event);
    if (tool === "region") shape = rectangle(from, to);
    else shape.push(to);
    paint();
  });
  canvas.addEventListener("pointerup", () => {
    if (!from) return;
    from = null;
    if (tool === "privacy") shape = simpler(shape);
    if (area(corners(shape)) < 1e-4) shape = null;
    showNumbers();
    paint();
  });
  canvas.addEventListener("pointercancel", () => {
    from = shape = null;
    showNumbers();
    paint();
  });
  addEventListener("resize", () => tool && paint());

  const rectangle = ([ax, ay], [bx, by]) => [
    [Math.min(ax, bx), Math.min(ay, by)],
    [Math.max(ax, bx), Math.max(ay, by)],
  ];

  // ---- as numbers, for the keyboard

  const numbers = ["left", "top", "right", "bottom"].map((name) => $(`draw-${name}`));

  function showNumbers() {
    const points = shape ?? [[0, 0], [1, 1]];
    const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
    const edges = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    numbers.forEach((field, place) => (field.value = Math.round(100 * edges[place])));
    $("draw-save").disabled = shape === null;
  }
  for (const field of numbers) {
    field.addEventListener("input", () => {
      const [left, top, right, bottom] = numbers.map(({ value }) => Math.min(100, Math.max(0, Number(value))) / 100);
      shape = rectangle([left, top], [right, bottom]);
      if (area(corners(shape)) < 1e-4) shape = null;
      $("draw-save").disabled = shape === null;
      paint();
    });
  }

  // ---- saving

  function choose(wanted) {
    tool = wanted === tool ? null : wanted;
    shape = null;
    tools.hidden = canvas.hidden = tool === null;
    for (const name of ["region", "privacy"]) $(`draw-${name}`).setAttribute("aria-pressed", tool === name);
    if (tool === null) return;
    $("draw-hint").textContent =
      tool === "region"
        ? "Draw a rectangle: edged classifies only this part. Or type its edges, in percent of the shown picture."
        : "Draw around the part to hide. Or type the edges of a rectangle, in percent of the shown picture.";
    $("draw-clear").textContent = tool === "region" ? "Whole picture" : "Hide nothing";
    $("draw-problem").hidden = true;
    showNumbers();
    paint();
  }

  /** The daemon's present configuration: another page may have changed it. */
  async function present() {
    const told = await ask("/status.json");
    if (!told.setup) throw new Error(told.trouble);
    if (String(told.setup.region) === String(setup().region)) return told.setup;
    await changed();
    throw new Error("The region has changed: draw again.");
  }

  /** `fields` returns what to save, given the daemon's configuration. */
  async function save(fields) {
    await send(async () => command("save", fields(await present())));
  }

  async function send(asked) {
    try {
      await asked();
      choose(null);
      await changed();
    } catch (error) {
      if (tool === null) choose("privacy");
      $("draw-problem").textContent = error.message;
      $("draw-problem").hidden = false;
    }
  }

  $("draw-region").addEventListener("click", () => choose("region"));
  $("draw-privacy").addEventListener("click", () => choose("privacy"));
  $("draw-cancel").addEventListener("click", () => choose(null));
  $("undo").addEventListener("click", () => send(() => command("undo")));
  $("draw-clear").addEventListener("click", () => save(() => (tool === "region" ? { region: WHOLE } : { privacy: [] })));
  $("draw-save").addEventListener("click", () => {
    const points = shape.map(toWhole);
    if (tool === "privacy") return save(({ privacy }) => ({ privacy: [...privacy, points] }));
    const [[left, top], [right, bottom]] = points;
    return save(() => ({ region: [left, top, round(right - left), round(bottom - top)] }));
  });
}

/** The area of a polygon, as a fraction of the picture. */
function area(points) {
  let twice = 0;
  points.forEach(([x, y], place) => {
    const [nextX, nextY] = points[(place + 1) % points.length];
    twice += x * nextY - nextX * y;
  });
  return Math.abs(twice) / 2;
}

/** A line simplified to at most POINTS points (Ramer, Douglas and Peucker). */
function simpler(points) {
  for (let tolerance = 0.004; ; tolerance *= 1.5) {
    const kept = reduced(points, tolerance);
    if (kept.length <= POINTS) return kept;
  }
}

function reduced(points, tolerance) {
  if (points.length < 3) return points;
  const [[ax, ay], [bx, by]] = [points[0], points.at(-1)];
  const length = Math.hypot(bx - ax, by - ay);
  let farthest = 0;
  let most = -1;
  points.forEach(([x, y], place) => {
    const away = length ? Math.abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length : Math.hypot(x - ax, y - ay);
    if (away > most) [most, farthest] = [away, place];
  });
  if (most <= tolerance || farthest === 0 || farthest === points.length - 1) return [points[0], points.at(-1)];
  return [...reduced(points.slice(0, farthest + 1), tolerance), ...reduced(points.slice(farthest), tolerance).slice(1)];
}
