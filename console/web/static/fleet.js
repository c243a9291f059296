// The fleet by site. Sites with something to look at stand first and open; the others open at a touch.
import { element, follow, texts, word } from "./common.js";

const ALERTS = ["alarm", "notice", "good", "idle"];
const FEW_DEVICES = 60;  // all sites of so small a fleet stand open

const devices = new Map();  // "site/device" -> glance
const opened = new Map();  // site -> what the reader wants
const filter = document.getElementById("filter");
const attention = document.getElementById("attention");
let drawing = false;

function take(news) {
  if (!news.glances) return;
  for (const [site, device, role, presence, picture, cause, inCase, alert] of news.glances) {
    devices.set(`${site}/${device}`, { site, device, role, presence, picture, cause, inCase, alert });
  }
  drawSoon();
}

function drawSoon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; draw(); });
}

function count(list) {
  const counts = Object.fromEntries(ALERTS.map((alert) => [alert, 0]));
  for (const one of list) counts[one.alert] += 1;
  return counts;
}

function countWords(counts) {
  return ALERTS.filter((alert) => counts[alert]).map((alert) => element("span", { class: `tone ${alert}` }, `${counts[alert]} ${texts[alert]}`));
}

function draw() {
  const wanted = filter.value.trim().toLowerCase();
  const shown = [...devices.values()].filter((one) =>
    (!wanted || `${one.site}/${one.device}`.toLowerCase().includes(wanted))
    && (!attention.checked || one.alert === "alarm" || one.alert === "notice"));
  const totals = document.getElementById("totals");
  totals.replaceChildren(element("span", {}, `${devices.size} ${texts.devices}`), ...countWords(count(devices.values())));
  if (!devices.size) return;
  const sites = Map.groupBy ? Map.groupBy(shown, (one) => one.site) : group(shown);
  const rank = (list) => ALERTS.findIndex((alert) => list.some((one) => one.alert === alert));
  const order = [...sites.keys()].sort((a, b) => rank(sites.get(a)) - rank(sites.get(b)) || a.localeCompare(b));
  document.getElementById("sites").replaceChildren(...order.map((site) => drawSite(site, sites.get(site), shown.length)));
}

function group(list) {
  const groups = new Map();
  for (const one of list) groups.set(one.site, [...(groups.get(one.site) ?? []), one]);
  return groups;
}

function drawSite(site, list, total) {
  const counts = count(list);
  const isOpen = opened.get(site) ?? (total <= FEW_DEVICES || counts.alarm > 0);
  const box = element("details", { class: "site", open: isOpen }, element("summary", {}, site, ...countWords(counts)));
  box.addEventListener("toggle", () => { if (box.open !== isOpen) { opened.set(site, box.open); drawSoon(); } });
  if (isOpen) {
    list.sort((a, b) => ALERTS.indexOf(a.alert) - ALERTS.indexOf(b.alert) || a.device.localeCompare(b.device));
    box.append(element("ul", { class: "devices" }, ...list.map(drawDevice)));
  }
  return box;
}

function drawDevice(one) {
  const state = one.presence === "online" ? one.picture || word("online") : word(one.presence);
  return element("li", {}, element("a", { class: one.alert, href: `/device/${one.site}/${one.device}` },
    element("b", {}, one.device),
    element("span", { class: "tone" }, state), ` · ${word(one.role)}${one.inCase ? ` · ${texts.in_case}` : ""}`,
    one.cause ? element("span", { class: "dim" }, ` · ${one.cause}`) : null));
}

filter.addEventListener("input", drawSoon);
attention.addEventListener("change", drawSoon);
follow("", take);
