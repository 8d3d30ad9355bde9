// The table of networks, its plots and its CSV. From Python comes {running, status, share, thumbs, rows, note}; sorting,
// filtering and drawing ask nobody. A row is what `row` in model_zoo.py makes.

const zoo = element.querySelector('.zoo');
const table = zoo.querySelector('table');
const find = zoo.querySelector('.find input');
const order = zoo.querySelector('.order select');
const looked = zoo.querySelector('.looked');
const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const make = (tag, options = {}, ...children) => {
  const { attributes = {}, ...rest } = options;
  const made = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};
const draw = (tag, attributes = {}, ...children) => {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

// Numbers

const SIZES = [[1e9, ' G', 2], [1e6, ' M', 1], [1e3, ' k', 0]];
function short(number) {
  const [unit, sign, digits] = SIZES.find(([size]) => number >= size) ?? [1, '', 0];
  return (number / unit).toFixed(digits) + sign;
}
const milliseconds = (number) => `${number >= 100 ? number.toFixed(0) : number.toFixed(1)} ms`;
const megabytes = (number) => `${number >= 100 ? number.toFixed(0) : number.toFixed(1)} MB`;
const percent = (share) => `${(100 * share).toFixed(share > 0.995 ? 0 : 1)} %`;

// What is shown

let given = {};
let looking = 0; // which picture's answers
let sorted = { column: '', down: false }; // '' is the order in which they were chosen
const open = new Set(); // names of the rows that show their top five

const best = (row) => row.top[looking]?.[0];
// Column: what it sorts by (null sorts last), its cell's lines.
const COLUMNS = {
  network: { value: (row) => row.title.toLowerCase(), cell: (row) => [row.title] },
  answer: { value: (row) => best(row)?.[1] ?? null, down: true, cell: (row) => answer(row) },
  params: { value: (row) => row.params, cell: (row) => [row.params === null ? '' : short(row.params)] },
  macs: {
    value: (row) => row.macs,
    cell: (row) => row.macs === null ? [''] : [`${short(row.macs)} MACs`, `${short(2 * row.macs)} FLOPs`],
  },
  file: { value: (row) => row.file, cell: (row) => [row.file === null ? '' : megabytes(row.file)] },
  latency: { value: (row) => row.latency?.median ?? null, cell: (row) => latency(row) },
  peak: { value: (row) => row.peak, cell: (row) => [row.peak === null ? '' : megabytes(row.peak)] },
  top1: { value: (row) => row.top1, down: true, cell: (row) => [row.top1 === null ? '' : `${row.top1.toFixed(1)} %`] },
  licence: { value: (row) => row.licence || null, cell: (row) => [row.licence] },
};

function bar([name, share]) {
  return make('span', { className: 'bar', attributes: { style: `--share: ${(100 * share).toFixed(1)}%` } },
    make('span', { textContent: name }), make('b', { textContent: percent(share) }));
}

function answer(row) {
  if (best(row)) return [bar(best(row))];
  if (row.phase) return [make('i', { textContent: row.phase })];
  if (!row.error) return [make('i', { textContent: words.waits })];
  return [make('i', { textContent: words.none }), make('small', { className: 'error', textContent: row.error })];
}

function latency(row) {
  if (!row.latency) return [make('i', { textContent: words.unmeasured })];
  const lines = [milliseconds(row.latency.median), say(words.p95, { ms: milliseconds(row.latency.p95) })];
  if (row.folded)
    lines.push(make('span', { className: 'gain', textContent: say(words.gain, {
      ms: milliseconds(row.folded.median), times: (row.latency.median / row.folded.median).toFixed(2),
    }) }));
  return lines;
}

function cell(name, row) {
  const lines = COLUMNS[name].cell(row).filter((line) => line !== '');
  const filled = lines.length ? lines : [make('i', { textContent: '–', attributes: { 'aria-label': words.unknown } })];
  const parts = filled.map((line, place) =>
    typeof line === 'string' ? make(place ? 'small' : 'span', { textContent: line }) : line);
  return make('td', { className: name, attributes: { 'data-head': words.heads[name] } }, make('div', {}, ...parts));
}

function head() {
  const cells = Object.entries(COLUMNS).map(([name]) => {
    const button = make('button', { type: 'button' }, words.heads[name]);
    button.addEventListener('click', () => sort(name, sorted.column === name ? !sorted.down : !!COLUMNS[name].down));
    const th = make('th', { className: name, scope: 'col' }, button);
    if (sorted.column === name) th.setAttribute('aria-sort', sorted.down ? 'descending' : 'ascending');
    return th;
  });
  table.tHead.replaceChildren(make('tr', {}, ...cells));
}

function sort(column, down) {
  sorted = { column, down };
  order.value = column;
  head();
  body();
}

function rows() {
  const wanted = find.value.trim().toLowerCase().split(/\s+/);
  const found = given.rows.filter((row) => {
    const text = [row.name, row.title, row.family, row.licence, row.source, row.error, ...row.top.flat().slice(0, 1).map(([name]) => name), best(row)?.[0]]
      .join(' ').toLowerCase();
    return wanted.every((word) => text.includes(word));
  });
  if (!sorted.column) return found;
  const { value } = COLUMNS[sorted.column];
  return found.sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    return (a < b ? -1 : a > b ? 1 : 0) * (sorted.down ? -1 : 1);
  });
}

