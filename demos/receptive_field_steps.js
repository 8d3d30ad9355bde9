// Convolution, step by step. Everything is worked out in three axes; a line or a picture has length 1 along the others.

const root = element.querySelector('.rf-steps');
const field = (name) => root.querySelector(`.${name}`);
const PRESETS = options.presets;
const POOLS = { max_pool: (values) => Math.max(...values), avg_pool: (values) => values.reduce((sum, value) => sum + value, 0) / values.length };
const OPS = ['conv', 'transposed', 'max_pool', 'avg_pool'];
const SETTINGS = ['stride', 'padding', 'dilation'];

const depthOf = (nested) => (Array.isArray(nested) ? 1 + depthOf(nested[0]) : 0);
const shapeOf = (nested) => (Array.isArray(nested) ? [nested.length, ...shapeOf(nested[0])] : []);
const sizeOf = (nested) => shapeOf(nested).reduce((product, size) => product * size, 1);
const block = (shape, value) => shape.length
  ? range(shape[0], (at) => block(shape.slice(1), (...rest) => value(at, ...rest))) : value();

// A nested list of `lead` axes and one to three more, with the missing ones put in between.
function deepen(nested, lead) {
  const missing = 3 - (depthOf(nested) - lead);
  const wrap = (values, level) => (level ? values.map((each) => wrap(each, level - 1)) : range(missing).reduce((inner) => [inner], values));
  return wrap(nested, lead);
}

// What the visitor types: rows of numbers, an empty line between channels; or nested lists as the endpoint takes them.

function numbersOf(text, name, most) {
  let found;
  if (text.trim().startsWith('[')) {
    try {
      found = JSON.parse(text);
    } catch {
      throw new Refused(say(words.notJson, { name }));
    }
  } else found = text.trim().split(/\n\s*\n/).map((part) => part.trim().split('\n').map((row) => row.trim().split(/[\s,;]+/).map((each) => (each === '' ? NaN : Number(each.replace('−', '-'))))));
  const shape = shapeOf(found);
  const even = (nested, sizes) => sizes.length
    ? Array.isArray(nested) && nested.length === sizes[0] && nested.every((each) => even(each, sizes.slice(1)))
    : typeof nested === 'number' && Math.abs(nested) <= 1e6;
  if (!shape.length || !sizeOf(found) || !even(found, shape)) throw new Refused(say(words.notNumbers, { name }));
  if (sizeOf(found) > most) throw new Refused(say(words.tooManyNumbers, { name, most }));
  return found;
}

function textOf(nested, lead) {
  const axes = depthOf(nested) - lead;
  if (axes > 2) return JSON.stringify(nested);
  const blocks = lead === 2 ? nested.flat() : nested;
  return blocks.map((each) => (axes === 1 ? [each] : each).map((row) => row.join(' ')).join('\n')).join('\n\n');
}

