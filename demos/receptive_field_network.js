// A network's receptive field: the server traced it; which unit sees what is worked out here.

const root = element.querySelector('.rf-network');
const field = (name) => root.querySelector(`.${name}`);
const HEADS = ['layer', 'op', 'kernel', 'stride', 'padding', 'dilation', 'output', 'rf', 'jump', 'start'];
const photo = field('photo');
const map = field('map');

let net = null;
let chosen = null; // one of net.layers
let unit = [0, 0];
let pixel = null; // of the picture, whose seers are shown
let own = null; // the visitor's picture
let heat = null;
let mine = false; // the visitor has changed something

// A picture to begin with: a house under a sky, drawn, so that nothing has to be fetched.
function scene(ink, width, height) {
  const part = (x, y, w, h, colour) => { ink.fillStyle = colour; ink.fillRect(x * width, y * height, w * width, h * height); };
  const sky = ink.createLinearGradient(0, 0, 0, height);
  sky.addColorStop(0, '#7fb4dd');
  sky.addColorStop(1, '#e8eef2');
  ink.fillStyle = sky;
  ink.fillRect(0, 0, width, height);
  part(0, 0.7, 1, 0.3, '#86a866');
  part(0.3, 0.42, 0.42, 0.36, '#d9b38c');
  ink.fillStyle = '#9c4a3c';
  ink.beginPath();
  [[0.25, 0.43], [0.51, 0.2], [0.77, 0.43]].forEach(([x, y]) => ink.lineTo(x * width, y * height));
  ink.fill();
  part(0.46, 0.58, 0.1, 0.2, '#5d4037');
  part(0.35, 0.5, 0.08, 0.09, '#f3f6f8');
  part(0.6, 0.5, 0.08, 0.09, '#f3f6f8');
  ink.fillStyle = '#f4c542';
  ink.beginPath();
  ink.arc(0.83 * width, 0.16 * height, 0.07 * width, 0, 7);
  ink.fill();
  part(0.1, 0.5, 0.03, 0.26, '#6b4b32');
  ink.fillStyle = '#4f7d46';
  ink.beginPath();
  ink.arc(0.115 * width, 0.45 * height, 0.09 * width, 0, 7);
  ink.fill();
}

function paint() {
  const [height, width] = net.size;
  Object.assign(photo, { width: Math.max(width, 224), height: Math.max(height, 224) });
  const ink = photo.getContext('2d');
  if (own) {
    const scale = Math.max(photo.width / own.width, photo.height / own.height);
    const [w, h] = [own.width * scale, own.height * scale];
    ink.drawImage(own, (photo.width - w) / 2, (photo.height - h) / 2, w, h);
  } else scene(ink, photo.width, photo.height);
}

function seesOf([row, column]) {
  const spans = [spanOf(chosen.fields[0], row), spanOf(chosen.fields[1], column)];
  return spans.every(Boolean) ? spans : null;
}

const within = (value, size) => Math.min(Math.max(value, 0), size);

// Picture and box to scale, where the box reaches over the rim: there it is padding that the unit sees.
function plan(spans) {
  const [height, width] = net.size;
  const cut = spans && (spans[0][0] < 0 || spans[1][0] < 0 || spans[0][1] >= height || spans[1][1] >= width);
  field('plan').hidden = !cut;
  if (!cut) return;
  const [[top, bottom], [left, right]] = spans;
  const [x, y] = [Math.min(0, left), Math.min(0, top)];
  const [w, h] = [Math.max(width, right + 1) - x, Math.max(height, bottom + 1) - y];
  field('plan').innerHTML = `<svg viewBox="${x - w / 40} ${y - h / 40} ${w * 1.05} ${h * 1.05}" role="img" aria-label="${words.plan}"><title>${words.plan}</title>
    <rect class="ground" width="${width}" height="${height}"/><rect class="frame" x="${left}" y="${top}" width="${right - left + 1}" height="${bottom - top + 1}"/></svg>`;
}

