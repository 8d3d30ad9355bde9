// Convolution, step by step. Everything is worked out in three axes; a line or a picture has length 1 along the others.

const root = element.querySelector('.rf-steps');
const field = (name) => root.querySelector(`.${name}`);
const PRESETS = options.presets;
const POOLS = { max_pool: (values) => Math.max(...values), avg_pool: (values) => values.reduce((sum, value) => sum + value, 0) / values.length };

const depthOf = (nested) => (Array.isArray(nested) ? 1 + depthOf(nested[0]) : 0);
const shapeOf = (nested) => (Array.isArray(nested) ? [nested.length, ...shapeOf(nested[0])] : []);
const block = (shape, value) => shape.length
  ? range(shape[0], (at) => block(shape.slice(1), (...rest) => value(at, ...rest))) : value();

// A nested list of `lead` axes and one to three more, with the missing ones put in between.
function deepen(nested, lead) {
  const missing = 3 - (depthOf(nested) - lead);
  const wrap = (values, level) => (level ? values.map((each) => wrap(each, level - 1)) : range(missing).reduce((inner) => [inner], values));
  return wrap(nested, lead);
}

function work(preset, settings) {
  const axes = depthOf(preset.input) - 1;
  const { stride, padding, dilation, edges } = settings;
  const active = [0, 1, 2].map((axis) => axis >= 3 - axes);
  const per = (axis, value, none) => (active[axis] ? value : none);
  const numbers = (axis, kernel) => ({ kernel, stride: per(axis, stride, 1), padding: per(axis, padding, 0), dilation: per(axis, dilation, 1) });
  let input = deepen(preset.input, 1);
  const pools = preset.op in POOLS;
  let kernel = pools ? null : deepen(preset.kernel, 2);
  const spans = pools ? [0, 1, 2].map((axis) => per(axis, preset.size, 1)) : shapeOf(kernel).slice(2);
  const sizes = shapeOf(input).slice(1);
  if (preset.op === 'transposed') {
    const units = sizes.map((size, axis) => transposedSize(size, numbers(axis, spans[axis])));
    const around = spans.map((span, axis) => per(axis, dilation * (span - 1) - padding, 0));
    const [channels, filters] = shapeOf(kernel);
    const old = kernel;
    const wide = sizes.map((size, axis) => (size - 1) * per(axis, stride, 1) + 1 + 2 * around[axis]);
    const from = input;
    input = block([from.length, ...wide], (channel, ...place) => {
      const at = place.map((each, axis) => (each - around[axis]) / per(axis, stride, 1));
      const known = at.every((each, axis) => Number.isInteger(each) && each >= 0 && each < sizes[axis]);
      return known ? from[channel][at[0]][at[1]][at[2]] : 0;
    });
    kernel = block([filters, channels, ...spans], (filter, channel, z, y, x) =>
      old[channel][filter][spans[0] - 1 - z][spans[1] - 1 - y][spans[2] - 1 - x]);
    return slide(input, kernel, spans, units, [1, 1, 1], [0, 1, 2].map((axis) => per(axis, dilation, 1)), null);
  }
  const units = sizes.map((size, axis) => outputSize(size, numbers(axis, spans[axis])));
  if (pools && padding > preset.size / 2) throw new Refused(words.poolPadding);
  const pads = [0, 1, 2].map((axis) => per(axis, padding, 0));
  const fill = preset.op === 'max_pool' ? -Infinity : 0;
  const from = input;
  input = block([from.length, ...sizes.map((size, axis) => size + 2 * pads[axis])], (channel, ...place) => {
    let at = place.map((each, axis) => each - pads[axis]);
    if (edges === 'repeat' && !pools) at = at.map((each, axis) => Math.min(Math.max(each, 0), sizes[axis] - 1));
    return at.every((each, axis) => each >= 0 && each < sizes[axis]) ? from[channel][at[0]][at[1]][at[2]] : fill;
  });
  const strides = [0, 1, 2].map((axis) => per(axis, stride, 1));
  return slide(input, kernel, spans, units, strides, [0, 1, 2].map((axis) => per(axis, pools ? 1 : dilation, 1)), POOLS[preset.op]);
}

function slide(input, kernel, spans, units, strides, dilations, pool) {
  const filters = pool ? input.length : kernel.length;
  const steps = [];
  const output = block([filters, ...units], (filter, ...place) => {
    const corner = place.map((each, axis) => each * strides[axis]);
    const taps = [];
    for (let channel = 0; channel < input.length; channel++) {
      if (pool && channel !== filter) continue;
      block(spans, (...tap) => {
        const at = tap.map((each, axis) => corner[axis] + each * dilations[axis]);
        taps.push({ channel, at, value: input[channel][at[0]][at[1]][at[2]], weight: pool ? null : kernel[filter][channel][tap[0]][tap[1]][tap[2]] });
      });
    }
    const result = pool ? pool(taps.map((tap) => tap.value)) : taps.reduce((sum, tap) => sum + tap.value * tap.weight, 0);
    steps.push({ filter, place, taps, result });
    return result;
  });
  return { input, kernel, output, steps };
}

// What is seen

const number = (value) => (value === -Infinity ? '−∞' : String(Number(value.toPrecision(4))).replace('-', '−'));
const factor = (value) => (value < 0 ? `(${number(value)})` : number(value));

function sum({ taps, result }, op) {
  if (taps[0].weight === null) {
    return `${op === 'max_pool' ? words.largest : words.mean} (${taps.map((tap) => number(tap.value)).join(', ')}) = ${number(result)}`;
  }
  return `${taps.map(({ value, weight }) => `${factor(value)}·${factor(weight)}`).join(' + ')} = ${number(result)}`;
}

