// How firm answers are: all strengths are asked of the networks at once; the slider only looks them up. From Python
// comes {kind, status, strengths, pictures, rows: [{title, first, answers, changed}]}, what is asked for goes back as
// the event 'select' with the kind.

const firm = element.querySelector('.firm');
const slider = firm.querySelector('input[type=range]');
const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const make = (tag, options = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), options);
  made.append(...children);
  return made;
};
const percent = (share) => `${(100 * share).toFixed(0)} %`;
let given = { rows: [], pictures: [], strengths: [] };

const group = `kind-${Math.random().toString(36).slice(2)}`;
firm.querySelector('.kinds').append(...Object.entries(words.kinds).map(([kind, title]) => {
  const radio = make('input', { type: 'radio', name: group, value: kind, checked: kind === 'blur' });
  radio.addEventListener('change', () => trigger('select', { kind }));
  return make('label', {}, radio, ` ${title}`);
}));

function cursor() {
  const place = Number(slider.value);
  const strength = given.strengths[place];
  firm.querySelector('output').textContent = percent(strength);
  slider.setAttribute('aria-valuetext', percent(strength));
  firm.querySelector('.disturbed').src = given.pictures[place];
  firm.querySelector('figcaption').textContent = say(words.caption, { kind: words.kinds[given.kind], strength: percent(strength) });
  firm.querySelectorAll('.rows > div').forEach((line, index) => {
    const { first, answers } = given.rows[index];
    const [name, share] = answers[place];
    line.querySelector('.now').textContent = say(words.now, { name, share: percent(share) });
    line.classList.toggle('changed', name !== first[0]);
    line.querySelectorAll('i').forEach((cell, at) => cell.classList.toggle('here', at === place));
  });
}

function show() {
  const value = props.value;
  if (!value?.kind) return;
  const fresh = value.kind !== given.kind || value.picture !== given.picture;
  given = value;
  firm.querySelector('.status').textContent = value.status;
  const radio = firm.querySelector(`input[value="${value.kind}"]`);
  if (radio) radio.checked = true;
  firm.querySelector('.pair').hidden = !value.pictures.length;
  if (!value.pictures.length) return;
  slider.max = value.strengths.length - 1;
  if (fresh) slider.value = 0;
  firm.querySelector('.rows').replaceChildren(...value.rows.map(({ title, first, answers, changed }) => {
    const verdict = changed === null ? words.firm : say(words.changes, { strength: percent(changed) });
    const cells = answers.map(([name, share], place) => {
      const cell = make('i', { className: name === first[0] ? '' : 'other', title: `${percent(value.strengths[place])}: ${name}, ${percent(share)}` });
      cell.style.setProperty('--share', Math.max(0.12, share).toFixed(2));
      return cell;
    });
    const strip = make('span', { className: 'strip' }, ...cells);
    strip.setAttribute('role', 'img');
    strip.setAttribute('aria-label', `${title}: ${verdict}`);
    return make('div', {}, make('b', { textContent: title }), make('span', { className: 'verdict', textContent: verdict }),
      strip, make('span', { className: 'now' }));
  }));
  cursor();
}

slider.addEventListener('input', cursor);
watch('value', show);
show();
