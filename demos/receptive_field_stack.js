// Build your own: a list of layers, followed as one types. Numbers are one for both axes, or rows×columns.

const most = { kernel: 512, stride: 512, padding: 512, dilation: 512, extra: 8192, channels: 65536, groups: 65536 };
const fits = {
  conv: ['kernel', 'stride', 'padding', 'dilation', 'channels', 'groups'],
  depthwise: ['kernel', 'stride', 'padding', 'dilation'],
  transposed: ['kernel', 'stride', 'padding', 'dilation', 'extra', 'channels'],
  max_pool: ['kernel', 'stride', 'padding', 'dilation', 'extra'],
  avg_pool: ['kernel', 'stride', 'padding', 'extra'],
  adaptive_max_pool: ['extra'],
  adaptive_avg_pool: ['extra'],
  upsample: ['stride'],
};
const FIRST = { op: 'conv', kernel: [3], stride: [1], padding: [1], dilation: [1], extra: [0], channels: [16], groups: [1] };
const POOL = { ...FIRST, op: 'max_pool', kernel: [2], stride: [2], padding: [0] };
const NUMBERS = ['kernel', 'stride', 'padding', 'dilation', 'extra', 'channels', 'groups'];
const SINGLE = ['channels', 'groups'];
const pools = (op) => op.endsWith('_pool') && !op.startsWith('adaptive');
const extraOf = (op) => (op === 'transposed' ? 'output_padding' : pools(op) ? 'ceil_mode' : 'output_size');
const root = element.querySelector('.rf-stack');
const body = root.querySelector('tbody');
const sizeInput = root.querySelector('.size');
const json = root.querySelector('.json');

let layers = [
  { ...FIRST },
  { ...FIRST, dilation: [2], padding: [2] },
  { ...POOL },
  { ...FIRST, op: 'depthwise', channels: [0] },
  { ...FIRST, kernel: [1, 7], padding: [0, 3], channels: [32] },
];
let focused = 1; // the layer whose formulas are shown
let formula = '';
let later = 0;

// "3" or "1×7"; what is neither is kept as no number, so that the visitor can go on typing.
const parsed = (text) => text.trim().split(/\s*[×x*,]\s*/).map((part) => (/^\d{1,6}$/.test(part) ? Number(part) : NaN));
const shown = (values) => values.map((each) => (Number.isNaN(each) ? '' : each)).join('×');
const along = (values, axis) => values[axis] ?? values[0];

// What the address holds is short: op, then kernel.stride.padding.dilation.extra.channels.groups; layers by commas.
const written = () => layers.map((layer) => [layer.op, ...NUMBERS.map((name) => layer[name].join('x'))].join('.')).join(',');

function read(text) {
  const found = text.split(',').map((part) => {
    const [op, ...numbers] = part.split('.');
    return { op, ...Object.fromEntries(NUMBERS.map((name, place) => [name, parsed(numbers[place] ?? '')])) };
  });
  enough(found.length);
  const good = (layer) => Object.hasOwn(OPERATIONS, layer.op) && NUMBERS.every((name) => layer[name].every(Number.isInteger));
  if (!found.every(good)) throw new Refused(words.unreadable);
  return found;
}

function enough(count) {
  if (count > options.most) throw new Refused(say(words.tooManyLayers, { most: options.most, count }));
}

// The same as JSON, in the words of the endpoint.
function asJson() {
  const single = (values) => (values.length > 1 ? values : values[0]);
  const entry = (layer) => ({ op: layer.op, ...Object.fromEntries(fits[layer.op].map((name) =>
    name === 'extra' ? [extraOf(layer.op), single(layer.extra)] : [name, single(layer[name])])) });
  return `[\n${layers.map((layer) => `  ${JSON.stringify(entry(layer))}`).join(',\n')}\n]`;
}

