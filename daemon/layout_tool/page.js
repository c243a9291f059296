// Areas are in the pixels of the source's frame, here as in the layout file.

const KINDS = { identity: 'Identity', landmarks: 'Landmark', image: 'Image area' };
const SVG = 'http://www.w3.org/2000/svg';
const SMALLEST = 4; // a click is not a box

const at = (id) => document.getElementById(id);
const frame = { width: 0, height: 0 };
let areas = []; // { kind, x, y, width, height }
let drawn = null; // where the drag began, and its area

function say(words, tone) {
  at('word').textContent = words;
  at('word').className = tone;
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.problem);
  return content;
}

function chosenKind() {
  return document.querySelector('input[name=kind]:checked').value;
}

function put(area) {
  if (area.kind === 'image') areas = areas.filter((other) => other.kind !== 'image');
  areas.push(area);
}

function within(value, lowest, highest) {
  return Math.min(Math.max(Math.round(value), lowest), highest);
}

function fit(area) {
  area.x = within(area.x, 0, frame.width - 1);
  area.y = within(area.y, 0, frame.height - 1);
  area.width = within(area.width, 1, frame.width - area.x);
  area.height = within(area.height, 1, frame.height - area.y);
}

function showAreas() {
  at('areas').replaceChildren(...areas.map((area) => {
    const rect = document.createElementNS(SVG, 'rect');
    for (const key of ['x', 'y', 'width', 'height']) rect.setAttribute(key, area[key]);
    rect.setAttribute('class', area.kind);
    return rect;
  }));
}

function showList() {
  at('list').replaceChildren(...areas.map((area, number) => {
    const row = document.createElement('tr');
    const name = document.createElement('th');
    name.scope = 'row';
    name.textContent = KINDS[area.kind];
    row.append(name);
    for (const key of ['x', 'y', 'width', 'height']) {
      const input = document.createElement('input');
      input.type = 'number';
      input.value = area[key];
      input.ariaLabel = `${KINDS[area.kind]} ${number + 1} ${key}`;
      input.addEventListener('change', () => {
        area[key] = Number(input.value);
        fit(area);
        for (const other of row.querySelectorAll('input')) other.value = area[other.dataset.key];
        showAreas();
      });
      input.dataset.key = key;
      row.insertCell().append(input);
    }
    const remove = document.createElement('button');
    remove.type = 'button';
    remove.textContent = '×';
    remove.ariaLabel = `Remove ${KINDS[area.kind]} ${number + 1}`;
    remove.addEventListener('click', () => {
      areas = areas.filter((other) => other !== area);
      show();
    });
    row.insertCell().append(remove);
    return row;
  }));
}

function show() {
  showAreas();
  showList();
}

function framePoint(event) {
  const box = at('frame').getBoundingClientRect();
  return {
    x: ((event.clientX - box.x) / box.width) * frame.width,
    y: ((event.clientY - box.y) / box.height) * frame.height,
  };
}

function beginDrag(event) {
  event.preventDefault();
  at('stage').setPointerCapture(event.pointerId);
  drawn = { from: framePoint(event), area: null };
}

function drag(event) {
  if (drawn === null) return;
  const to = framePoint(event);
  const area = drawn.area ?? { kind: chosenKind() };
  area.x = Math.min(drawn.from.x, to.x);
  area.y = Math.min(drawn.from.y, to.y);
  area.width = Math.abs(to.x - drawn.from.x);
  area.height = Math.abs(to.y - drawn.from.y);
  fit(area);
  if (drawn.area === null && Math.min(area.width, area.height) >= SMALLEST) {
    drawn.area = area;
    put(area);
  }
  showAreas();
}

function endDrag() {
  drawn = null;
  showList();
}

function add() {
  const width = within(frame.width / 8, 8, frame.width);
  put({ kind: chosenKind(), x: 0, y: 0, width, height: within(width / 3, 8, frame.height) });
  show();
  at('list').lastElementChild.querySelector('input').focus();
}

function plain({ x, y, width, height }) {
  return { x, y, width, height };
}

async function save() {
  const of = (kind) => areas.filter((area) => area.kind === kind).map(plain);
  const drawing = {
    name: at('name').value,
    image: of('image')[0] ?? null,
    identity: of('identity'),
    landmarks: of('landmarks'),
    no_identity: at('no-identity').checked,
    signed_off_by: at('signed-off-by').value,
  };
  say('', '');
  try {
    const { saved } = await ask('/layouts', { method: 'POST', body: JSON.stringify(drawing) });
    say(saved, 'done');
  } catch (error) {
    say(`Not saved: ${error.message}`, 'problem');
  }
}

async function loadFrame() {
  at('frame').src = `/frame.png?${Date.now()}`;
  await at('frame').decode();
  frame.width = at('frame').naturalWidth;
  frame.height = at('frame').naturalHeight;
  at('areas').setAttribute('viewBox', `0 0 ${frame.width} ${frame.height}`);
  at('size').textContent = `${frame.width}x${frame.height}`;
}

async function grab() {
  say('grabbing ...', '');
  try {
    await ask('/grab', { method: 'POST' });
    await loadFrame();
    say('', '');
  } catch (error) {
    say(error.message, 'problem');
  }
}

async function find() {
  say('looking for what moves (the beam must be on) ...', '');
  try {
    const { image } = await ask('/find', { method: 'POST' });
    await loadFrame();
    put({ kind: 'image', ...image });
    show();
    say('Found: check the green frame, correct it if need be.', 'done');
  } catch (error) {
    say(error.message, 'problem');
  }
}

async function start() {
  await loadFrame();
  try {
    const { layouts } = await ask('/layouts');
    if (layouts.length > 0) {
      const [first] = layouts;
      at('name').value = first.name;
      at('no-identity').checked = first.no_identity;
      at('signed-off-by').value = first.signed_off_by;
      if (first.image) put({ kind: 'image', ...first.image });
      for (const kind of ['identity', 'landmarks']) for (const area of first[kind]) put({ kind, ...area });
    }
  } catch (error) {
    say(error.message, 'problem');
  }
  show();
  document.body.dataset.ready = 'yes';
}

at('stage').addEventListener('pointerdown', beginDrag);
at('stage').addEventListener('pointermove', drag);
at('stage').addEventListener('pointerup', endDrag);
at('stage').addEventListener('pointercancel', endDrag);
at('add').addEventListener('click', add);
at('save').addEventListener('click', save);
at('grab').addEventListener('click', grab);
at('find').addEventListener('click', find);
start();