function overlay() {
  const [height, width] = net.size;
  const svg = field('over');
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const spans = chosen.pooled ? [[0, height - 1], [0, width - 1]] : seesOf(unit);
  let marks = heat ? `<image href="${heat.source}" width="${width}" height="${height}" preserveAspectRatio="none"/>` : '';
  if (spans) {
    const [[top, bottom], [left, right]] = spans;
    const [x, y, r, b] = [within(left, width), within(top, height), within(right + 1, width), within(bottom + 1, height)];
    if (!heat) marks += `<path class="dim" fill-rule="evenodd" d="M0 0H${width}V${height}H0ZM${x} ${y}V${b}H${r}V${y}Z"/>`;
    marks += `<rect class="box" x="${x}" y="${y}" width="${Math.max(0, r - x)}" height="${Math.max(0, b - y)}"/>`;
    const inside = x === left && y === top && r === right + 1 && b === bottom + 1;
    field('sees').textContent = say(chosen.pooled ? words.seesAll : inside ? words.sees : words.seesCut, {
      height: bottom - top + 1, width: right - left + 1, top, left, bottom, right });
    if (chosen.everything && !chosen.pooled) field('sees').textContent += ` ${words.everything}`;
  } else field('sees').textContent = words.seesNothing;
  plan(chosen.pooled ? null : spans);
  if (pixel) marks += `<path class="pixel" d="M${pixel[1] + 0.5} 0V${height}M0 ${pixel[0] + 0.5}H${width}"/>`;
  svg.innerHTML = marks;
}

function atlas() {
  const [rows, columns] = chosen.units;
  Object.assign(map, { width: columns, height: rows });
  const ink = map.getContext('2d');
  ink.fillStyle = getComputedStyle(map).getPropertyValue('--cell');
  ink.fillRect(0, 0, columns, rows);
  if (columns <= 64 && rows <= 64) {
    ink.fillStyle = getComputedStyle(map).getPropertyValue('--other');
    range(rows * columns, (at) => ((at % columns) + Math.floor(at / columns)) % 2 && ink.fillRect(at % columns, Math.floor(at / columns), 1, 1));
  }
  let count = 0;
  if (pixel) {
    ink.fillStyle = getComputedStyle(map).getPropertyValue('--seer');
    const hits = [rows, columns].map((many, axis) => range(many).filter((at) => {
      const span = spanOf(chosen.fields[axis], at);
      return span && span[0] <= pixel[axis] && pixel[axis] <= span[1];
    }));
    for (const row of hits[0]) for (const column of hits[1]) ink.fillRect(column, row, 1, 1);
    count = hits[0].length * hits[1].length;
  }
  ink.fillStyle = accent();
  ink.fillRect(unit[1], unit[0], 1, 1);
  field('unit').textContent = pixel
    ? say(words.seers, { count: count.toLocaleString(), total: (rows * columns).toLocaleString(), row: pixel[0], column: pixel[1] })
    : say(words.unitOf, { rows, columns, row: unit[0], column: unit[1], jump: chosen.jump });
}

// How the layer's output and field come about; nothing where no formula of the course says it.
function formulas() {
  const kind = /transpose/i.test(chosen.op) ? 'transposed' : /adaptive/i.test(chosen.op) ? 'adaptive' : 'conv';
  const perAxis = (chosen.kernel === '' ? [] : chosen.before ?? []).map(([size, ...before], axis) => {
    const at = (name) => Number(String(chosen[name]).split('×')[axis] ?? chosen[name]);
    const numbers = { kernel: at('kernel'), stride: at('stride'), padding: at('padding'), dilation: at('dilation') };
    const units = chosen.units[axis];
    const exact = (size + 2 * numbers.padding - effective(numbers.kernel, numbers.dilation)) / numbers.stride;
    const full = (size - 1) * numbers.stride - 2 * numbers.padding + effective(numbers.kernel, numbers.dilation);
    if (kind === 'transposed') return units >= full ? sizeFormula(kind, size, { ...numbers, extra: units - full }, units) : '';
    if (kind === 'adaptive') return sizeFormula(kind, size, numbers, units);
    const ceil = Math.floor(exact) + 1 !== units;
    if (ceil && Math.ceil(exact) + 1 !== units) return '';
    const grown = before[0] + (effective(numbers.kernel, numbers.dilation) - 1) * before[1];
    return sizeFormula(kind, size, { ...numbers, ceil }, units) + (grown === lengthOf(chosen.fields[axis]) ? fieldFormula(kind, before, numbers) : '');
  });
  field('which').textContent = `${chosen.layer}: ${chosen.op}`;
  const found = perAxis[0] === perAxis[1] ? perAxis.slice(0, 1) : perAxis;
  field('formulas').innerHTML = found.some(Boolean) ? found.map((each) => `<div>${each}</div>`).join('') : `<p>${words.noFormula}</p>`;
}