function fromJson(text) {
  let listed;
  try {
    listed = JSON.parse(text);
  } catch {
    throw new Refused(words.notJson);
  }
  if (!Array.isArray(listed) || !listed.length) throw new Refused(words.notList);
  enough(listed.length);
  return listed.map((entry, place) => {
    const number = place + 1;
    if (!Object.hasOwn(OPERATIONS, entry?.op)) throw new Refused(say(words.noOp, { number, known: Object.keys(OPERATIONS).join(', ') }));
    const { op } = entry;
    const list = (value) => (Array.isArray(value) ? value : [value]).map((each) => (typeof each === 'boolean' ? Number(each) : each));
    const defaults = pools(op) ? { ...POOL, stride: list(entry.kernel ?? 2) } : { ...FIRST, padding: [0], channels: [0], stride: [op === 'upsample' ? 2 : 1] };
    if (op.startsWith('adaptive')) defaults.extra = [1];
    const layer = { ...defaults, op };
    for (const [key, value] of Object.entries(entry)) {
      const name = key === extraOf(op) ? 'extra' : key;
      if (name === 'op') continue;
      if (!NUMBERS.includes(name) || key === 'extra') throw new Refused(say(words.noKey, { number, key: key.slice(0, 40) }));
      layer[name] = list(value);
    }
    return layer;
  });
}

function check(layer) {
  for (const name of fits[layer.op]) {
    const least = name === 'padding' || name === 'extra' && !layer.op.startsWith('adaptive') ? 0 : 1;
    const values = layer[name];
    const limit = name === 'extra' && pools(layer.op) ? 1 : most[name];
    const called = name === 'extra' ? words[extraOf(layer.op)] : words[name];
    if (name === 'channels' && layer.op === 'conv' && values.length === 1 && values[0] === 0) continue; // as many as go in
    if (values.length > (SINGLE.includes(name) ? 1 : 2) || !values.every((value) => Number.isInteger(value) && value >= least && value <= limit)) {
      throw new Refused(say(SINGLE.includes(name) ? words.number : words.numbers, { name: called, least, most: limit }));
    }
  }
}

function numbersOf(layer, axis) {
  const at = (name, none) => (fits[layer.op].includes(name) ? along(layer[name], axis) : none);
  const extra = at('extra', 0);
  return { kernel: at('kernel', 1), stride: at('stride', 1), padding: at('padding', 0), dilation: at('dilation', 1), extra,
    ceil: pools(layer.op) ? extra : 0, units: extra };
}

function follow(sizes) {
  let [fields, units, channels] = [[PIXEL, PIXEL], sizes, 3];
  if (sizes.length > 2 || !sizes.every((size) => Number.isInteger(size) && size >= 1 && size <= 8192)) throw new Refused(words.size);
  units = [0, 1].map((axis) => along(sizes, axis));
  return layers.map((layer, place) => {
    try {
      check(layer);
      const [window, sizeOf] = OPERATIONS[layer.op];
      const before = { fields, units };
      const numbers = [0, 1].map((axis) => numbersOf(layer, axis));
      if (pools(layer.op) && numbers.some(({ kernel, padding }) => padding > Math.floor(kernel / 2))) throw new Refused(words.poolPadding);
      units = before.units.map((size, axis) => sizeOf(size, numbers[axis]));
      if (units.some((each) => each > 8192)) throw new Refused(words.tooMany);
      fields = before.fields.map((field, axis) => through(field, window(numbers[axis], before.units[axis])));
      const into = channels;
      if (['conv', 'transposed'].includes(layer.op)) channels = layer.channels[0] || into;
      const groups = layer.op === 'depthwise' ? into : layer.op === 'conv' ? layer.groups[0] : 1;
      if (into % groups || channels % groups) throw new Refused(say(words.groupsWrong, { into, channels, groups }));
      return { op: layer.op, numbers, into, channels, groups, units, fields, before };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      throw Object.assign(new Refused(`${say(words.layer, { number: place + 1 })}: ${error.message}`), { place });
    }
  });
}

const both = (values, join = '×') => (values[0] === values[1] ? String(values[0]) : values.join(join));

// PyTorch

function code(found, sizes) {
  const line = (it) => {
    const of = (name) => {
      const values = it.numbers.map((each) => each[name]);
      return values[0] === values[1] ? values[0] : `(${values.join(', ')})`;
    };
    const window = `${of('kernel')}, stride=${of('stride')}, padding=${of('padding')}`;
    const wide = `${window}, dilation=${of('dilation')}`;
    const ceil = of('ceil') ? ', ceil_mode=True' : '';
    return {
      conv: `nn.Conv2d(${it.into}, ${it.channels}, ${wide}, groups=${it.groups})`,
      depthwise: `nn.Conv2d(${it.into}, ${it.channels}, ${wide}, groups=${it.groups})`,
      transposed: `nn.ConvTranspose2d(${it.into}, ${it.channels}, ${wide}, output_padding=${of('extra')})`,
      max_pool: `nn.MaxPool2d(${wide}${ceil})`,
      avg_pool: `nn.AvgPool2d(${window}${ceil})`,
      adaptive_max_pool: `nn.AdaptiveMaxPool2d(${of('units')})`,
      adaptive_avg_pool: `nn.AdaptiveAvgPool2d(${of('units')})`,
      upsample: `nn.Upsample(scale_factor=${of('stride')})`,
    }[it.op];
  };
  const rows = found.map((it) => `    ${line(it)},  # ${it.channels} x ${it.units.join(' x ')}, sees ${both(it.fields.map(lengthOf), ' x ')} px`);
  return ['import torch', 'from torch import nn', '', 'network = nn.Sequential(', ...rows, ')',
    `print(network(torch.zeros(1, 3, ${sizes.join(', ')})).shape)`].join('\n');
}

