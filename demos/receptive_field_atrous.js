// Atrous convolution: taps on the grid, stacks of rates, and DeepLab's pyramid.

const root = element.querySelector('.rf-atrous');
const rateInput = root.querySelector('.rate');
const stacks = [...root.querySelectorAll('.stacks figure')];
const COLOURS = ['#0072B2', '#D55E00', '#009E73'];

function grid(side, dots, label) {
  const lines = range(side + 1, (at) => `<path class="line" d="M${at} 0V${side}M0 ${at}H${side}"/>`).join('');
  const marks = dots.map(([x, y, colour]) => `<rect class="tap" x="${x}" y="${y}" width="1" height="1"${colour ? ` style="fill:${colour}"` : ''}/>`);
  return `<svg viewBox="-0.5 -0.5 ${side + 1} ${side + 1}" role="img" aria-label="${label}">${lines}${marks.join('')}</svg>`;
}

function taps() {
  const rate = Number(rateInput.value);
  const kernel = Number(root.querySelector('[name=taps]:checked').value);
  const side = Math.max(effective(kernel, rate), 13);
  const off = Math.floor((side - effective(kernel, rate)) / 2);
  const dots = range(kernel * kernel, (place) => [off + (place % kernel) * rate, off + Math.floor(place / kernel) * rate]);
  root.querySelector('.rate-now').textContent = rate;
  root.querySelector('.taps').innerHTML = grid(side, dots, say(words.tapsLabel, { kernel, rate }));
  root.querySelector('.facts').textContent = say(words.facts, {
    kernel, rate, reach: effective(kernel, rate), less: kernel - 1, rateLess: rate - 1, weights: kernel * kernel,
    area: effective(kernel, rate) ** 2, dense: effective(kernel, rate) ** 2,
  });
  remembered({ rate, kernel });
}

// How often each pixel is used by one unit on top of 3x3 convolutions: counts along one axis, multiplied out to two.

function counts(rates) {
  let found = [1];
  for (const rate of rates) {
    const wider = Array(found.length + 2 * rate).fill(0);
    found.forEach((count, place) => [0, rate, 2 * rate].forEach((tap) => (wider[place + tap] += count)));
    found = wider;
  }
  return found;
}

function coverage(figure) {
  const input = figure.querySelector('.rates');
  const rates = input.value.split(',').map((part) => Number(part.trim()));
  const caption = figure.querySelector('figcaption');
  const canvas = figure.querySelector('canvas');
  if (!rates.length || rates.length > 8 || !rates.every((rate) => Number.isInteger(rate) && rate >= 1 && rate <= 24)) {
    caption.textContent = words.ratesWrong;
    canvas.width = canvas.height = 1;
    return;
  }
  const line = counts(rates);
  const side = line.length;
  const largest = Math.max(...line) ** 2;
  const square = Math.max(1, Math.floor(680 / side)); // px of the drawing per pixel of the map
  Object.assign(canvas, { width: side * square, height: side * square });
  const ink = canvas.getContext('2d');
  Object.assign(ink, { font: `${square * 0.42}px sans-serif`, textAlign: 'center', textBaseline: 'middle' });
  range(side * side, (at) => {
    const [row, column] = [Math.floor(at / side), at % side];
    const count = line[row] * line[column];
    const depth = count ? 0.25 + 0.75 * (count / largest) : 0;
    ink.fillStyle = `rgb(${255 - depth * 255}, ${255 - depth * 141}, ${255 - depth * 77})`;
    ink.fillRect(column * square, row * square, square, square);
    if (square < 20) return;
    ink.fillStyle = depth > 0.9 ? '#fff' : '#1c1917';
    ink.fillText(count, (column + 0.5) * square, (row + 0.55) * square);
  });
  const used = line.filter(Boolean).length;
  caption.textContent = say(words.coverage, { rates: rates.join(', '), side, share: Math.round((100 * used * used) / (side * side)), largest });
  canvas.setAttribute('aria-label', caption.textContent);
}

function aspp() {
  const side = 37;
  const dots = [[18, 18, 'currentColor']];
  [6, 12, 18].forEach((rate, which) => {
    for (const row of [-rate, 0, rate]) for (const column of [-rate, 0, rate]) {
      if (row || column) dots.push([18 + column, 18 + row, COLOURS[which]]);
    }
  });
  root.querySelector('.aspp').innerHTML = grid(side, dots, words.asppLabel);
}

let touchedYet = false;
const remembered = (values) => touchedYet && remember(values);
const recall = (name, input) => { if (recalled(name)) input.value = recalled(name); };

recall('rate', rateInput);
recall('rates', stacks[0].querySelector('.rates'));
recall('rates2', stacks[1].querySelector('.rates'));
if (recalled('kernel') === '5') root.querySelector('[name=taps][value="5"]').checked = true;
root.addEventListener('input', (event) => {
  touchedYet = true;
  if (event.target.matches('.rates')) {
    coverage(event.target.closest('figure'));
    remember({ rates: stacks[0].querySelector('.rates').value, rates2: stacks[1].querySelector('.rates').value });
  } else taps();
});
taps();
stacks.forEach(coverage);
aspp();
