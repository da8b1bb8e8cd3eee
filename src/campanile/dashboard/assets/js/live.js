// A campaign page keeps itself up to date while somebody looks at it. The server answers 204 as long as nothing moved;
// otherwise only the parts that differ are replaced, so nothing flickers and nobody loses their place.
const EVERY_MILLISECONDS = 3000;
const SLOW_MILLISECONDS = 30000;

const body = document.getElementById("campaign-body");
const state = document.getElementById("live-state");
let failures = 0;
let timer = 0;

function plan() {
  clearTimeout(timer);
  if (document.hidden) return;
  timer = setTimeout(look, failures ? SLOW_MILLISECONDS : EVERY_MILLISECONDS);
}

async function look() {
  try {
    const url = `${body.dataset.live}&mark=${encodeURIComponent(body.dataset.mark)}`;
    const answer = await fetch(url, { headers: { Accept: "text/html", "HX-Request": "true" } });
    if (answer.status === 200) replace(await answer.text());
    if (answer.status === 401) location.reload();
    failures = answer.ok ? 0 : failures + 1;
  } catch {
    failures += 1;
  }
  say();
  plan();
}

function replace(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("campaign-body");
  if (!fresh) return;
  const parts = (root) => [...root.querySelectorAll("[data-part]")].map((part) => part.dataset.part).join();
  if (parts(fresh) === parts(body)) {
    for (const part of fresh.querySelectorAll("[data-part]")) {
      const old = body.querySelector(`[data-part="${part.dataset.part}"]`);
      if (source(old) !== source(part)) exchange(old, part);
    }
  } else {
    body.replaceChildren(...fresh.childNodes);
    told(body);
  }
  body.dataset.mark = fresh.dataset.mark;
  body.dataset.updates = String(Number(body.dataset.updates ?? 0) + 1);
}

// What the server sent, without what scripts and people did to it since.
function source(part) {
  const copy = part.cloneNode(true);
  for (const place of copy.querySelectorAll("[data-place]")) {
    place.replaceChildren();
    place.removeAttribute("aria-hidden");
  }
  for (const details of copy.querySelectorAll("details")) details.open = false;
  return copy.innerHTML;
}

function exchange(old, part) {
  const focusable = "a, button, summary, [tabindex]";
  const place = [...old.querySelectorAll(focusable)].indexOf(document.activeElement);
  const open = [...old.querySelectorAll("details")].map((details) => details.open);
  const scrolled = [...old.querySelectorAll(".table")].map((table) => table.scrollLeft);
  const height = old.querySelector("[data-place]")?.offsetHeight;
  if (height) part.querySelector("[data-place]")?.style.setProperty("min-height", `${height}px`);
  old.replaceChildren(...part.childNodes);
  [...old.querySelectorAll("details")].forEach((details, index) => (details.open = open[index] ?? false));
  [...old.querySelectorAll(".table")].forEach((table, index) => (table.scrollLeft = scrolled[index] ?? 0));
  if (place >= 0) old.querySelectorAll(focusable)[place]?.focus({ preventScroll: true });
  told(old);
}

function told(part) {
  document.dispatchEvent(new CustomEvent("campanile:replaced", { detail: part }));
}

function say() {
  if (!state) return;
  state.hidden = false;
  state.textContent = failures ? "Not reachable" : "Live";
  state.classList.toggle("off", failures > 0);
}

document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : look()));
if (body) plan();
