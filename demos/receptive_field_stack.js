// Build your own: a list of layers, followed as one types.

const most = { kernel: 512, stride: 512, padding: 512, dilation: 512, extra: 512, channels: 65536, groups: 65536 };
const fits = {
  conv: ['kernel', 'stride', 'padding', 'dilation', 'channels', 'groups'],
  depthwise: ['kernel', 'stride', 'padding', 'dilation'],
  transposed: ['kernel', 'stride', 'padding', 'dilation', 'extra', 'channels'],
  max_pool: ['kernel', 'stride', 'padding'],
  avg_pool: ['kernel', 'stride', 'padding'],
  upsample: ['stride'],
};
const FIRST = { op: 'conv', kernel: 3, stride: 1, padding: 1, dilation: 1, extra: 0, channels: 16, groups: 1 };
const POOL = { ...FIRST, op: 'max_pool', kernel: 2, stride: 2, padding: 0 };
const root = element.querySelector('.rf-stack');
const body = root.querySelector('tbody');
const sizeInput = root.querySelector('.size');

let layers = [
  { ...FIRST },
  { ...FIRST, dilation: 2, padding: 2 },
  { ...POOL },
  { ...FIRST, op: 'depthwise', channels: 0 },
  { ...FIRST, channels: 32 },
];

// What the address holds is short: op, then kernel.stride.padding.dilation.extra.channels.groups; layers by commas.
const NUMBERS = ['kernel', 'stride', 'padding', 'dilation', 'extra', 'channels', 'groups'];
const written = () => layers.map((layer) => [layer.op, ...NUMBERS.map((name) => layer[name])].join('.')).join(',');

function read(text) {
  const found = text.split(',').map((part) => {
    const [op, ...numbers] = part.split('.');
    return { op, ...Object.fromEntries(NUMBERS.map((name, place) => [name, Number(numbers[place])])) };
  });
  const good = (layer) => Object.hasOwn(OPERATIONS, layer.op) && NUMBERS.every((name) => Number.isInteger(layer[name]));
  return found.length <= options.most && found.every(good) ? found : null;
}

function check(layer) {
  for (const name of fits[layer.op]) {
    const least = ['padding', 'extra'].includes(name) ? 0 : 1;
    const value = layer[name];
    if (!Number.isInteger(value) || value < least || value > most[name]) {
      throw new Refused(say(words.number, { name: words[name], least, most: most[name] }));
    }
  }
  if (layer.op.endsWith('pool') && layer.padding > layer.kernel / 2) throw new Refused(words.poolPadding);
}

function follow(size) {
  let [field, units, channels] = [PIXEL, size, 3];
  if (!Number.isInteger(size) || size < 1 || size > 8192) throw new Refused(words.size);
  return layers.map((given, place) => {
    try {
      check(given);
      const layer = { ...given, dilation: fits[given.op].includes('dilation') ? given.dilation : 1 };
      if (layer.op === 'upsample') Object.assign(layer, { kernel: 1, padding: 0 });
      const [window, sizeOf] = OPERATIONS[layer.op];
      units = sizeOf(units, layer);
      if (units > 8192) throw new Refused(words.tooMany);
      field = through(field, window(layer));
      const into = channels;
      if (['conv', 'transposed'].includes(layer.op)) channels = layer.channels;
      const groups = layer.op === 'depthwise' ? into : layer.op === 'conv' ? layer.groups : 1;
      if (into % groups || channels % groups) throw new Refused(say(words.groupsWrong, { into, channels, groups }));
      return { ...layer, into, channels, groups, units, field };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      throw Object.assign(new Refused(`${say(words.layer, { number: place + 1 })}: ${error.message}`), { place });
    }
  });
}

// PyTorch

function code(found, size) {
  const line = (it) => {
    const window = `${it.kernel}, stride=${it.stride}, padding=${it.padding}`;
    const wide = `${window}, dilation=${it.dilation}`;
    return {
      conv: `nn.Conv2d(${it.into}, ${it.channels}, ${wide}, groups=${it.groups})`,
      depthwise: `nn.Conv2d(${it.into}, ${it.channels}, ${wide}, groups=${it.groups})`,
      transposed: `nn.ConvTranspose2d(${it.into}, ${it.channels}, ${wide}, output_padding=${it.extra})`,
      max_pool: `nn.MaxPool2d(${window})`,
      avg_pool: `nn.AvgPool2d(${window})`,
      upsample: `nn.Upsample(scale_factor=${it.stride})`,
    }[it.op];
  };
  const rows = found.map((it) => `    ${line(it)},  # ${it.channels} x ${it.units} x ${it.units}, sees ${lengthOf(it.field)} px`);
  return ['import torch', 'from torch import nn', '', 'network = nn.Sequential(', ...rows, ')',
    `print(network(torch.zeros(1, 3, ${size}, ${size})).shape)`].join('\n');
}