function typed() {
  const op = field('op').value;
  let input = numbersOf(field('picture').value, words.input, options.most);
  const example = { op, input, size: Number(field('side').value) };
  const listed = (name) => field(name).value.trim().startsWith('[');
  if (op in POOLS) {
    if (depthOf(input) < 2 || depthOf(input) > 4) throw new Refused(say(words.axes, { name: words.input }));
    return example;
  }
  let kernel = numbersOf(field('weights').value, words.filters, options.most);
  if (!listed('weights')) {
    const channels = input.length;
    if (kernel.length % channels) throw new Refused(say(words.perChannel, { blocks: kernel.length, channels }));
    const each = op === 'transposed' ? kernel.length / channels : channels;
    kernel = range(kernel.length / each, (at) => kernel.slice(at * each, (at + 1) * each));
    if (!listed('picture') && input[0].length === 1 && kernel[0][0].length === 1) { // one row each: a line
      input = input.map((each) => each[0]);
      kernel = kernel.map((filter) => filter.map((channel) => channel[0]));
    }
  }
  const axes = depthOf(input) - 1;
  if (axes < 1 || axes > 3) throw new Refused(say(words.axes, { name: words.input }));
  if (depthOf(kernel) !== axes + 2) throw new Refused(words.kernelAxes);
  if ((op === 'transposed' ? kernel : kernel[0]).length !== input.length) {
    throw new Refused(say(words.channelsDiffer, { kernel: (op === 'transposed' ? kernel : kernel[0]).length, picture: input.length }));
  }
  return { ...example, input, kernel };
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
    affordable(old[0].length, units);
    const from = input;
    const spread = (around) => (channel, ...place) => {
      const at = place.map((each, axis) => (each - around[axis]) / per(axis, stride, 1));
      if (!at.every((each, axis) => each >= 0 && each <= sizes[axis] - 1)) return [0, PAD];
      return at.every(Number.isInteger) ? [from[channel][at[0]][at[1]][at[2]], ''] : [0, GAP];
    };
    const between = marked(block([from.length, ...sizes.map((size, axis) => (size - 1) * per(axis, stride, 1) + 1)], spread([0, 0, 0])));
    const padded = marked(block([from.length, ...wide], spread(around)));
    input = padded.values;
    kernel = block([filters, channels, ...spans], (filter, channel, z, y, x) =>
      old[channel][filter][spans[0] - 1 - z][spans[1] - 1 - y][spans[2] - 1 - x]);
    const done = slide(input, kernel, spans, units, [1, 1, 1], [0, 1, 2].map((axis) => per(axis, dilation, 1)), null);
    const original = block([filters, channels, ...spans], (filter, channel, ...tap) => old[channel][filter][tap[0]][tap[1]][tap[2]]);
    return { ...done, marks: padded.marks, units, before: { input: from, between, kernel: original } };
  }
  const units = sizes.map((size, axis) => outputSize(size, numbers(axis, spans[axis])));
  if (pools && padding > Math.floor(preset.size / 2)) throw new Refused(words.poolPadding);
  const pads = [0, 1, 2].map((axis) => per(axis, padding, 0));
  affordable(pools ? input.length : kernel.length, units);
  const fill = preset.op === 'max_pool' ? -Infinity : 0;
  const from = input;
  const { values, marks } = marked(block([from.length, ...sizes.map((size, axis) => size + 2 * pads[axis])], (channel, ...place) => {
    const at = place.map((each, axis) => each - pads[axis]);
    const inside = at.map((each, axis) => Math.min(Math.max(each, 0), sizes[axis] - 1));
    const known = at.every((each, axis) => each === inside[axis]);
    const value = from[channel][inside[0]][inside[1]][inside[2]];
    return known ? [value, ''] : [edges === 'repeat' && !pools ? value : fill, PAD];
  }));
  input = values;
  const strides = [0, 1, 2].map((axis) => per(axis, stride, 1));
  return { ...slide(input, kernel, spans, units, strides, [0, 1, 2].map((axis) => per(axis, pools ? 1 : dilation, 1)), POOLS[preset.op]), marks, units };
}

const PAD = 'pad'; // a square outside the picture
const GAP = 'gap'; // a zero put between values

// Pairs of value and mark, taken apart.
function marked(pairs) {
  const shape = shapeOf(pairs).slice(0, 4);
  const take = (which) => block(shape, (c, z, y, x) => pairs[c][z][y][x][which]);
  return { values: take(0), marks: take(1) };
}

// A kernel with the zeros between its taps that dilation stands for.
function dilated(kernel, dilation) {
  const spans = shapeOf(kernel[0][0]);
  const steps = spans.map((span) => (span > 1 ? dilation : 1));
  return kernel.map((filter) => marked(block([filter.length, ...spans.map((span, axis) => (span - 1) * steps[axis] + 1)], (channel, ...place) => {
    const at = place.map((each, axis) => each / steps[axis]);
    return at.every(Number.isInteger) ? [filter[channel][at[0]][at[1]][at[2]], ''] : [0, GAP];
  })));
}

