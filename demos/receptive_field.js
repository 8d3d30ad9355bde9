// The arithmetic of cnn_core.receptive_field and cnn_core.convolution, for pages that must not wait for a server.
// A browser test compares the two. Each part of the tab is this file, followed by its own.

const say = (words, values) => words.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const make = (tag, options = {}, ...children) => {
  const { data = {}, ...rest } = options;
  const made = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(data)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

class Refused extends Error {}

const divide = (number, by) => [Math.floor(number / by), ((number % by) + by) % by];
const gcd = (a, b) => (b ? gcd(b, a % b) : a);
const effective = (kernel, dilation) => kernel + (kernel - 1) * (dilation - 1);

function outputSize(size, { kernel, stride, padding, dilation, ceil = 0 }) {
  const padded = size + 2 * padding;
  const reach = effective(kernel, dilation);
  if (reach > padded) throw new Refused(say(words.tooLarge, { reach, padded }));
  const [units, rest] = divide(padded - reach, stride);
  return units + (ceil && rest && (units + 1) * stride < size + padding ? 2 : 1);
}

function transposedSize(size, { kernel, stride, padding, dilation, extra = 0 }) {
  if (extra >= Math.max(stride, dilation)) throw new Refused(words.extra);
  const units = (size - 1) * stride - 2 * padding + effective(kernel, dilation) + extra;
  if (units < 1) throw new Refused(words.nothingLeft);
  return units;
}

// A window along one axis: for units 0, 1, ... which positions they touch; after `taps.length` units, `advance` further.

const range = (count, each = (index) => index) => Array.from({ length: count }, (_, index) => each(index));

const sliding = ({ kernel, stride, padding, dilation }) => ({
  taps: [range(kernel, (tap) => tap * dilation - padding)],
  advance: stride,
});
const transposed = ({ kernel, stride, padding, dilation }) => ({
  taps: range(stride, (unit) =>
    range(kernel, (tap) => unit + padding - tap * dilation)
      .filter((place) => place % stride === 0)
      .map((place) => place / stride)
      .sort((a, b) => a - b),
  ),
  advance: 1,
});
const repeated = ({ stride }) => ({ taps: range(stride, () => [0]), advance: 1 });
const adaptive = ({ units }, size) => {
  const [period, advance] = [units / gcd(size, units), size / gcd(size, units)];
  const first = (unit) => Math.floor((unit * size) / units);
  return { taps: range(period, (unit) => range(-Math.floor((-(unit + 1) * size) / units) - first(unit), (tap) => first(unit) + tap)), advance };
};
const given = (size, { units }) => units;

const OPERATIONS = {
  conv: [sliding, outputSize],
  depthwise: [sliding, outputSize],
  transposed: [transposed, transposedSize],
  max_pool: [sliding, outputSize],
  avg_pool: [sliding, outputSize],
  adaptive_max_pool: [adaptive, given],
  adaptive_avg_pool: [adaptive, given],
  upsample: [repeated, (size, { stride }) => size * stride],
};

// A field along one axis: for units 0, 1, ... first and last pixel, or null; after `spans.length` units, `advance` further.

const PIXEL = { spans: [[0, 0]], advance: 1 };

function spanOf({ spans, advance }, unit) {
  const [turn, phase] = divide(unit, spans.length);
  return spans[phase] && spans[phase].map((pixel) => pixel + turn * advance);
}

function touched({ taps, advance }, unit) {
  const [turn, phase] = divide(unit, taps.length);
  return taps[phase].map((tap) => tap + turn * advance);
}

function through(field, window) {
  const period = field.spans.length;
  const turns = period / gcd(period, window.advance);
  if (turns * window.taps.flat().length > 65536) throw new Refused(words.tooVaried);
  const spans = range(turns * window.taps.length, (unit) => {
    const seen = touched(window, unit).map((tap) => spanOf(field, tap)).filter(Boolean);
    return seen.length ? [Math.min(...seen.map(([first]) => first)), Math.max(...seen.map(([, last]) => last))] : null;
  });
  return { spans, advance: (turns * window.advance * field.advance) / period };
}

const lengthOf = ({ spans }) => Math.max(0, ...spans.filter(Boolean).map(([first, last]) => last - first + 1));
const jumpOf = ({ spans, advance }) => advance / spans.length;
const startOf = ({ spans }) => (spans.find(Boolean) ?? [0])[0];
const tidy = (number) => String(Math.round(number * 1000) / 1000).replace('-', '−');

// Formulas, in MathML, which browsers set by themselves: first with letters, then with numbers.

const inRow = (text) => text.replace(/(\d[\d.]*)|([A-Z])₀|([a-z])|([^\s\w])/gi, (_, number, before, letter, sign) =>
  number ? `<mn>${number}</mn>` : before ? `<msub><mi>${before}</mi><mn>0</mn></msub>` : letter ? `<mi>${letter}</mi>` : `<mo>${sign}</mo>`);
const over = (above, below) => `<mfrac><mrow>${inRow(above)}</mrow><mrow>${inRow(below)}</mrow></mfrac>`;
const math = (...sides) => `<math displaystyle="true">${sides.join('<mo>=</mo>')}</math>`;

// How many units a layer makes of `size` along one axis.
function sizeFormula(op, size, numbers, units) {
  const { kernel, stride, padding, dilation, extra = 0, ceil = 0 } = numbers;
  if (op.startsWith('adaptive')) return math(inRow('O'), inRow(String(units)));
  if (op === 'upsample') return math(inRow('O'), inRow('W · S'), inRow(`${size} · ${stride}`), inRow(String(units)));
  const reach = effective(kernel, dilation);
  const wide = dilation > 1 ? math(inRow('F'), inRow('k + (k − 1) (r − 1)'), inRow(`${kernel} + ${kernel - 1} · ${dilation - 1}`), inRow(String(reach))) : '';
  if (op === 'transposed') {
    return wide + math(inRow('O'), inRow('(W − 1) · S − 2 P + F + A'), inRow(`${size - 1} · ${stride} − 2 · ${padding} + ${reach} + ${extra}`), inRow(String(units)));
  }
  const [left, right] = ceil ? '⌈⌉' : '⌊⌋';
  const rounded = (inside, more) => `<mrow><mo>${left}</mo>${inside}<mo>${right}</mo></mrow>${inRow(more)}`;
  // Rounded up, a last window that would begin in the padding behind the picture is left out.
  const more = ceil && Math.ceil((size - reach + 2 * padding) / stride) + 1 > units ? '+ 1 − 1' : '+ 1';
  return wide + math(inRow('O'), rounded(over('W − F + 2 P', 'S'), more),
    rounded(over(`${size} − ${reach} + 2 · ${padding}`, String(stride)), more), inRow(String(units)));
}

// What its units see, given [size, jump, start] of what they look at.
function fieldFormula(op, [size, jump, start], { kernel, stride, padding, dilation }) {
  const reach = effective(kernel, dilation);
  return [
    math(inRow('R'), inRow('R₀ + (F − 1) · J₀'), inRow(`${tidy(size)} + ${reach - 1} · ${tidy(jump)}`), inRow(tidy(size + (reach - 1) * jump))),
    math(inRow('J'), inRow('J₀ · S'), inRow(`${tidy(jump)} · ${stride}`), inRow(tidy(jump * stride))),
    math(inRow('B'), inRow('B₀ − P · J₀'), inRow(`${tidy(start)} − ${padding} · ${tidy(jump)}`), inRow(tidy(start - padding * jump))),
  ].join('');
}

// The address: what is shown can be linked. Nothing is written before the visitor changes something.

const recalled = (name) => new URLSearchParams(location.search).get(name);

const remember = (values) => window.convlens?.shows('receptive_field', values);

// Colours follow the page, dark or light.

const accent = () => getComputedStyle(element.querySelector('.rf')).getPropertyValue('--accent');
