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

const effective = (kernel, dilation) => kernel + (kernel - 1) * (dilation - 1);

function outputSize(size, { kernel, stride, padding, dilation }) {
  const padded = size + 2 * padding;
  const reach = effective(kernel, dilation);
  if (reach > padded) throw new Refused(say(words.tooLarge, { reach, padded }));
  return Math.floor((padded - reach) / stride) + 1;
}

function transposedSize(size, { kernel, stride, padding, dilation, extra = 0 }) {
  if (extra >= Math.max(stride, dilation)) throw new Refused(words.extra);
  const units = (size - 1) * stride - 2 * padding + effective(kernel, dilation) + extra;
  if (units < 1) throw new Refused(words.nothingLeft);
  return units;
}

// A window along one axis: for units 0, 1, ... which positions they touch; after `taps.length` units, `advance` further.

const range = (count, each = (index) => index) => Array.from({ length: count }, (_, index) => each(index));
const divide = (number, by) => [Math.floor(number / by), ((number % by) + by) % by];

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

const OPERATIONS = {
  conv: [sliding, outputSize],
  depthwise: [sliding, outputSize],
  transposed: [transposed, transposedSize],
  max_pool: [sliding, outputSize],
  avg_pool: [sliding, outputSize],
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

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

function through(field, window) {
  const period = field.spans.length;
  const turns = period / gcd(period, window.advance);
  const spans = range(turns * window.taps.length, (unit) => {
    const seen = touched(window, unit).map((tap) => spanOf(field, tap)).filter(Boolean);
    return seen.length ? [Math.min(...seen.map(([first]) => first)), Math.max(...seen.map(([, last]) => last))] : null;
  });
  return { spans, advance: (turns * window.advance * field.advance) / period };
}

const lengthOf = ({ spans }) => Math.max(0, ...spans.filter(Boolean).map(([first, last]) => last - first + 1));
const jumpOf = ({ spans, advance }) => advance / spans.length;
const startOf = ({ spans }) => (spans.find(Boolean) ?? [0])[0];
const tidy = (number) => String(Math.round(number * 1000) / 1000);

// The address: what is shown can be linked. Nothing is written before the visitor changes something.

const recalled = (name) => new URLSearchParams(location.search).get(name);

function remember(values) {
  const address = new URL(location);
  for (const [name, value] of Object.entries(values)) address.searchParams.set(name, value);
  history.replaceState(null, '', address);
}

// Colours follow the page, dark or light.

const accent = () => getComputedStyle(element.querySelector('.rf')).getPropertyValue('--accent');