// The picture: what the middle unit of each layer sees, one box in the other

function draw(found, sizes) {
  const last = found.at(-1);
  const boxes = found.map(({ fields, units }) => fields.map((field, axis) => spanOf(field, Math.floor((units[axis] - 1) / 2)) ?? [0, -1]));
  const low = [0, 1].map((axis) => Math.min(0, ...boxes.map((box) => box[axis][0])));
  const high = [0, 1].map((axis) => Math.max(sizes[axis], ...boxes.map((box) => box[axis][1] + 1)));
  const box = ([[top, bottom], [left, right]], kind) =>
    `<rect class="${kind}" x="${left}" y="${top}" width="${right - left + 1}" height="${bottom - top + 1}"/>`;
  const rings = boxes.map((each, place) => box(each, place === boxes.length - 1 ? 'box last' : 'box')).reverse();
  root.querySelector('.nest').innerHTML =
    `<svg viewBox="${low[1] - 1} ${low[0] - 1} ${high[1] - low[1] + 2} ${high[0] - low[0] + 2}" role="img" aria-label="${words.nest}">` +
    `${box(sizes.map((size) => [0, size - 1]), 'picture')}${rings.join('')}</svg>`;
  const seen = last.fields.map(lengthOf);
  root.querySelector('.summary').textContent = say(words.summary, {
    units: last.units.join('×'), channels: last.channels, seen: seen.join('×'), jump: both(last.fields.map((field) => tidy(jumpOf(field)))),
    share: both(seen.map((each, axis) => Math.min(100, Math.round((each / sizes[axis]) * 100)))),
  });
}

function formulas(found) {
  focused = Math.min(focused, found.length - 1);
  [...body.rows].forEach((row, place) => row.classList.toggle('chosen', place === focused));
  const { op, numbers, before, units } = found[focused];
  root.querySelector('.which').textContent = `${say(words.layer, { number: focused + 1 })}: ${words[op]}`;
  const perAxis = [0, 1].map((axis) => {
    const seen = before.fields[axis];
    const simple = seen.spans.length === 1 && OPERATIONS[op][0] === sliding;
    return `<div>${sizeFormula(op, before.units[axis], numbers[axis], units[axis])}${simple ? fieldFormula(op, [lengthOf(seen), jumpOf(seen), startOf(seen)], numbers[axis]) : ''}</div>`;
  });
  const set = perAxis[0] === perAxis[1] ? perAxis[0]
    : perAxis.map((each, axis) => `<p>${axis ? words.columns : words.rows}</p>${each}`).join('');
  if (set !== formula) root.querySelector('.formulas').innerHTML = formula = set;
}

// What stays the same is left alone: setting a table or a formula anew takes longer than all the arithmetic.
function write(cell, text) {
  if (cell.textContent !== text) cell.textContent = text;
}

function show() {
  const sizes = parsed(sizeInput.value);
  const wrong = root.querySelector('.wrong');
  for (const row of body.rows) row.removeAttribute('aria-invalid');
  try {
    const found = follow(sizes);
    wrong.textContent = '';
    found.forEach((it, place) => {
      const values = [`${it.channels}×${it.units.join('×')}`, both(it.fields.map(lengthOf)), both(it.fields.map((field) => tidy(jumpOf(field)))), both(it.fields.map(startOf))].map(String);
      body.rows[place].querySelectorAll('output').forEach((cell, column) => write(cell, values[column]));
    });
    const pair = [0, 1].map((axis) => along(sizes, axis));
    draw(found, pair);
    formulas(found);
    root.querySelector('code').textContent = code(found, pair);
    root.classList.remove('stale');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    wrong.textContent = error.message;
    if (error.place !== undefined) body.rows[error.place].setAttribute('aria-invalid', 'true');
    root.classList.add('stale');
  }
}

