// The grid of many pictures: moving the threshold colours it anew, without asking a network again.

const grid = element.querySelector('.many');
const slider = grid.querySelector('input');
const shown = grid.querySelector('output');
const summary = grid.querySelector('.summary');
const matrix = grid.querySelector('.matrix');
const list = grid.querySelector('.list');
const PAGE = 200; // pictures in the page at a time
let pictures = []; // { name, dog, label, thumb }, p(dog) in [0, 1], label 'cat', 'dog' or null
let figures = [];

function say(words, values) {
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function judge() {
  const threshold = Number(slider.value);
  shown.textContent = threshold.toFixed(2);
  const counts = { cat: { cat: 0, dog: 0 }, dog: { cat: 0, dog: 0 } }; // [true class][answer]
  const answered = { cat: 0, dog: 0 };
  pictures.forEach(({ dog, label }, index) => {
    const answer = dog >= threshold ? 'dog' : 'cat';
    answered[answer] += 1;
    if (label) counts[label][answer] += 1;
    const figure = figures[index];
    if (!figure) return;
    figure.dataset.right = label ? String(label === answer) : '';
    const mark = label ? (label === answer ? ' ✓' : ' ✗') : '';
    figure.querySelector('b').textContent = props.words[answer] + mark;
  });
  const labelled = pictures.filter(({ label }) => label).length;
  const right = counts.cat.cat + counts.dog.dog;
  summary.textContent =
    say(props.words.counted, { cats: answered.cat, dogs: answered.dog, all: pictures.length }) +
    (labelled
      ? ' ' + say(props.words.accuracy, { share: ((100 * right) / labelled).toFixed(1), right, all: labelled })
      : '');
  matrix.hidden = !labelled;
  for (const row of ['cat', 'dog'])
    for (const column of ['cat', 'dog']) matrix.querySelector(`.${row}-${column}`).textContent = counts[row][column];
}

function more() {
  const begin = figures.length;
  for (const { name, dog, thumb } of pictures.slice(begin, begin + PAGE)) {
    const figure = document.createElement('figure');
    const image = new Image(72, 72);
    image.src = thumb;
    image.alt = name;
    const caption = document.createElement('figcaption');
    const answer = document.createElement('b');
    caption.append(answer, ` ${(100 * dog).toFixed(0)} %`);
    caption.title = name;
    figure.append(image, caption);
    list.append(figure);
    figures.push(figure);
  }
  grid.querySelector('.more').hidden = figures.length >= pictures.length;
}

function show() {
  pictures = props.value ? JSON.parse(props.value) : [];
  figures = [];
  list.replaceChildren();
  grid.hidden = !pictures.length;
  more();
  judge();
}

// The threshold is in the address, unless it is the one that everybody begins with.
const asked = new URL(location).searchParams;
if (asked.get('tab') === 'cats_dogs' && asked.get('threshold')) slider.value = asked.get('threshold');
slider.addEventListener('input', () => {
  judge();
  const threshold = slider.value === slider.defaultValue ? null : slider.value;
  window.convlens?.shows('cats_dogs', { threshold });
});
grid.querySelector('.more').addEventListener('click', () => {
  more();
  judge();
});
watch('value', show);
show();
