// Forms with data-auto are sent when something is chosen; what is typed is waited for. Without scripts a button does it.
const TYPING_MILLISECONDS = 350;

for (const form of document.querySelectorAll("form[data-auto]")) {
  let timer = 0;
  const send = () => {
    clearTimeout(timer);
    form.requestSubmit();
  };
  for (const needless of form.querySelectorAll("[data-needless]")) needless.classList.add("sr");
  form.addEventListener("input", (event) => {
    if (!event.target.matches("[type=search]")) return;
    clearTimeout(timer);
    timer = setTimeout(send, TYPING_MILLISECONDS);
  });
  form.addEventListener("change", (event) => {
    if (event.target.matches("[type=search]")) return;
    if (event.target.matches("[data-day]")) {
      form.querySelector("[data-range]").value = "";
      if (![...form.querySelectorAll("[data-day]")].every((field) => field.value)) return;
    }
    if (event.target.matches("[data-range]") && event.target.value === "") {
      form.querySelector("[data-day]").focus();
      return;
    }
    send();
  });
}

const results = document.getElementById("results");
const filters = document.querySelector("form.filters");
if (results && filters) {
  // The rows are replaced, the filters stay: whoever types goes on typing.
  let latest = 0;
  filters.addEventListener("submit", async (event) => {
    event.preventDefault();
    const turn = (latest += 1);
    const fields = [...new FormData(filters)].filter(([, value]) => value !== "");
    const url = `${location.pathname}?${new URLSearchParams(fields)}`;
    results.setAttribute("aria-busy", "true");
    const answer = await fetch(url, { headers: { Accept: "text/html" } });
    if (turn !== latest) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("results");
    if (!answer.ok || !page) {
      location.assign(url);
      return;
    }
    history.replaceState(null, "", url);
    results.replaceChildren(...page.childNodes);
    results.removeAttribute("aria-busy");
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy-link]");
  if (button) button.dataset.copy = location.href;
}, true);