function rows() {
  body.replaceChildren(
    ...layers.map((layer, place) => {
      const number = place + 1;
      const choice = make('select', { ariaLabel: say(words.opOf, { number }), onchange: () => {
        layer.op = choice.value;
        if (pools(layer.op)) Object.assign(layer, { kernel: [2], stride: [2], padding: [0], dilation: [1], extra: [0] });
        if (layer.op.startsWith('adaptive')) layer.extra = [1];
        if (layer.op === 'upsample') layer.stride = [2];
        if (layer.op === 'transposed') Object.assign(layer, { kernel: [4], stride: [2], padding: [1], dilation: [1], extra: [0] });
        if (['conv', 'transposed'].includes(layer.op) && !layer.channels[0]) layer.channels = [16];
        changed(true);
      } });
      choice.append(...Object.keys(OPERATIONS).map((op) => make('option', { value: op, textContent: words[op] })));
      choice.value = layer.op;
      const cells = NUMBERS.map((name) => {
        if (!fits[layer.op].includes(name)) return make('td');
        const called = name === 'extra' ? words[extraOf(layer.op)] : words[name];
        const ariaLabel = say(words.of, { name: called, number });
        if (name === 'extra' && pools(layer.op)) {
          const tick = make('input', { type: 'checkbox', checked: layer.extra[0] > 0, ariaLabel, onchange: () => { layer.extra = [Number(tick.checked)]; changed(false); } });
          return make('td', {}, make('label', {}, tick, called));
        }
        const input = make('input', { type: 'text', inputMode: 'numeric', value: shown(layer[name]), ariaLabel,
          oninput: () => { layer[name] = parsed(input.value); changed(false); },
          onkeydown: (event) => {
            const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
            if (!by || !layer[name].every(Number.isInteger)) return;
            event.preventDefault();
            layer[name] = layer[name].map((each) => Math.max(0, each + by));
            input.value = shown(layer[name]);
            changed(false);
          } });
        return make('td', {}, name === 'extra' ? make('label', {}, input, called) : input);
      });
      const button = (sign, label, act, off) => make('button', { type: 'button', textContent: sign, disabled: off,
        ariaLabel: say(words[label], { number }), title: say(words[label], { number }), onclick: () => { act(); changed(true); } });
      const swap = (other) => ([layers[place], layers[other]] = [layers[other], layers[place]]);
      const row = make('tr', {}, make('th', { scope: 'row', textContent: number }), make('td', {}, choice), ...cells,
        ...range(4, () => make('td', {}, make('output'))),
        make('td', { className: 'acts' },
          button('↑', 'up', () => swap(place - 1), place === 0),
          button('↓', 'down', () => swap(place + 1), place === layers.length - 1),
          button('×', 'remove', () => layers.splice(place, 1), layers.length === 1)));
      row.addEventListener('focusin', () => { if (focused !== place) { focused = place; show(); } });
      return row;
    }),
  );
}

function changed(rebuilt) {
  if (rebuilt) rows();
  show();
  clearTimeout(later); // the address and the text can wait until the picture is drawn
  later = setTimeout(() => {
    if (document.activeElement !== json) json.value = asJson();
    if (!root.classList.contains('stale')) remember({ layers: written(), input: sizeInput.value.replace('×', 'x') });
  }, 100);
}

// Layers from elsewhere, the address or the text: taken whole, or refused in one sentence.
function take(find) {
  try {
    layers = find();
    return true;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    root.querySelector('.wrong').textContent = error.message;
    return false;
  }
}

root.querySelector('.add').addEventListener('click', () => {
  if (!take(() => (enough(layers.length + 1), [...layers, { ...layers.at(-1) }]))) return;
  focused = layers.length - 1;
  changed(true);
});
root.querySelector('.copy').addEventListener('click', () => navigator.clipboard?.writeText(root.querySelector('code').textContent));
sizeInput.addEventListener('input', () => changed(false));
json.addEventListener('input', () => { if (take(() => fromJson(json.value))) changed(true); });
if (recalled('input')) sizeInput.value = shown(parsed(recalled('input'))) || '64';
const linked = recalled('layers') === null || take(() => read(recalled('layers')));
const refusal = root.querySelector('.wrong').textContent;
rows();
show();
json.value = asJson();
if (!linked) root.querySelector('.wrong').textContent = refusal;