function affordable(filters, units) {
  const squares = units.reduce((product, size) => product * size, filters);
  if (squares > options.most) throw new Refused(say(words.tooManySquares, { squares, most: options.most }));
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

const number = (value) => (value === -Infinity ? '−∞' : String(Number(value.toFixed(4))).replace('-', '−'));
const factor = (value) => number(value).replace(/^−.*/, '($&)');

function sum({ taps, result }, op) {
  if (taps[0].weight === null) {
    return `${op === 'max_pool' ? words.largest : words.mean} (${taps.map((tap) => number(tap.value)).join(', ')}) = ${number(result)}`;
  }
  return `${taps.map(({ value, weight }) => `${factor(value)}·${factor(weight)}`).join(' + ')} = ${number(result)}`;
}

function sheet(title, values, marks, kind) {
  const rows = values.map((row, y) => `<tr>${row.map((value, x) => `<td class="${marks?.[y][x] ?? ''}">${value === null ? '' : number(value)}</td>`).join('')}</tr>`);
  return `<figure class="${kind}"><figcaption>${title}</figcaption><table role="presentation">${rows.join('')}</table></figure>`;
}

let worked = null;
let example = null;
let at = 0;
let timer = null;
let cells = {};

// Channels as sheets, side by side; a sheet per slice of a solid.
function sheets(title, values, marks, kind) {
  const [channels, deep, height, width] = shapeOf(values);
  return values.map((channel, at) => channel.map((slice, z) => {
    const name = [title, ...(channels > 1 ? [say(words.channel, { channel: at + 1 })] : []), ...(deep > 1 ? [say(words.slice, { z: z + 1 })] : []), `${height}×${width}`];
    return sheet(name.join(', '), slice, marks?.[at][z], kind);
  }).join('')).join('');
}

const side = (...parts) => `<div class="side">${parts.join('')}</div>`;
const filterName = (kernel, filter) => (kernel.length > 1 ? say(words.filter, { filter: filter + 1 }) : words.filterOne);

function index(kind, values) {
  const tables = [...root.querySelectorAll(`.${kind} table`)];
  return values.map((channel) => channel.map(() => [...tables.shift().rows].map((row) => [...row.cells])));
}

function settings() {
  return { ...Object.fromEntries(SETTINGS.map((name) => [name, Number(field(name).value)])), edges: field('edges').value };
}

function build() {
  const chosen = settings();
  const op = field('op').value;
  const pooling = op in POOLS;
  field('window').hidden = !pooling;
  field('weighted').hidden = pooling;
  field('dilated').hidden = pooling;
  field('edged').hidden = op !== 'conv';
  field('about').textContent = PRESETS[field('preset').value]?.about ?? '';
  const whole = (value, least, limit) => Number.isInteger(value) && value >= least && value <= limit;
  try {
    if (!whole(chosen.stride, 1, 4) || !whole(chosen.dilation, 1, 4) || !whole(chosen.padding, 0, 4)) throw new Refused(words.numbers);
    if (pooling && !whole(Number(field('side').value), 1, 8)) throw new Refused(words.windowWrong);
    example = PRESETS[field('preset').value] ?? typed();
    worked = work(example, chosen);
    field('wrong').textContent = '';
    root.classList.remove('stale');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    field('wrong').textContent = error.message;
    root.classList.add('stale');
    return pause();
  }
  const { input, kernel, marks, before, output } = worked;
  const stages = before ? [
    side(sheets(words.input, before.input, null, 'given')),
    side(sheets(words.inserted, before.between.values, before.between.marks, 'given')),
    side(...before.kernel.map((each, filter) => sheets(filterName(before.kernel, filter), each, null, 'given'))),
  ] : [];
  const moved = before || chosen.padding ? words.padded : words.input;
  const turned = (filter) => (before ? `${filterName(kernel, filter)}, ${words.turned}` : filterName(kernel, filter));
  const wide = kernel && chosen.dilation > 1
    ? side(...dilated(kernel, chosen.dilation).map(({ values, marks }, filter) => sheets(`${turned(filter)}, ${words.spread}`, values, marks, 'given'))) : '';
  field('stage').innerHTML = stages.join('') + side(sheets(moved, input, marks, 'input')) +
    (kernel ? side(...kernel.map((each, filter) => sheets(turned(filter), each, null, 'kernel'))) + wide : '') +
    side(sheets(words.output, block(shapeOf(output), () => null), null, 'output'));
  cells = { input: index('input', input), output: index('output', output) };
  describe(chosen);
  field('scrub').max = worked.steps.length - 1;
  go(Math.min(at, worked.steps.length - 1));
}

// Shapes in words, and how the output's size comes about.
function describe(chosen) {
  const { op, input, kernel, size } = example;
  const axes = depthOf(input) - 1;
  const pooling = op in POOLS;
  const shape = shapeOf(kernel ?? []);
  const filters = op === 'transposed' ? shape[1] : shape[0];
  const out = [worked.output.length, ...worked.units.slice(3 - axes)].join('×');
  const each = worked.steps[0].taps.length;
  const spans = pooling ? range(axes, () => size) : shape.slice(2);
  field('shapes').textContent = say(pooling ? words.shapesPooled : filters > 1 ? words.shapesMany : words.shapesOne, {
    input: shapeOf(input).join('×'), filters, kernel: [...(pooling ? [] : [input.length]), ...spans].join('×'), output: out,
    steps: worked.steps.length, each,
  });
  const formulas = spans.map((span, axis) => sizeFormula(op, shapeOf(input)[axis + 1], { ...chosen, kernel: span, dilation: pooling ? 1 : chosen.dilation }, worked.units[3 - axes + axis]));
  field('formulas').innerHTML = `<div>${[...new Set(formulas)].join('')}</div>`;
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
  field('sum').textContent = sum(step, example.op);
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
  if (root.classList.contains('stale')) return;
  const own = field('preset').value === 'own';
  const flat = (nested) => (nested ? JSON.stringify(nested) : '');
  remember({ steps: field('preset').value, window: SETTINGS.map((name) => field(name).value).join('.'), edges: field('edges').value,
    ...(own ? { op: example.op, side: field('side').value, picture: flat(example.input), weights: flat(example.kernel) } : {}) });
}

// The fields as an example has them.
function choose() {
  const { op, input, kernel, size = 2, stride = 1, padding = 0, dilation = 1, edges = 'zeros' } = PRESETS[field('preset').value];
  Object.entries({ op, side: size, stride, padding, dilation, edges }).forEach(([name, value]) => (field(name).value = value));
  field('picture').value = textOf(input, 1);
  if (kernel) field('weights').value = textOf(kernel, 2);
  at = 0;
  build();
}

const changed = (own) => () => {
  pause();
  if (own) field('preset').value = 'own';
  build();
  linked();
};

for (const [name, { title }] of Object.entries(PRESETS)) field('preset').append(make('option', { value: name, textContent: title }));
field('preset').append(make('option', { value: 'own', textContent: words.ownNumbers }));
field('op').append(...OPS.map((op) => make('option', { value: op, textContent: words[op] })));
field('preset').addEventListener('change', () => {
  if (field('preset').value !== 'own') {
    pause();
    choose();
    return linked();
  }
  root.querySelector('details').open = true;
  changed(true)();
});
for (const name of [...SETTINGS, 'edges']) field(name).addEventListener('input', changed(false));
for (const name of ['op', 'side', 'picture', 'weights']) field(name).addEventListener('input', changed(true));
field('scrub').addEventListener('input', () => { pause(); go(Number(field('scrub').value)); });
field('back').addEventListener('click', () => { pause(); go(Math.max(0, at - 1)); });
field('on').addEventListener('click', () => { pause(); go(Math.min(worked.steps.length - 1, at + 1)); });
field('play').addEventListener('click', play);

const wanted = recalled('steps');
if (Object.hasOwn(PRESETS, wanted ?? '')) field('preset').value = wanted;
choose();
if (wanted === 'own') {
  field('preset').value = wanted;
  root.querySelector('details').open = true;
  if (OPS.includes(recalled('op'))) field('op').value = recalled('op');
  for (const name of ['side', 'picture', 'weights']) field(name).value = recalled(name) || field(name).value;
}
const numbers = recalled('window')?.split('.').map(Number);
if (numbers?.length === 3 && numbers.every(Number.isInteger)) SETTINGS.forEach((name, place) => (field(name).value = numbers[place]));
if (['zeros', 'repeat'].includes(recalled('edges'))) field('edges').value = recalled('edges');
if (wanted !== null) build();
if (wanted === 'own' && example?.op === field('op').value) {
  field('picture').value = textOf(example.input, 1);
  if (example.kernel) field('weights').value = textOf(example.kernel, 2);
}
