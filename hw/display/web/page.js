// The picture as the receiver shows it, with its banner. The page trusts nothing but fresh word from the receiver:
// whatever it last heard, it says itself when that is old.

import { attachPointing, drawOverlay } from "./pointing.js";

const STALLED_AFTER_MS = 300;
const TICK_MS = 50;
const RECONNECT_AFTER_MS = 400;
const GIVE_UP_CONNECTION_MS = 3000;
const TRY_AGAIN_LATER = 1013;
const REFUSED_RETRY_MS = 5000;

const element = (id) => document.getElementById(id);
const canvas = element("picture");
const drawing = canvas.getContext("2d", { alpha: false });

let socket = null;
let answeredAtMs = 0; // when this page last gave the server leave to send: what comes is no older than that
let update = null; // the newest one that is drawn
let asOfMs = null; // on this page's clock: the update was true then, or later
let refusal = "";

export function ageWords(ageMs) { // the same words as on the receiver's own screen (banner.py)
  if (ageMs === null) return "no picture";
  const tenths = Math.ceil(Math.max(0, ageMs) / 100);
  if (tenths < 100) return `${Math.floor(tenths / 10)}.${tenths % 10} s`;
  const seconds = Math.ceil(ageMs / 1000);
  const two = (number) => String(number).padStart(2, "0");
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)} min`;
  const minutes = Math.ceil(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

function connect() {
  const startedAtMs = performance.now();
  const opened = new WebSocket(new URL("watch", location.href.replace(/^http/, "ws")));
  opened.binaryType = "arraybuffer";
  socket = opened;
  let awaitsJpeg = null;
  let lastWordMs = startedAtMs;
  answeredAtMs = startedAtMs;

  const giveUp = setInterval(() => {
    if (performance.now() - lastWordMs > GIVE_UP_CONNECTION_MS) opened.close();
  }, 500);

  opened.onmessage = async ({ data }) => {
    lastWordMs = performance.now();
    let next = awaitsJpeg;
    let picture = null;
    if (typeof data === "string") {
      next = JSON.parse(data);
      if (next.jpeg_follows) {
        awaitsJpeg = next;
        return;
      }
    } else {
      const jpeg = new Blob([data], { type: "image/jpeg" });
      picture = await createImageBitmap(jpeg, { colorSpaceConversion: "none" });
    }
    if (socket !== opened) return;
    draw(next, picture);
    asOfMs = answeredAtMs + next.waited_ms;
    answeredAtMs = performance.now();
    if (opened.readyState === WebSocket.OPEN) opened.send(String(next.serial));
    tell();
  };

  opened.onclose = ({ code, reason }) => {
    clearInterval(giveUp);
    refusal = code === TRY_AGAIN_LATER ? reason : "";
    socket = null;
    setTimeout(connect, refusal ? REFUSED_RETRY_MS : RECONNECT_AFTER_MS);
    tell();
  };
}

function draw(next, picture) {
  update = next;
  refusal = "";
  if (picture !== null) {
    if (canvas.width !== picture.width) canvas.width = picture.width;
    if (canvas.height !== picture.height) canvas.height = picture.height;
    drawing.drawImage(picture, 0, 0);
    picture.close();
  }
  canvas.hidden = next.number === null;
  element("empty").hidden = !canvas.hidden;
  drawOverlay(next.overlay, canvas.width, canvas.height, ageWords);
}

// Everything in words. Called for every update and on the page's own clock.
function tell() {
  const sinceMs = asOfMs === null ? null : performance.now() - asOfMs;
  const isStalled = update !== null && (sinceMs > STALLED_AFTER_MS || update.behind_ms > STALLED_AFTER_MS);
  const ageMs = update === null || update.age_ms === null ? null : update.age_ms + sinceMs;
  document.body.toggleAttribute("data-stalled", isStalled);
  element("stalled").hidden = !isStalled;
  setText("age", ageWords(ageMs));
  if (isStalled) {
    setBanner("alarm", "PAGE STALLED", stallCause(sinceMs));
    setText("stalled-age", ageMs === null ? "" : `age ${ageWords(ageMs)}`);
  } else if (update === null) {
    setBanner("warning", refusal ? "FULL" : "CONNECTING", refusal || "waiting for the receiver");
  } else {
    setBanner(update.tone, update.state, update.cause);
  }
  if (update !== null) {
    setText("number", update.number ?? "–");
    setText("latency", isStalled ? "unknown" : update.latency);
    setText("latency-label", isStalled ? "latency" : update.latency_label);
    element("latency-figure").dataset.tone = isStalled ? "notice" : update.latency_tone;
  }
}

function stallCause(sinceMs) {
  if (refusal) return `picture is old: ${refusal}`;
  if (sinceMs > STALLED_AFTER_MS) return `picture is old: no word from the receiver for ${ageWords(sinceMs)}`;
  return "picture is old: this page does not keep up with the receiver";
}

function setBanner(tone, state, cause) {
  document.body.dataset.tone = tone;
  setText("state", state);
  setText("cause", cause);
}

function setText(id, text) { // only on change, or screen readers would repeat it
  const target = element(id);
  if (target.textContent !== String(text)) target.textContent = text;
}

attachPointing((inputs) => {
  if (socket?.readyState === WebSocket.OPEN) socket.send(inputs);
});
setInterval(tell, TICK_MS);
document.addEventListener("visibilitychange", tell);
connect();
