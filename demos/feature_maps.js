// A click on a map chooses its channel; and pictures are made smaller before they travel.

element.addEventListener('click', event => {
  const button = event.target.closest('button[data-channel]');
  if (button) trigger('click', { channel: Number(button.dataset.channel) });
});

const LONGEST = 1024; // px; no network here sees more

async function smaller(file) {
  if (!file.type.startsWith('image/')) return file;
  const picture = await createImageBitmap(file, { imageOrientation: 'from-image' }).catch(() => null);
  if (!picture) return file; // the server says what is wrong with it
  const scale = LONGEST / Math.max(picture.width, picture.height);
  if (scale >= 1) return file;
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const pen = canvas.getContext('2d');
  pen.fillStyle = 'white'; // below what is transparent
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  const content = await new Promise(done => canvas.toBlob(done, 'image/jpeg', 0.92));
  return new File([content], file.name.replace(/\.\w+$/, '') + '.jpg', { type: 'image/jpeg' });
}

async function hand(input, file) {
  const files = new DataTransfer();
  files.items.add(await smaller(file));
  input.files = files.files;
  input.dataset.smaller = 'yes';
  input.dispatchEvent(new Event('change', { bubbles: true }));
}

function intercept(event) {
  const input = document.querySelector('#feature-maps-picture input[type=file]');
  const file = (event.target.files ?? event.dataTransfer?.files)?.[0];
  if (!input || !file || !event.target.closest?.('#feature-maps-picture')) return;
  if (input.dataset.smaller) return void delete input.dataset.smaller; // our own event: Gradio's turn
  event.stopImmediatePropagation();
  event.preventDefault();
  hand(input, file);
}

if (!window.convlensSmaller) {
  window.convlensSmaller = true;
  document.addEventListener('change', intercept, true);
  document.addEventListener('drop', intercept, true);
}