function sheet(title, values, kind) {
  const cells = values.map((row) => `<tr>${row.map((value) => `<td>${value === null ? '' : number(value)}</td>`).join('')}</tr>`);
  return `<figure class="${kind}"><figcaption>${title}</figcaption><table role="presentation">${cells.join('')}</table></figure>`;
}

let worked = null;
let at = 0;
let timer = null;
let cells = {};

function sheets(values, kind, title) {
  const deep = values[0].length > 1;
  return values.map((channel, number) => channel.map((slice, z) => {
    const name = values.length > 1 ? ` ${number + 1}` : '';
    return sheet(`${title}${name}${deep ? `, ${say(words.slice, { z: z + 1 })}` : ''}`, slice, kind);
  }).join('')).join('');
}

function index(kind, values) {
  const tables = [...root.querySelectorAll(`.${kind} table`)];
  return values.map((channel) => channel.map(() => [...tables.shift().rows].map((row) => [...row.cells])));
}

function build() {
  const preset = PRESETS[field('preset').value];
  const settings = Object.fromEntries(['stride', 'padding', 'dilation'].map((name) => [name, Number(field(name).value)]));
  settings.edges = field('edges').value;
  field('about').textContent = preset.about;
  field('edges').disabled = preset.op !== 'conv';
  field('dilation').disabled = preset.op in POOLS;
  try {
    if (!(settings.stride >= 1 && settings.stride <= 4 && settings.dilation >= 1 && settings.dilation <= 4 && settings.padding >= 0 && settings.padding <= 4)) throw new Refused(words.numbers);
    worked = work(preset, settings);
    field('wrong').textContent = '';
    root.classList.remove('stale');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    field('wrong').textContent = error.message;
    root.classList.add('stale');
    return pause();
  }
  const outputs = block(shapeOf(worked.output), () => null);
  field('stage').innerHTML =
    `<div class="side">${sheets(worked.input, 'input', words.input)}</div>` +
    (worked.kernel ? `<div class="side">${worked.kernel.map((each, filter) => sheets(each, 'kernel', worked.kernel.length > 1 ? say(words.filter, { filter: filter + 1 }) : words.filterOne)).join('')}</div>` : '') +
    `<div class="side">${sheets(outputs, 'output', words.output)}</div>`;
  cells = { input: index('input', worked.input), output: index('output', worked.output) };
  field('scrub').max = worked.steps.length - 1;
  go(Math.min(at, worked.steps.length - 1));
}

function go(to) {
  at = to;
  field('scrub').value = at;
  field('count').textContent = `${at + 1} / ${worked.steps.length}`;
  for (const cell of root.querySelectorAll('.under, .now')) cell.classList.remove('under', 'now');
  worked.steps.forEach(({ filter, place, result }, step) => {
    const cell = cells.output[filter][place[0]][place[1]][place[2]];
    const text = step <= at ? number(result) : '';
    if (cell.textContent !== text) cell.textContent = text;
  });
  const step = worked.steps[at];
  for (const { channel, at: [z, y, x] } of step.taps) cells.input[channel][z][y][x].classList.add('under');
  cells.output[step.filter][step.place[0]][step.place[1]][step.place[2]].classList.add('now');
  const figures = [...root.querySelectorAll('.kernel')];
  const each = figures.length / (worked.kernel?.length ?? 1);
  figures.forEach((figure, place) => figure.classList.toggle('idle', Math.floor(place / each) !== step.filter));
  field('sum').textContent = sum(step, PRESETS[field('preset').value].op);
}

function pause() {
  clearInterval(timer);
  timer = null;
  field('play').textContent = field('play').dataset.play;
}

function play() {
  if (timer) return pause();
  if (at >= worked.steps.length - 1) go(0);
  field('play').textContent = field('play').dataset.pause;
  timer = setInterval(() => {
    if (!element.isConnected || at >= worked.steps.length - 1) return pause();
    go(at + 1);
  }, 500);
}

function linked() {
  remember({ steps: field('preset').value, window: ['stride', 'padding', 'dilation'].map((name) => field(name).value).join('.'), edges: field('edges').value });
}

function choose(own) {
  const { stride = 1, padding = 0, dilation = 1, edges = 'zeros' } = PRESETS[field('preset').value];
  if (own) Object.entries({ stride, padding, dilation, edges }).forEach(([name, value]) => (field(name).value = value));
  at = 0;
  build();
}

for (const [name, { title }] of Object.entries(PRESETS)) field('preset').append(make('option', { value: name, textContent: title }));
if (Object.hasOwn(PRESETS, recalled('steps') ?? '')) field('preset').value = recalled('steps');
field('preset').addEventListener('change', () => { pause(); choose(true); linked(); });
for (const name of ['stride', 'padding', 'dilation', 'edges']) field(name).addEventListener('input', () => { pause(); build(); linked(); });
field('scrub').addEventListener('input', () => { pause(); go(Number(field('scrub').value)); });
field('back').addEventListener('click', () => { pause(); go(Math.max(0, at - 1)); });
field('on').addEventListener('click', () => { pause(); go(Math.min(worked.steps.length - 1, at + 1)); });
field('play').addEventListener('click', play);
choose(true);
const window_ = recalled('window')?.split('.').map(Number);
if (window_?.length === 3 && window_.every(Number.isInteger)) {
  ['stride', 'padding', 'dilation'].forEach((name, place) => (field(name).value = window_[place]));
  if (['zeros', 'repeat'].includes(recalled('edges'))) field('edges').value = recalled('edges');
  build();
}
