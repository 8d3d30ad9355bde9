// The page as a whole: its language, its address, going back and forward, and what goes along from tab to tab.

const said = element.querySelector('.said');
const param = (name) => new URL(location).searchParams.get(name);
const button = (tab) => document.getElementById(`tab-${tab}-button`);
const views = {}; // what the address said last of each tab
let touched = false; // nothing is written into the address before; tabs report that they are selected while a page loads

document.documentElement.lang = words.language;

function say(text) {
  said.textContent = text;
  clearTimeout(say.later);
  say.later = setTimeout(() => (said.textContent = ''), 8000);
}

// The tab that the address names; the first one if it names none.
const named = () => (tabs.includes(param('tab')) ? param('tab') : tabs[0]);

const page = {
  // A tab has been selected: the address names it, and the browser's "back" leads to the one before. What a tab that was
  // opened twice begins with is begun twice, and says so twice: perhaps when another one is open.
  selected(tab) {
    if (!touched || tab === named() || button(tab)?.getAttribute('aria-selected') !== 'true') return;
    views[named()] = location.search;
    const address = new URL(location);
    address.search = views[tab] ?? '';
    address.searchParams.set('tab', tab);
    const lang = param('lang');
    if (lang) address.searchParams.set('lang', lang);
    history.pushState(null, '', address);
  },
  // What the open tab shows, into the address; nothing is said of what is null.
  shows(tab, values) {
    if (!touched || tab !== named()) return;
    const address = new URL(location);
    address.searchParams.set('tab', tab);
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === '') address.searchParams.delete(name);
      else address.searchParams.set(name, value);
    }
    history.replaceState(null, '', address);
    views[tab] = address.search;
  },
  // Go to the tab that a link leads to, once what it shall show has been handed over.
  go() {
    const tab = new URLSearchParams(page.pending).get('tab');
    views[tab] = page.pending;
    button(tab)?.click();
  },
};
window.convlens = page;

for (const touch of ['pointerdown', 'keydown', 'input'])
  addEventListener(touch, () => (touched = true), { capture: true, once: true });
addEventListener('popstate', () => button(named())?.click());

// Links to our own tabs open them in this page, with the visitor's picture; in a new window if that is asked for.
document.addEventListener('click', (event) => {
  const link = event.target.closest?.('a[href^="?tab="]');
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  page.pending = link.getAttribute('href');
  trigger('select', { query: page.pending });
});

element.querySelectorAll('a[hreflang]').forEach((link) =>
  link.addEventListener('click', (event) => {
    event.preventDefault();
    const address = new URL(location);
    address.searchParams.set('lang', link.hreflang);
    location.assign(address);
  }),
);

element.querySelector('.copy').addEventListener('click', async () => {
  page.shows(named(), {}); // the tab is named, also by a visitor who has changed nothing
  const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  say(copied ? words.copied : `${words.byHand} ${location.href}`);
});

if (param('tab') && param('tab') !== named()) say(words.noTab);
