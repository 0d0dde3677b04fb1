// Small plots as SVG. Sizes are attributes, not styles, which the page's policy would refuse.

const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/**
 * A line through points [[seconds, value], ...], oldest first.
 * levels: values to mark across; marks: seconds to mark from top to bottom; span: [from, to] in
 * seconds, by default that of the points; most: the value at the top, by default the greatest.
 */
export function plot(points, { levels = [], marks = [], span = null, most = null, label = "" } = {}) {
  const svg = make("svg", { class: "plot", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img" });
  svg.setAttribute("aria-label", label);
  const [from, to] = span ?? [points[0]?.[0] ?? 0, points.at(-1)?.[0] ?? 1];
  const top = most ?? Math.max(1e-9, ...points.map((point) => point[1])) * 1.15;
  const x = (seconds) => (100 * (seconds - from)) / Math.max(to - from, 1e-9);
  const y = (value) => 39 - (38 * Math.min(value, top)) / top;
  for (const level of levels) svg.append(make("line", { class: "level", x1: 0, x2: 100, y1: y(level), y2: y(level) }));
  for (const mark of marks) svg.append(make("line", { class: "mark", x1: x(mark), x2: x(mark), y1: 0, y2: 40 }));
  const shown = points.filter(([seconds]) => seconds >= from && seconds <= to);
  if (shown.length > 1) {
    const line = shown.map(([seconds, value]) => `${x(seconds).toFixed(2)} ${y(value).toFixed(2)}`).join("L");
    svg.append(make("path", { class: "area", d: `M${x(shown[0][0])} 40L${line}L${x(shown.at(-1)[0])} 40Z` }));
    svg.append(make("path", { class: "line", d: `M${line}` }));
  }
  return svg;
}
