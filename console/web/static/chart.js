// A chart of one or two lines over time, drawn as SVG; what it shows stands below it as a table too.
import { element, localTime, texts } from "./common.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600, HEIGHT = 180, LEFT = 46, BOTTOM = 18, TOP = 6;
const GAP_MS = 150000;  // two points further apart are not joined: nothing was heard between
const ROUND_STEPS = [1, 2, 2.5, 5, 10];
const TABLE_ROWS = 12;

function svg(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function roundTop(highest) {
  if (!(highest > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(highest));
  return ROUND_STEPS.map((step) => step * power).find((top) => top >= highest) ?? 10 * power;
}

/** `series`: [{ name, points: [[ms, value], ...] }, ...], one or two; times from `since` to `until` (ms). */
export function chart(title, unit, series, since, until) {
  const drawn = series.map((one) => ({ ...one, points: one.points.filter(([at, value]) => value != null && at >= since) }));
  const figure = element("figure", {}, element("figcaption", {}, element("b", {}, `${title} (${unit})`),
    ...(drawn.length > 1 ? drawn.map((one, i) => element("span", { class: i ? "second-key" : "first-key" }, one.name)) : [])));
  if (!drawn.some((one) => one.points.length)) {
    figure.append(element("p", { class: "dim" }, texts.no_history));
    return figure;
  }
  const top = roundTop(Math.max(...drawn.flatMap((one) => one.points.map((point) => point[1]))));
  const x = (at) => LEFT + (WIDTH - LEFT) * (at - since) / (until - since);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  for (const share of [0, 0.5, 1]) {
    picture.append(svg("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(share * top), y2: y(share * top) }));
    picture.append(svg("text", { x: LEFT - 5, y: y(share * top) + 4, "text-anchor": "end" }, `${+(share * top).toPrecision(3)}`));
  }
  for (const share of [0, 0.5, 1]) {
    const at = since + share * (until - since);
    picture.append(svg("text", { x: x(at), y: HEIGHT - 4, "text-anchor": ["start", "middle", "end"][share * 2] }, clock(at, until - since)));
  }
  drawn.forEach((one, i) => picture.append(svg("path", { class: i ? "second" : "first", d: path(one.points, x, y) })));
  figure.append(picture, table(drawn));
  return figure;
}

function path(points, x, y) {
  let last = -Infinity;
  return points.map(([at, value]) => {
    const step = at - last > GAP_MS ? "M" : "L";
    last = at;
    return `${step}${x(at).toFixed(1)},${y(value).toFixed(1)}${step === "M" ? "h0.1" : ""}`;
  }).join("");
}

function clock(at, span) {
  const form = span > 2 * 86400000 ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" };
  return new Date(at).toLocaleString(document.documentElement.lang, form);
}

function table(series) {
  const rows = series[0].points.slice(-TABLE_ROWS).reverse().map(([at, value]) => {
    const others = series.slice(1).map((one) => one.points.find((point) => point[0] === at)?.[1] ?? "");
    return element("tr", {}, ...[localTime(at), value, ...others].map((cell) => element("td", {}, `${cell}`)));
  });
  const head = element("tr", {}, element("th", {}, texts.time), ...series.map((one) => element("th", {}, one.name)));
  return element("details", {}, element("summary", {}, texts.as_table), element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
}