function body() {
  const found = rows();
  const made = found.flatMap((row) => {
    const button = make('button', { type: 'button', className: 'more', attributes: { 'aria-expanded': String(open.has(row.name)), 'aria-label': say(words.more, { name: row.title }) } });
    button.addEventListener('click', () => {
      open.has(row.name) ? open.delete(row.name) : open.add(row.name);
      body();
      [...table.querySelectorAll('tr.row')].find((each) => each.dataset.name === row.name)?.querySelector('.more').focus();
    });
    const named = row.title === row.name || row.source.includes(row.name);
    const under = [[!named && 'code', row.name], [row.source && 'small', row.source]].filter(([tag]) => tag);
    const first = make('th', { className: 'network', scope: 'row' }, make('div', {}, button,
      make('span', {}, make('b', { textContent: row.title }), ...under.map(([tag, text]) => make(tag, { textContent: text })))));
    const line = make('tr', { className: 'row' }, first, ...Object.keys(COLUMNS).slice(1).map((name) => cell(name, row)));
    line.dataset.name = row.name;
    line.addEventListener('pointerenter', () => light(row.name));
    line.addEventListener('pointerleave', () => light(''));
    return open.has(row.name) ? [line, details(row)] : [line];
  });
  if (!found.length)
    made.push(make('tr', {}, make('td', { colSpan: 9, className: 'empty', textContent: given.rows.length ? words.filtered : words.empty })));
  table.tBodies[0].replaceChildren(...made);
}

function details(row) {
  const parts = [];
  row.top.forEach((five, place) => {
    const title = row.top.length > 1 ? say(words.fiveOf, { number: place + 1 }) : words.five;
    parts.push(make('div', { className: 'five' }, make('p', {}, make('b', { textContent: title })), ...five.map(bar)));
  });
  const facts = row.facts.map(([name, text]) => make('div', {}, make('dt', { textContent: name }), make('dd', { textContent: text })));
  parts.push(make('dl', {}, ...facts));
  const links = row.links.map(([text, address]) => make('a', { href: address, textContent: text }));
  const others = row.others.map((other) => {
    const button = make('button', { type: 'button', textContent: say(words.other, { weights: other.title }) });
    button.addEventListener('click', () => document.dispatchEvent(new CustomEvent('model-zoo-add', { detail: other })));
    return button;
  });
  if (links.length + others.length) parts.push(make('p', { className: 'links' }, ...links, ...others));
  return make('tr', { className: 'details' }, make('td', { colSpan: 9 }, make('div', {}, ...parts)));
}

// Plots: published accuracy against what it costs

const AXES = {
  latency: { value: (row) => row.latency?.median ?? null, text: milliseconds, title: () => words.axisLatency },
  params: { value: (row) => row.params && row.params / 1e6, text: (number) => `${number.toFixed(1)} M`, title: () => words.axisParams },
};

function ticks(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)); power += 1)
    for (const digit of [1, 2, 5]) {
      const tick = digit * 10 ** power;
      if (tick >= low && tick <= high) found.push(tick);
    }
  return found;
}

