// Strokes, pointers and the frozen picture over the live one, and what people do on them. Positions are pixels of the
// picture; (0.5, 0.5) is the middle of the first one.

const SEND_EVERY_MS = 8;
const BATCH = 10; // inputs in one message
const LINE_SHARE = 1 / 320; // of the picture's height, as on the receiver's own screen (strokes.py)
const RIM = "rgb(10 12 14)";
const FINE = 1024; // the drawing has at least so many pixels across, however few the picture has

const KEYS = {
  f: "freeze", Tab: "swap", d: "freehand", a: "arrow", o: "circle", l: "line", c: "colour", p: "pin", s: "scale",
  u: "undo", z: "undo", Backspace: "undo", x: "clear", Delete: "clear",
};

const element = (id) => document.getElementById(id);
const panes = { live: element("live-marks"), frozen: element("frozen-marks") };

let send = () => {};
let waiting = [];
let timer = null;
let frozenNumber = null;

export function attachPointing(sender) {
  send = sender;
}

function add(input) {
  waiting.push(input);
  timer ??= setTimeout(flush, SEND_EVERY_MS);
}

function flush() {
  timer = null;
  while (waiting.length) send(JSON.stringify(waiting.splice(0, BATCH)));
}

// --- hands ---

for (const [pane, canvas] of Object.entries(panes)) {
  let hovers = false;
  const point = (phase, event) => {
    const { x, y, isInside } = inPicture(canvas, event);
    if (phase === "hover" && !isInside) return leave();
    hovers = true;
    add({ type: "pointer", phase, pane, x, y });
  };
  const leave = () => {
    if (hovers) add({ type: "pointer", phase: "leave", pane, x: 0, y: 0 });
    hovers = false;
  };
  const isHeld = (event) => canvas.hasPointerCapture(event.pointerId);
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary || !inPicture(canvas, event).isInside) return;
    canvas.setPointerCapture(event.pointerId);
    point("press", event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.isPrimary) point(isHeld(event) ? "drag" : "hover", event);
  });
  const release = (event) => {
    if (!isHeld(event)) return;
    point("release", event);
    canvas.releasePointerCapture(event.pointerId);
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", leave);
}

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.altKey || event.metaKey || (event.ctrlKey && event.key !== "z")) return;
  const command = KEYS[event.key];
  if (!command) return;
  event.preventDefault();
  add({ type: "command", command });
});

function inPicture(canvas, event) { // of a picture that is fitted into its canvas' box
  const box = canvas.getBoundingClientRect();
  const width = Number(canvas.dataset.width);
  const height = Number(canvas.dataset.height);
  const scale = Math.min(box.width / width, box.height / height);
  const x = (event.clientX - box.left - (box.width - width * scale) / 2) / scale;
  const y = (event.clientY - box.top - (box.height - height * scale) / 2) / scale;
  return { x, y, isInside: x >= 0 && y >= 0 && x < width && y < height };
}

// --- what is drawn ---

export function drawOverlay(overlay, width, height, ageWords) {
  drawShapes(panes.live, overlay.shapes, width, height);
  drawFrozen(overlay.frozen, ageWords);
  drawTools(overlay.tools);
}

function drawFrozen(frozen, ageWords) {
  const isThere = frozen !== null && frozen.is_here;
  element("frozen").hidden = !isThere;
  document.body.dataset.frozen = !isThere ? "no" : frozen.is_large ? "large" : "small";
  if (!isThere) {
    frozenNumber = null;
    return;
  }
  const picture = element("frozen-picture");
  if (frozenNumber !== frozen.number) {
    frozenNumber = frozen.number;
    picture.src = `frozen/${frozen.number}.jpg`;
  }
  element("frozen-label").textContent = `FROZEN - ${ageWords(frozen.age_ms)} old${frozen.note ? ` - ${frozen.note}` : ""}`;
  if (picture.complete && picture.naturalWidth) {
    drawShapes(panes.frozen, frozen.shapes, picture.naturalWidth, picture.naturalHeight);
  }
}

function drawShapes(canvas, shapes, width, height) {
  const fine = Math.ceil(FINE / width);
  canvas.dataset.width = width;
  canvas.dataset.height = height;
  if (canvas.width !== width * fine) canvas.width = width * fine;
  if (canvas.height !== height * fine) canvas.height = height * fine;
  const drawing = canvas.getContext("2d");
  drawing.setTransform(1, 0, 0, 1, 0, 0);
  drawing.clearRect(0, 0, canvas.width, canvas.height);
  drawing.scale(fine, fine);
  drawing.lineCap = drawing.lineJoin = "round";
  for (const shape of shapes) drawShape(drawing, shape, Math.max(1.5 / fine, height * LINE_SHARE), width, height);
}

function drawShape(drawing, shape, line, width, height) {
  const path = outline(shape, line);
  drawing.globalAlpha = shape.opacity;
  for (const [colour, lineWidth] of [[RIM, 2.2 * line], [`rgb(${shape.colour.join(" ")})`, line]]) {
    drawing.strokeStyle = drawing.fillStyle = colour;
    drawing.lineWidth = lineWidth;
    drawing.stroke(path);
  }
  if (shape.label) {
    const [x, y] = shape.points.at(-1);
    const size = height / 36;
    drawing.font = `${size}px system-ui, sans-serif`;
    drawing.lineWidth = size / 6;
    drawing.strokeStyle = RIM;
    const length = drawing.measureText(shape.label).width;
    const left = Math.max(0, Math.min(x + size / 2, width - length - size / 4)); // whole, also at the picture's edge
    const foot = Math.max(size, y - size / 2);
    drawing.strokeText(shape.label, left, foot);
    drawing.fillText(shape.label, left, foot);
  }
}

function outline(shape, line) {
  const path = new Path2D();
  const [first] = shape.points;
  const last = shape.points.at(-1);
  const circle = (radius) => {
    path.moveTo(first[0] + radius, first[1]);
    path.arc(first[0], first[1], radius, 0, 2 * Math.PI);
  };
  if (shape.kind === "circle") {
    circle(Math.hypot(last[0] - first[0], last[1] - first[1]));
  } else if (shape.kind === "finger") {
    circle(4 * line);
    path.moveTo(...first);
    path.lineTo(...first);
  } else {
    path.moveTo(...first);
    for (const point of shape.points) path.lineTo(...point);
  }
  if (shape.kind === "arrow" && (first[0] !== last[0] || first[1] !== last[1])) {
    const turn = Math.atan2(last[1] - first[1], last[0] - first[0]);
    for (const side of [-0.46, 0.46]) {
      path.moveTo(...last);
      path.lineTo(last[0] - 6.7 * line * Math.cos(turn + side), last[1] - 6.7 * line * Math.sin(turn + side));
    }
  }
  return path;
}

function drawTools(tools) {
  const strip = element("tools");
  while (strip.children.length > tools.length) strip.lastChild.remove();
  tools.forEach((tool, i) => {
    const button = strip.children[i] ?? strip.appendChild(newButton());
    if (button.textContent !== tool.label) button.textContent = tool.label;
    button.dataset.command = tool.command;
    button.setAttribute("aria-pressed", tool.is_active);
    button.style.color = tool.colour ? `rgb(${tool.colour.join(" ")})` : "";
  });
}

function newButton() {
  const button = document.createElement("button");
  button.type = "button";
  button.addEventListener("click", () => add({ type: "command", command: button.dataset.command }));
  return button;
}
