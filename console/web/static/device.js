// One device: what it shows now, its charts, its commands and what came of them, its cases and events.
import { chart } from "./chart.js";
import { element, follow, localTime, post, texts, user, word } from "./common.js";
import { myKey, signedCommand } from "./signing.js";

const key = document.getElementById("device").dataset.key;
const HISTORY_EVERY_MS = 60000;
const LIVE_POINTS = 720;  // an hour of healths
const QUICK = new Set(["identify", "status", "selftest"]);  // take no arguments, disturb nothing

let device = null;
let history = { minutes: [], cases: [], commands: [], since_s: 0 };
let hours = 1;
let lastHealth = "";
const live = [];  // [ms, latency, loss, residual, rate, temperature]

function take(news) {
  if (news.device) {
    device = news.device;
    noteLive();
    drawNow();
    drawFigures();
    drawEvents();
    drawCommands();
    drawCharts();
  }
  for (const answer of news.answers ?? []) addAnswer(answer);
}

function noteLive() {
  const health = device.health;
  const id = health && `${health.boot_id} ${health.session} ${health.seq}`;
  if (!health || id === lastHealth) return;
  lastHealth = id;
  live.push([Date.now() - 1000 * (device.health_age_s ?? 0), health.picture.latency_ms, health.path.loss_percent, health.path.residual_loss_percent,
    health.path.sent_kbps ?? health.path.received_kbps, health.machine.temperature_c]);
  if (live.length > LIVE_POINTS) live.shift();
}

function drawNow() {
  const [, , role, presence, picture, cause, inCase, alert] = device.glance;
  const { health, reported, state } = device;
  const place = document.getElementById("picture");
  place.className = `state ${alert}`;
  const words = presence === "online" ? picture || word("online") : word(presence);
  if (place.firstChild?.textContent !== words || place.lastChild?.textContent !== cause) place.replaceChildren(words, element("small", {}, cause));
  const latency = health?.picture.latency_ms == null ? null : `${health.picture.latency_ms} ms ± ${health.picture.latency_bound_ms ?? "?"}`;
  const facts = [
    ["", `${word(role)}${inCase ? ` · ${texts.in_case}` : ""}`], [texts.latency, latency],
    [texts.age, device.health_age_s == null ? null : `${device.health_age_s} s`],
    [texts.version, state?.version], [texts.peer, reported?.peer],
    [texts.certificate_until, reported && localTime(reported.certificate_expires)],
  ];
  document.getElementById("facts").replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, `${value}`)]));
}

function drawFigures() {
  const groups = device.health ? ["path", "video", "voice", "machine", "restarts"] : [];
  document.getElementById("figures").replaceChildren(...groups.flatMap((group) => Object.entries(device.health[group]).map(([name, value]) =>
    element("tr", {}, element("td", {}, `${group} · ${name.replaceAll("_", " ")}`), element("td", {}, `${value}`)))));
}

function drawCharts() {
  const until = Date.now(), since = until - hours * 3600000;
  const before = live.length ? live[0][0] : Infinity;
  const old = history.minutes.filter((row) => (row.minute + 1) * 60000 <= before);
  const series = (name, column) => [...old.map((row) => [row.minute * 60000, row[name]]), ...live.map((row) => [row[0], row[column]])];
  document.getElementById("charts").replaceChildren(
    chart(texts.latency, "ms", [{ name: texts.mean, points: series("latency_ms", 1) }, { name: texts.highest, points: series("latency_max_ms", 1) }], since, until),
    chart(texts.loss, "%", [{ name: texts.before_repair, points: series("loss_percent", 2) }, { name: texts.after_repair, points: series("residual_loss_percent", 3) }], since, until),
    chart(texts.rate, "kbit/s", [{ name: texts.rate, points: series("rate_kbps", 4) }], since, until),
    chart(texts.temperature, "°C", [{ name: texts.temperature, points: series("temperature_c", 5) }], since, until),
  );
}

function drawEvents() {
  document.getElementById("events").replaceChildren(...device.events.map(({ event }) => element("tr", {},
    element("td", {}, element("time", { datetime: event.at.utc }, localTime(event.at.utc))), element("td", {}, event.what), element("td", {}, event.cause))));
}