function plot(figure) {
  const axis = AXES[figure.dataset.by];
  const place = figure.querySelector('.plot');
  const points = given.rows.filter((row) => row.comparable && row.top1 !== null && axis.value(row)).map((row) => ({
    row, x: axis.value(row), y: row.top1, front: row.front.includes(figure.dataset.by),
  }));
  if (!points.length) {
    place.replaceChildren(make('p', { className: 'empty', textContent: figure.dataset.by === 'latency' ? words.noLatency : words.noPoints }));
    return;
  }
  const width = Math.max(280, place.clientWidth || 520);
  const height = Math.round(Math.min(360, Math.max(260, width * 0.62)));
  const [left, right, top, bottom] = [44, 12, 12, 44];
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  const [lowX, highX] = [Math.min(...xs) / 1.5, Math.max(...xs) * 1.6];
  const step = Math.max(...ys) - Math.min(...ys) > 12 ? 5 : 2;
  const [lowY, highY] = [Math.floor((Math.min(...ys) - 1) / step) * step, Math.ceil((Math.max(...ys) + 1) / step) * step];
  const toX = (x) => left + ((width - left - right) * Math.log(x / lowX)) / Math.log(highX / lowX);
  const toY = (y) => top + ((height - top - bottom) * (highY - y)) / (highY - lowY);
  const svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'group', 'aria-label': figure.querySelector('figcaption').textContent });
  let last = -Infinity;
  for (const tick of ticks(lowX, highX)) {
    const x = toX(tick);
    svg.append(draw('line', { class: 'grid', x1: x, x2: x, y1: top, y2: height - bottom }));
    if (x - last < 34) continue;
    last = x;
    svg.append(draw('text', { x, y: height - bottom + 16, 'text-anchor': 'middle' }, String(Number(tick.toPrecision(2)))));
  }
  for (let tick = lowY; tick <= highY; tick += step)
    svg.append(draw('line', { class: 'grid', x1: left, x2: width - right, y1: toY(tick), y2: toY(tick) }),
      draw('text', { x: left - 6, y: toY(tick) + 4, 'text-anchor': 'end' }, String(tick)));
  svg.append(draw('text', { x: (left + width - right) / 2, y: height - 6, 'text-anchor': 'middle', class: 'axis' }, axis.title()));
  const vertical = { x: 0, y: 0, 'text-anchor': 'middle', class: 'axis', transform: `translate(11 ${(top + height - bottom) / 2}) rotate(-90)` };
  svg.append(draw('text', vertical, words.axisTop1));
  const front = points.filter((point) => point.front).sort((one, other) => one.x - other.x);
  const path = front.map(({ x, y }, index) => (index ? `H${toX(x)}V${toY(y)}` : `M${toX(x)} ${toY(y)}`)).join('');
  svg.append(draw('path', { class: 'front', d: path }));
  const taken = points.map(({ x, y }) => [toX(x) - 7, toY(y) - 7, toX(x) + 7, toY(y) + 7]);
  front.slice(1).forEach(({ x, y }, index) => {
    const before = front[index];
    taken.push([toX(before.x), toY(before.y) - 1, toX(x), toY(before.y) + 1], [toX(x) - 1, toY(y), toX(x) + 1, toY(before.y)]);
  });
  const marks = points.sort((one, other) => one.front - other.front).map((point) => {
    const [x, y] = [toX(point.x), toY(point.y)];
    const text = say(words.point, { name: point.row.title, top1: point.y.toFixed(1), value: axis.text(point.x) }) + (point.front ? ` ${words.onFront}` : '');
    const mark = draw('g', { class: point.front ? 'mark on' : 'mark', tabindex: 0, role: 'img', 'aria-label': text }, draw('circle', { cx: x, cy: y, r: 5.5 }));
    mark.dataset.name = point.row.name;
    const tell = () => { light(point.row.name); tip(place, x, y, text, width); };
    const hush = () => { light(''); place.querySelector('.tip')?.remove(); };
    for (const [event, act] of [['pointerenter', tell], ['focus', tell], ['pointerleave', hush], ['blur', hush]])
      mark.addEventListener(event, act);
    return mark;
  });
  // Names beside their points as far as there is room, those on the front first; the others are read on hover.
  for (const point of [...points].reverse()) {
    const [x, y] = [toX(point.x), toY(point.y)];
    const long = point.row.title.length * 6.4 + 4;
    const spots = [
      [x + 9, y + 4, 'start'], [x - 9, y + 4, 'end'], [x - 6, y - 9, 'end'], [x + 7, y + 17, 'start'],
      [x, y - 10, 'middle'], [x, y + 20, 'middle'],
    ];
    for (const [tx, ty, anchor] of spots) {
      const from = anchor === 'start' ? tx : anchor === 'end' ? tx - long : tx - long / 2;
      const box = [from, ty - 11, from + long, ty + 3];
      if (box[0] < left || box[2] > width || box[1] < 0 || box[3] > height - bottom) continue;
      if (taken.some(([a, b, c, d]) => box[0] < c && box[2] > a && box[1] < d && box[3] > b)) continue;
      taken.push(box);
      svg.append(draw('text', { x: tx, y: ty, 'text-anchor': anchor, class: 'name', 'aria-hidden': 'true' }, point.row.title));
      break;
    }
  }
  svg.append(...marks);
  place.replaceChildren(svg);
}

