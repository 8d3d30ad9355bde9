// Gradio runs this once the markup is there, with `element`, `props`, `trigger` and `watch` in scope.
// The picture is redrawn from what was done to it: `base`, which Python showed, then `history`.

const drawing = element.querySelector('.drawing');
const canvas = drawing.querySelector('canvas');
const ink = canvas.getContext('2d', { willReadFrequently: true });
const size = drawing.querySelector('input');
const undoButton = drawing.querySelector('.undo');
const clearButton = drawing.querySelector('.clear');
const { width, height } = canvas;
const WIPE = {};

let base = null; // an image, or null for an empty sheet
let history = []; // strokes { colour, width, points }, and WIPE
let stroke = null; // the one being drawn
let pen = null; // its pointer's id
let tool = 'draw';
let timer = null;
let asked = 0; // how many pictures Python has sent

ink.lineCap = ink.lineJoin = 'round';

function wipe() {
  ink.fillStyle = '#fff';
  ink.fillRect(0, 0, width, height);
}

function line({ colour, width, points }, from) {
  ink.strokeStyle = colour;
  ink.lineWidth = width;
  for (let i = from; i < points.length; i++) {
    const [x, y] = points[i];
    ink.beginPath();
    ink.moveTo(...points[Math.max(i - 1, 0)]);
    ink.lineTo(x + 0.01, y); // a line of no length would not be drawn: a tap leaves a dot
    ink.stroke();
  }
}

function redraw() {
  wipe();
  if (base) ink.drawImage(base, 0, 0, width, height);
  for (const step of history) step === WIPE ? wipe() : line(step, 0);
  label();
}

function isEmpty() {
  return new Uint32Array(ink.getImageData(0, 0, width, height).data.buffer).every((pixel) => pixel === 0xffffffff);
}

function isExample() {
  return Boolean(props.fresh && base && !history.length);
}

function label() {
  const empty = isEmpty();
  drawing.dataset.shows = isExample() ? 'example' : empty ? 'nothing' : 'picture';
  undoButton.setAttribute('aria-disabled', !history.length);
  clearButton.setAttribute('aria-disabled', empty);
  return empty;
}

function send() {
  clearTimeout(timer);
  timer = null;
  props.value = label() ? '' : canvas.toDataURL('image/png'); // Gradio turns null into '', and would call that news
  trigger('input');
}

// Pictures from Python

function show() {
  const turn = ++asked;
  const lay = (image) => {
    if (turn !== asked) return;
    clearTimeout(timer);
    [base, history, stroke, pen, timer] = [image, [], null, null, null];
    redraw();
  };
  if (!props.value) return lay(null);
  const image = new Image();
  image.onload = () => lay(image);
  image.src = props.value;
}

// The pen

function point(event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
}

function down(event) {
  if (pen !== null || event.button > 0) return; // one finger draws, and the left mouse button
  pen = event.pointerId;
  canvas.setPointerCapture(pen);
  if (isExample()) {
    history.push(WIPE);
    wipe();
  }
  stroke = { colour: tool === 'erase' ? '#fff' : '#000', width: Number(size.value), points: [point(event)] };
  history.push(stroke);
  line(stroke, 0);
  drawing.dataset.shows = 'picture';
  timer ??= setTimeout(send, 120);
}

function move(event) {
  if (event.pointerId !== pen) return;
  const drawn = stroke.points.length;
  const between = event.getCoalescedEvents?.() ?? [];
  stroke.points.push(...(between.length ? between : [event]).map(point));
  line(stroke, drawn);
  timer ??= setTimeout(send, 120); // answers come as one draws, not for every point
}

function up(event) {
  if (event.pointerId !== pen) return;
  stroke = pen = null;
  send();
}

canvas.addEventListener('pointerdown', down);
canvas.addEventListener('pointermove', move);
canvas.addEventListener('pointerup', up);
canvas.addEventListener('pointercancel', up);

// The tools

function undo() {
  if (pen !== null || !history.length) return;
  history.pop();
  redraw();
  send();
}

function clear() {
  if (pen !== null || isEmpty()) return;
  history.push(WIPE);
  redraw();
  send();
}

function brush() {
  drawing.style.setProperty('--brush', size.value);
}

for (const button of drawing.querySelectorAll('[aria-pressed]')) {
  button.addEventListener('click', () => {
    drawing.dataset.tool = tool = button.dataset.tool;
    for (const other of drawing.querySelectorAll('[aria-pressed]')) {
      other.setAttribute('aria-pressed', other === button);
    }
  });
}
undoButton.addEventListener('click', undo);
clearButton.addEventListener('click', clear);
size.addEventListener('input', brush);
drawing.addEventListener('keydown', (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.key !== 'z') return;
  event.preventDefault();
  undo();
});

watch('value', show);
brush();
show();