function drawCases() {
  document.getElementById("cases").replaceChildren(...history.cases.map((row) => element("tr", {},
    element("td", {}, localTime(row.began_s * 1000)), element("td", {}, row.ended_s == null ? texts.under_way : localTime(row.ended_s * 1000)))));
}

// --- commands ---

let drawnCommands = "";

async function drawCommands() {
  const commands = device.reported?.commands ?? [];
  const mine = await myKey();
  const known = device.reported?.operators.find((operator) => operator.key_id === mine?.keyId);
  const note = user.role === "viewer" ? texts.look_only : !mine ? texts.no_key : !known ? texts.unknown_key : "";
  const canSend = !note && device.presence === "online";
  const now = JSON.stringify([commands, note, canSend]);
  if (now === drawnCommands) return;
  drawnCommands = now;
  document.getElementById("key-note").textContent = note;
  document.getElementById("commands").replaceChildren(...commands.map((command) => {
    const button = element("button", { type: "button", disabled: !canSend, title: word(`does.${command}`) }, command);
    button.addEventListener("click", () => confirm(command, mine, known));
    return button;
  }));
}

function confirm(command, mine, known) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-title").textContent = `${texts.confirm_send} ${device.key.split("/")[1]}: ${command}`;
  document.getElementById("confirm-does").textContent = word(`does.${command}`);
  document.getElementById("confirm-arguments-label").hidden = QUICK.has(command);
  document.getElementById("confirm-arguments").value = "";
  dialog.returnValue = "";
  dialog.onclose = () => { if (dialog.returnValue === "send") send(command, mine, known); };
  dialog.showModal();
}

async function send(command, mine, known) {
  const args = readArguments(document.getElementById("confirm-arguments").value);
  try {
    const message = await signedCommand(mine, { device: device.key.split("/")[1], command, args, role: known.role, challenge: device.state.challenge });
    await post(`/api/device/${key}/command`, message);
    addRow(Date.now(), command, texts.sent, "", "");
  } catch (error) {
    addRow(Date.now(), command, texts.failed, error.message, "");
  }
}

/** "key=value" a line; numbers and true or false as such. */
function readArguments(text) {
  return Object.fromEntries(text.split("\n").filter((line) => line.includes("=")).map((line) => {
    const at = line.indexOf("=");
    const value = line.slice(at + 1).trim();
    const isPlain = /^(-?\d+(\.\d+)?|true|false)$/.test(value);
    return [line.slice(0, at).trim(), isPlain ? JSON.parse(value) : value];
  }));
}

function addAnswer({ acknowledgement, problem }) {
  const { command, outcome, reason, utc, result } = acknowledgement;
  const more = Object.keys(result ?? {}).length ? JSON.stringify(result) : "";
  addRow(utc || Date.now(), command, word(outcome), problem || reason || more, problem ? texts.not_authentic : texts.authentic);
}

function addRow(at, command, outcome, reason, authentic) {
  const row = element("tr", {}, ...[localTime(at), command, outcome, reason.slice(0, 2000), authentic].map((text) => element("td", {}, text)));
  document.getElementById("answers").prepend(row);
}

// --- what has been ---

async function loadHistory() {
  const response = await fetch(`/api/device/${key}/history?hours=${hours}`);
  if (!response.ok) return;
  history = await response.json();
  drawCases();
  if (device) drawCharts();
  if (!document.getElementById("answers").children.length) {
    for (const row of history.commands.slice(0, 20).reverse()) {
      addRow(row.at_s * 1000, row.command, word(row.outcome), row.reason, row.outcome === "sent" ? "" : row.is_authentic ? texts.authentic : texts.not_authentic);
    }
  }
}

for (const button of document.querySelectorAll("#spans button")) {
  button.addEventListener("click", () => {
    hours = Number(button.dataset.hours);
    for (const other of document.querySelectorAll("#spans button")) other.setAttribute("aria-pressed", String(other === button));
    loadHistory();
  });
}

loadHistory();
setInterval(loadHistory, HISTORY_EVERY_MS);
follow(`device=${encodeURIComponent(key)}`, take);
