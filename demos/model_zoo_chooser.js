// Pictures and networks to choose. From Python comes {examples, groups, pictures, networks}; what goes back is
// {pictures, networks, folded}: names of examples or {path} of uploads, and names of networks.

const chooser = element.querySelector('.chooser');
const strip = chooser.querySelector('.strip');
const groups = chooser.querySelector('.groups');
const form = chooser.querySelector('.typed');
const said = chooser.querySelector('.said');
const fold = chooser.querySelector('.fold input');
const LONGEST = 1024; // px of a picture that travels; no network here sees more
const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const make = (tag, options = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), options);
  made.append(...children);
  return made;
};

let pictures = []; // { source, thumb, name, chosen }, source as it goes to Python
let added = null; // the group of networks that the visitor typed

function hand() {
  props.value = {
    pictures: pictures.filter((each) => each.chosen).map((each) => each.source),
    networks: [...groups.querySelectorAll('input:checked')].map((box) => box.value),
    folded: fold.checked,
  };
  trigger('input');
}

// Pictures

function drawPictures() {
  const buttons = pictures.map((each) => {
    const button = make('button', { type: 'button', className: 'picture', title: each.name });
    button.setAttribute('aria-pressed', String(each.chosen));
    button.append(make('img', { src: each.thumb, alt: each.name }));
    button.addEventListener('click', () => {
      each.chosen = !each.chosen;
      button.setAttribute('aria-pressed', String(each.chosen));
      hand();
    });
    return button;
  });
  const input = make('input', { type: 'file', accept: 'image/*', multiple: true });
  input.addEventListener('change', () => take(input.files));
  strip.replaceChildren(...buttons, make('label', { className: 'add' }, make('span', { textContent: words.add }), input));
}

async function smaller(file) {
  const picture = await createImageBitmap(file, { imageOrientation: 'from-image' }).catch(() => null);
  if (!picture) return null;
  const scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
  const canvas = make('canvas', {
    width: Math.max(1, Math.round(picture.width * scale)),
    height: Math.max(1, Math.round(picture.height * scale)),
  });
  const pen = canvas.getContext('2d');
  pen.fillStyle = 'white'; // below what is transparent
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas;
}

async function take(files) {
  for (const file of files) {
    const canvas = await smaller(file);
    if (!canvas) {
      said.textContent = say(words.unreadable, { name: file.name });
      continue;
    }
    const content = await new Promise((done) => canvas.toBlob(done, 'image/jpeg', 0.95));
    try {
      const { path } = await upload(new File([content], 'picture.jpg', { type: 'image/jpeg' }));
      const thumb = canvas.toDataURL('image/jpeg', 0.6);
      pictures = pictures.filter((each) => each.source !== path);
      pictures.push({ source: { path }, thumb, name: file.name, chosen: true });
    } catch {
      said.textContent = say(words.unreadable, { name: file.name });
    }
  }
  // What was there as the worked example makes room for the visitor's own pictures.
  pictures.forEach((each) => { if (typeof each.source === 'string') each.chosen = false; });
  drawPictures();
  hand();
}

strip.addEventListener('dragover', (event) => event.preventDefault());
strip.addEventListener('drop', (event) => {
  event.preventDefault();
  take([...event.dataTransfer.files].filter((file) => file.type.startsWith('image/')));
});
if (window.convlensZooPaste) document.removeEventListener('paste', window.convlensZooPaste);
window.convlensZooPaste = (event) => {
  if (!strip.isConnected || !strip.offsetParent || event.target.closest?.('input, textarea')) return;
  const files = [...event.clipboardData.files].filter((file) => file.type.startsWith('image/'));
  if (files.length) take(files);
};
document.addEventListener('paste', window.convlensZooPaste);

// Networks

function chip({ name, title, about }, chosen) {
  const box = make('input', { type: 'checkbox', value: name, checked: chosen });
  box.addEventListener('change', hand);
  return make('label', { className: 'chip', title: name }, box, make('span', { textContent: title }),
    make('small', { textContent: about ?? '' }));
}

function group(title, networks, chosen, some) {
  const chips = make('div', { className: 'chips' }, ...networks.map((each) => chip(each, chosen.includes(each.name))));
  const all = make('button', { type: 'button', className: 'all', textContent: words.all });
  all.setAttribute('aria-label', say(words.allOf, { group: title }));
  all.addEventListener('click', () => {
    const boxes = [...chips.querySelectorAll('input')];
    const every = boxes.every((box) => box.checked);
    boxes.forEach((box) => (box.checked = !every));
    hand();
  });
  const made = make('div', { className: 'group' }, make('p', {}, make('b', { textContent: title }), ' ', some ? all : ''), chips);
  made.setAttribute('role', 'group');
  made.setAttribute('aria-label', title);
  return made;
}

function add(network) {
  const there = [...groups.querySelectorAll('input')].find((box) => box.value === network.name);
  if (there) there.checked = true;
  else {
    added ??= groups.appendChild(group(words.yours, [], [], false));
    added.querySelector('.chips').append(chip(network, true));
  }
  hand();
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const typed = form.querySelector('input').value.trim();
  if (!typed) return;
  said.textContent = words.checking;
  form.querySelector('button').disabled = true;
  try {
    const found = await server.checked(typed);
    said.textContent = found.said;
    if (found.name) {
      form.reset();
      add(found);
    }
  } catch {
    said.textContent = words.lost;
  }
  form.querySelector('button').disabled = false;
});
fold.addEventListener('change', hand);

// The table asks for other weights of a network, and says when it must not be disturbed.
const onAdd = (event) => chooser.isConnected ? add(event.detail) : document.removeEventListener('model-zoo-add', onAdd);
const onBusy = (event) => chooser.isConnected
  ? chooser.querySelectorAll('fieldset').forEach((each) => (each.disabled = event.detail))
  : document.removeEventListener('model-zoo-busy', onBusy);
document.addEventListener('model-zoo-add', onAdd);
document.addEventListener('model-zoo-busy', onBusy);

function begin() {
  const given = props.value;
  if (!given?.groups) return;
  pictures = given.examples.map(({ name, source, thumb }) => ({
    source, thumb, name: words.names[name] ?? name, chosen: given.pictures.includes(source.path ?? source),
  }));
  groups.replaceChildren(...given.groups.map((each) => group(each.title, each.networks, given.networks, true)));
  const listed = given.groups.flatMap((each) => each.networks.map(({ name }) => name));
  const others = given.networks.filter((name) => !listed.includes(name)).map((name) => ({ name, title: name }));
  added = others.length ? groups.appendChild(group(words.yours, others, given.networks, false)) : null;
  drawPictures();
  props.value = { pictures: given.pictures, networks: given.networks, folded: fold.checked };
}
watch('value', begin);
begin();
