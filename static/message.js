// What makes a message handier: copying, looks of the HTML, filtering the header, a source that goes on
// while it is scrolled. Everything can be read without.
//
// An article is enlivened when the page is loaded, and again by an event `article` at any that is
// inserted later. Text from mail is only ever set as textContent.

const MOST_PAGES = 12;

function enliven(article) {
  if (article.dataset.alive) return;
  article.dataset.alive = 'yes';
  for (const button of article.querySelectorAll('button.copy')) button.hidden = false;
  goOn(article);
  const stage = article.querySelector('.stage[class*=" w"]');
  // The room changes with the window, the pane and the width that is chosen.
  if (stage) new ResizeObserver(() => fit(stage)).observe(stage);
}

for (const article of document.querySelectorAll('article.message')) enliven(article);
document.addEventListener('article', (event) => {
  const article = event.target.closest?.('article.message') ?? event.target.querySelector?.('article.message');
  if (article) enliven(article);
});

document.addEventListener('click', (event) => {
  const article = event.target.closest?.('article.message');
  if (!article) return;
  const copy = event.target.closest('button.copy');
  if (copy) put(article, copy);
  // In the pane beside the list the address is that of the list, which knows what to do with links.
  const look = article.closest('#pane') ? null : event.target.closest('.looks a[data-width], .looks a[data-scheme]');
  if (look && !event.ctrlKey && !event.metaKey && !event.shiftKey && event.button === 0) {
    event.preventDefault();
    event.stopPropagation();
    dress(look);
  }
}, true);

// Copying.

async function put(article, button) {
  const { copy, copyAll, done } = button.dataset;
  const text = copyAll ? [...article.querySelectorAll(copyAll)].map((link) => link.href).join('\n') : copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No clipboard without https, but on this machine: the old way.
    const field = document.createElement('textarea');
    field.value = text;
    field.className = 'hidden';
    document.body.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
    button.focus();
  }
  const before = button.textContent;
  if (button.dataset.busy) return;
  button.dataset.busy = 'yes';
  button.textContent = done;
  article.querySelector('[data-said]').textContent = done;
  setTimeout(() => {
    button.textContent = before;
    article.querySelector('[data-said]').textContent = '';
    delete button.dataset.busy;
  }, 1600);
}

// The looks of the HTML: the links lead to the same page dressed so; here only the frame changes.

function dress(link) {
  const panel = link.closest('.panel');
  const stage = panel.querySelector('.stage');
  const frame = stage.querySelector('iframe');
  const { width, scheme } = link.dataset;
  if (width) {
    stage.className = `stage w${width}`;
    fit(stage);
  }
  if (scheme) {
    const to = new URL(frame.src);
    set(to, 'scheme', scheme, 'light');
    frame.src = to;
    for (const about of panel.querySelectorAll('[data-about]')) about.hidden = about.dataset.about !== scheme;
  }
  for (const other of link.parentElement.children) other.removeAttribute('aria-current');
  link.setAttribute('aria-current', 'true');
  readdress(panel, width, scheme);
}

// A frame wider than its room is drawn at its true width and made smaller, and says so.
function fit(stage) {
  const frame = stage.querySelector('iframe');
  const said = stage.parentElement.querySelector('.scale');
  const width = Number(/ w(\d+)/.exec(stage.className)?.[1]);
  stage.classList.remove('scaled');
  frame.style.transform = '';
  frame.style.height = '';
  said.hidden = !width;
  if (!width) return;
  const style = getComputedStyle(stage);
  const room = stage.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 2;
  const scale = Math.min(1, room / width);
  if (scale < 1) {
    stage.classList.add('scaled');
    frame.style.transform = `scale(${scale})`;
    frame.style.height = `${(stage.clientHeight - 2 * parseFloat(style.paddingTop)) / scale}px`;
  }
  said.textContent = said.dataset.scaled.replace('{width}', width).replace('{percent}', Math.round(100 * scale));
}

// The other links keep what was chosen, and so does the address, if it is that of this message.
function readdress(panel, width, scheme) {
  for (const link of panel.querySelectorAll('.looks a[data-width], .looks a[data-scheme], .notice a[data-remote]')) {
    const url = new URL(link.href);
    // A link that chooses the width itself keeps its own.
    set(url, 'width', link.dataset.width ? undefined : width, 'full');
    set(url, 'scheme', link.dataset.scheme ? undefined : scheme, 'light');
    link.href = url.pathname + url.search;
  }
  if (location.pathname.startsWith('/messages/')) {
    const url = new URL(location.href);
    set(url, 'width', width, 'full');
    set(url, 'scheme', scheme, 'light');
    history.replaceState(history.state, '', url);
  }
}

function set(url, name, value, plain) {
  if (value === undefined) return;
  if (value === plain) url.searchParams.delete(name);
  else url.searchParams.set(name, value);
}

// The header: rows that do not match are hidden while one types.

function narrow(field) {
  const article = field.closest('article.message');
  const wanted = field.value.trim().toLowerCase();
  let shown = 0;
  for (const row of article.querySelectorAll(field.dataset.filter)) {
    row.hidden = wanted !== '' && !row.textContent.toLowerCase().includes(wanted);
    if (!row.hidden) shown += 1;
  }
  article.querySelector('.nothing')?.toggleAttribute('hidden', shown > 0);
}

document.addEventListener('input', (event) => {
  const field = event.target.closest?.('article.message [data-filter]');
  if (field) narrow(field);
});

// What was typed before this script was there, or what the browser remembers of the page.
document.querySelectorAll('article.message [data-filter]').forEach(narrow);

document.addEventListener('submit', (event) => {
  if (event.target.querySelector('article.message [data-filter]')) event.preventDefault();
});

// The source: the next page is fetched when the end comes near, and the first ones are let go.

function goOn(article) {
  const bottom = article.querySelector('.pager.bottom');
  if (!bottom) return;
  let busy = false;
  const watch = new IntersectionObserver(async ([entry]) => {
    const next = bottom.querySelector('[data-more]');
    if (!entry.isIntersecting || busy || !next) return;
    busy = true;
    try {
      await append(article, bottom, next.href);
    } catch {
      // The link is still there to be followed.
      watch.disconnect();
    }
    busy = false;
    // Looks again, for a short page may leave the end in view.
    watch.unobserve(bottom);
    watch.observe(bottom);
  }, { root: article.closest('#pane'), rootMargin: '1200px' });
  watch.observe(bottom);
}

async function append(article, bottom, href) {
  const answer = await fetch(href, { headers: { accept: 'text/html' } });
  if (!answer.ok) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const fresh = page.querySelector('article.message pre.source');
  const pager = page.querySelector('article.message .pager.bottom');
  bottom.before(document.adoptNode(fresh));
  bottom.replaceChildren(...document.adoptNode(pager).childNodes);
  const pages = article.querySelectorAll('pre.source');
  if (pages.length > MOST_PAGES) {
    pages[0].remove();
    // The way back to what was let go.
    const first = Number(pages[1].dataset.page);
    const back = article.querySelector('.pager.top [rel=prev]') ?? bottom.querySelector('[rel=prev]').cloneNode(true);
    back.href = back.href.replace(/page=\d+/, `page=${first - 1}`);
    article.querySelector('.pager.top').prepend(back);
  }
}