function growth() {
  const shown = net.layers.filter((layer) => !layer.pooled);
  const top = Math.max(net.size[0], ...shown.map((layer) => lengthOf(layer.fields[0]))) * 1.05;
  const [width, height, left] = [Math.min(760, field('growth').clientWidth || 640), 200, 46];
  const x = (place) => left + (place / Math.max(1, shown.length - 1)) * (width - left - 12);
  const y = (value) => height - 26 - (value / top) * (height - 40);
  const path = shown.map((layer, place) => `${place ? 'L' : 'M'}${x(place).toFixed(1)} ${y(lengthOf(layer.fields[0])).toFixed(1)}`).join('');
  const at = shown.indexOf(chosen);
  const dot = at < 0 ? '' : `<circle cx="${x(at)}" cy="${y(lengthOf(chosen.fields[0]))}" r="5"/>`;
  const last = lengthOf(shown.at(-1).fields[0]);
  field('growth').innerHTML = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${words.growth}">
    <path class="axis" d="M${left} 8V${height - 26}H${width - 8}"/>
    <path class="rim" d="M${left} ${y(net.size[0])}H${width - 8}"/><text x="${left + 6}" y="${y(net.size[0]) - 5}">${say(words.rim, { size: net.size[0] })}</text>
    <path class="curve" d="${path}"/>${dot}
    <text class="tick" x="${left - 6}" y="${y(0) + 4}">0</text><text class="tick" x="${left - 6}" y="${y(last) + 4}">${last}</text>
    <text x="${left}" y="${height - 8}">${words.depth}</text></svg>`;
}

function table() {
  const every = field('all-layers').checked;
  root.querySelector('thead').innerHTML = `<tr>${HEADS.map((head) => `<th scope="col">${words[head]}</th>`).join('')}</tr>`;
  root.querySelector('tbody').replaceChildren(
    ...net.layers.filter((layer) => every || layer.moves || layer === chosen).map((layer) => {
      const button = make('button', { type: 'button', textContent: layer.layer, onclick: () => { mine = true; pick(layer); } });
      return make('tr', { ariaSelected: null, className: layer === chosen ? 'chosen' : '' },
        make('th', { scope: 'row' }, button), ...HEADS.slice(1).map((head) => make('td', { textContent: layer[head] })));
    }),
  );
}

function draw() {
  paint();
  overlay();
  atlas();
}

function place(row, column) {
  unit = [within(row || 0, chosen.units[0] - 1), within(column || 0, chosen.units[1] - 1)];
  field('row').value = unit[0];
  field('column').value = unit[1];
  heat = null;
  field('measured').textContent = '';
}

function pick(layer, at) {
  chosen = layer;
  pixel = null;
  field('layer').value = net.layers.indexOf(layer);
  field('row').max = layer.units[0] - 1;
  field('column').max = layer.units[1] - 1;
  place(...(at ?? layer.units.map((size) => Math.floor(size / 2))));
  draw();
  formulas();
  growth();
  table();
  link();
}

function link() {
  if (mine) remember({ network: net.name, size: net.size[0], layer: chosen.layer, unit: unit.join('.') });
}

async function showPicture(blob) {
  own = await createImageBitmap(blob, { imageOrientation: 'from-image' }).catch(() => null);
  draw();
  return own;
}

// What is measured: a unit of a layer, in one of its runs, of this network.
function question() {
  const weights = root.querySelector('[name=weights]:checked').value;
  return { name: net.name, size: net.size[0], layer: chosen.layer, call: chosen.call, unit, weights };
}

const sameQuestion = (one, other) => Object.keys(other).every((key) => String(one[key]) === String(other[key]));

function show() {
  const value = props.value;
  if (value?.photo) fetch(value.photo).then((answer) => answer.blob()).then(showPicture); // handed over by another tab
  if (value?.of && !sameQuestion(value.of, question())) return; // another unit is looked at by now
  if (value?.heat) {
    heat = value.heat;
    field('measured').textContent = say(words.measuredSide, { side: Math.round(heat.side), share: heat.share, field: chosen.rf });
    return overlay();
  }
  if (value?.unmeasured) {
    field('measured').textContent = value.unmeasured;
    return;
  }
  if (value?.refused) {
    field('note').textContent = value.refused;
    return root.classList.add('stale');
  }
  if (!value?.layers) return;
  root.classList.remove('stale');
  if (!value.asked && value.name === net?.name && value.size[0] === net.size[0]) {
    field('note').textContent = net.note;
    return;
  }
  mine ||= net !== null;
  net = value;
  field('note').textContent = net.note;
  field('trained').hidden = !net.trained;
  root.querySelector('[name=weights]').checked = true;
  field('layer').replaceChildren(...net.layers.map((layer, at) => make('option', { value: at, textContent: `${layer.layer} (${layer.op})` })));
  const asked = net.asked && net.layers.findLast((layer) => layer.layer === net.asked.layer);
  if (net.asked?.layer && !asked) field('note').textContent = [net.note, say(words.noLayer, { layer: net.asked.layer })].join(' ').trim();
  const last = net.layers.findLast((layer) => layer.moves && layer.call && !layer.pooled) ?? net.layers.at(-1);
  pick(asked || last, asked ? net.asked.unit ?? undefined : undefined);
}

const where = (event, canvas, rows, columns) => {
  const box = canvas.getBoundingClientRect();
  return [within(Math.floor(((event.clientY - box.top) / box.height) * rows), rows - 1), within(Math.floor(((event.clientX - box.left) / box.width) * columns), columns - 1)];
};

map.addEventListener('click', (event) => {
  mine = true;
  pixel = null;
  place(...where(event, map, ...chosen.units));
  draw();
  link();
});
photo.addEventListener('click', (event) => {
  pixel = where(event, photo, ...net.size);
  overlay();
  atlas();
});
for (const name of ['row', 'column']) field(name).addEventListener('input', () => {
  mine = true;
  pixel = null;
  place(Number(field('row').value), Number(field('column').value));
  draw();
  link();
});
field('layer').addEventListener('change', () => { mine = true; pick(net.layers[Number(field('layer').value)]); });
for (const weights of root.querySelectorAll('[name=weights]')) weights.addEventListener('change', () => {
  place(...unit); // what was measured is no longer asked for
  overlay();
});
field('all-layers').addEventListener('change', table);
field('picture').addEventListener('change', async () => {
  const [file] = field('picture').files;
  if (!file) return;
  const good = await showPicture(file);
  field('note').textContent = good ? net.note : words.noPicture;
  if (!good) return;
  try {
    props.value = { own: (await upload(file)).path }; // for the other tabs
    trigger('input');
  } catch {
    field('note').textContent = words.noPicture;
  }
});
field('ask').addEventListener('click', () => {
  field('measured').textContent = words.measuring;
  props.value = { ask: question() };
  trigger('submit');
});
new ResizeObserver(() => net && growth()).observe(field('growth'));
watch('value', show);
show();