// The picture: what the middle unit of each layer sees, one square in the other

function draw(found, size) {
  const last = found.at(-1);
  const boxes = found.map(({ field, units }) => spanOf(field, Math.floor((units - 1) / 2)) ?? [0, -1]);
  const low = Math.min(0, ...boxes.map(([first]) => first));
  const high = Math.max(size, ...boxes.map(([, end]) => end + 1));
  const square = ([first, end], kind) =>
    `<rect class="${kind}" x="${first}" y="${first}" width="${end - first + 1}" height="${end - first + 1}"/>`;
  const rings = boxes.map((box, place) => square(box, place === boxes.length - 1 ? 'box last' : 'box')).reverse();
  root.querySelector('.nest').innerHTML =
    `<svg viewBox="${low - 1} ${low - 1} ${high - low + 2} ${high - low + 2}" role="img" aria-label="${words.nest}">` +
    `${square([0, size - 1], 'picture')}${rings.join('')}</svg>`;
  const seen = lengthOf(last.field);
  root.querySelector('.summary').textContent = say(words.summary, {
    units: last.units, channels: last.channels, seen, jump: tidy(jumpOf(last.field)), share: Math.min(100, Math.round((seen / size) * 100)),
  });
}

function show() {
  const began = performance.now();
  const size = Number(sizeInput.value);
  const wrong = root.querySelector('.wrong');
  for (const row of body.rows) row.removeAttribute('aria-invalid');
  try {
    const found = follow(size);
    wrong.textContent = '';
    found.forEach((it, place) => {
      const values = [`${it.channels}×${it.units}×${it.units}`, lengthOf(it.field), tidy(jumpOf(it.field)), startOf(it.field)];
      body.rows[place].querySelectorAll('output').forEach((cell, column) => (cell.textContent = values[column]));
    });
    draw(found, size);
    root.querySelector('code').textContent = code(found, size);
    root.classList.remove('stale');
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    wrong.textContent = error.message;
    if (error.place !== undefined) body.rows[error.place].setAttribute('aria-invalid', 'true');
    root.classList.add('stale');
  }
  root.dataset.took = performance.now() - began; // ms, from change to picture; a test reads it
}

function rows() {
  body.replaceChildren(
    ...layers.map((layer, place) => {
      const choice = make('select', { ariaLabel: say(words.opOf, { number: place + 1 }), onchange: () => {
        layer.op = choice.value;
        if (layer.op.endsWith('pool')) Object.assign(layer, { kernel: 2, stride: 2, padding: 0, dilation: 1 });
        if (layer.op === 'upsample') layer.stride = 2;
        if (layer.op === 'transposed') Object.assign(layer, { kernel: 4, stride: 2, padding: 1, dilation: 1, channels: layer.channels || 16 });
        if (layer.op === 'conv') layer.channels ||= 16;
        changed(true);
      } });
      choice.append(...Object.keys(OPERATIONS).map((op) => make('option', { value: op, textContent: words[op] })));
      choice.value = layer.op;
      const cells = NUMBERS.map((name) => {
        const input = make('input', { type: 'number', min: 0, max: most[name], value: layer[name],
          ariaLabel: say(words.of, { name: words[name], number: place + 1 }),
          oninput: () => { layer[name] = input.value === '' ? NaN : Number(input.value); changed(false); } });
        return make('td', {}, ...(fits[layer.op].includes(name) ? [input] : []));
      });
      const button = (sign, label, act, off) => make('button', { type: 'button', textContent: sign, disabled: off,
        ariaLabel: say(words[label], { number: place + 1 }), title: say(words[label], { number: place + 1 }), onclick: () => { act(); changed(true); } });
      const swap = (other) => ([layers[place], layers[other]] = [layers[other], layers[place]]);
      return make('tr', {}, make('th', { scope: 'row', textContent: place + 1 }), make('td', {}, choice), ...cells,
        ...range(4, () => make('td', {}, make('output'))),
        make('td', { className: 'acts' },
          button('↑', 'up', () => swap(place - 1), place === 0),
          button('↓', 'down', () => swap(place + 1), place === layers.length - 1),
          button('×', 'remove', () => layers.splice(place, 1), layers.length === 1)));
    }),
  );
}

function changed(rebuilt) {
  if (rebuilt) rows();
  show();
  if (!root.classList.contains('stale')) remember({ layers: written(), input: sizeInput.value });
}

root.querySelector('.add').addEventListener('click', () => {
  if (layers.length < options.most) layers.push({ ...layers.at(-1) });
  changed(true);
});
root.querySelector('.copy').addEventListener('click', () => navigator.clipboard?.writeText(root.querySelector('code').textContent));
sizeInput.addEventListener('input', () => changed(false));
layers = (recalled('layers') && read(recalled('layers'))) || layers;
if (Number(recalled('input'))) sizeInput.value = Number(recalled('input'));
rows();
show();