function tip(place, x, y, text, width) {
  place.querySelector('.tip')?.remove();
  const made = make('div', { className: 'tip', textContent: text });
  place.append(made);
  made.style.left = `${Math.max(0, Math.min(x - made.offsetWidth / 2, width - made.offsetWidth))}px`;
  made.style.top = `${y > made.offsetHeight + 16 ? y - made.offsetHeight - 12 : y + 14}px`;
}

function light(name) {
  for (const each of zoo.querySelectorAll('[data-name]')) each.classList.toggle('lit', each.dataset.name === name && !!name);
}

function plots() {
  zoo.querySelectorAll('figure').forEach(plot);
}

// The file

const FIELDS = {
  model: (row) => row.name, title: (row) => row.title,
  picture: (row, place) => place + 1,
  top1: (row, place) => row.top[place]?.[0]?.[0], confidence: (row, place) => row.top[place]?.[0]?.[1],
  params: (row) => row.params, multiply_adds: (row) => row.macs, flops: (row) => row.macs && 2 * row.macs,
  file_mb: (row) => row.file, latency_median_ms: (row) => row.latency?.median, latency_p95_ms: (row) => row.latency?.p95,
  folded_median_ms: (row) => row.folded?.median, threads: (row) => row.latency?.threads, device: (row) => row.latency?.device,
  peak_mb: (row) => row.peak, published_top1_percent: (row) => row.top1, published_by: (row) => row.top1_source,
  licence: (row) => row.licence, source: (row) => row.source, error: (row) => row.error,
};

function quoted(value) {
  const text = String(value ?? '');
  const harmless = /^[=+@\t\r]|^-(?!\d)/.test(text) ? `'${text}` : text; // a spreadsheet would take it for a formula
  return /[",\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

zoo.querySelector('.csv').addEventListener('click', () => {
  const count = Math.max(1, given.thumbs.length);
  const lines = rows().flatMap((row) => Array.from({ length: count }, (_, place) =>
    Object.values(FIELDS).map((field) => quoted(field(row, place))).join(',')));
  const text = [Object.keys(FIELDS).join(','), ...lines].join('\r\n') + '\r\n';
  const address = URL.createObjectURL(new Blob(['\ufeff', text], { type: 'text/csv' }));
  make('a', { href: address, download: 'model_zoo.csv' }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
});

// What Python says

function pictures() {
  looking = Math.min(looking, Math.max(0, given.thumbs.length - 1));
  looked.hidden = given.thumbs.length < 2;
  const buttons = given.thumbs.map((thumb, place) => {
    const button = make('button', { type: 'button', attributes: { 'aria-pressed': String(place === looking) } },
      make('img', { src: thumb, alt: say(words.picture, { number: place + 1 }) }));
    button.addEventListener('click', () => {
      looking = place;
      pictures();
      body();
      trigger('select', { index: place });
    });
    return button;
  });
  looked.replaceChildren(make('span', { textContent: words.answersFor }), ...buttons);
}

let halted = -1; // the comparison that was stopped: what still comes of it is late

function show() {
  if (!props.value?.rows || (props.value.running && props.value.board === halted)) return;
  given = props.value;
  if (given.stopped) halted = given.board;
  zoo.querySelector('.status').textContent = given.status;
  const progress = zoo.querySelector('progress');
  progress.hidden = !given.running;
  if (given.share === null) progress.removeAttribute('value');
  else progress.value = given.share;
  zoo.querySelector('.note').textContent = given.note;
  document.dispatchEvent(new CustomEvent('model-zoo-busy', { detail: given.running }));
  pictures();
  body();
  plots();
}

order.append(make('option', { value: '', textContent: words.asChosen }),
  ...Object.keys(COLUMNS).map((name) => make('option', { value: name, textContent: words.heads[name] })));
order.addEventListener('change', () => sort(order.value, !!COLUMNS[order.value]?.down));
find.addEventListener('input', body);
let drawn = 0;
new ResizeObserver(([entry]) => {
  if (Math.abs(entry.contentRect.width - drawn) < 2) return;
  drawn = entry.contentRect.width;
  if (given.rows) plots();
}).observe(zoo);
given = { rows: [], thumbs: [] };
head();
body();
plots();
watch('value', show);
show();
