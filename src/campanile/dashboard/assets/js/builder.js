// The report builder: the server keeps the form; here are the focus, formulas, and the signal for the preview.
let formula = null;

function ready() {
  for (const button of document.querySelectorAll("[data-insert]")) {
    button.hidden = document.querySelector("[data-formula]") === null;
  }
}

function marked(check) {
  const field = document.querySelector(`[aria-describedby="${check.id}"]`);
  if (!field) return;
  if (check.dataset.wrong === "yes") field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

document.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-formula]")) formula = event.target.id;
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-insert]");
  if (!button) return;
  const fields = [...document.querySelectorAll("[data-formula]")];
  const field = fields.find((it) => it.id === formula) ?? fields.at(-1);
  if (!field) return;
  const text = `@{${button.dataset.insert}}`;
  field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

// Where somebody was: lists keep their place, and the focus stays near a button that is gone.
let list = "";
const places = new Map();
document.addEventListener("click", (event) => {
  list = event.target.closest(".picks")?.id ?? "";
});
document.addEventListener("htmx:beforeSwap", () => {
  for (const it of document.querySelectorAll(".scroll[id]")) places.set(it.id, it.scrollTop);
});

let step = document.getElementById("builder")?.dataset.step;
document.addEventListener("htmx:afterSettle", (event) => {
  ready();
  if (event.detail.elt.matches(".check")) marked(event.detail.elt);
  if (event.detail.elt.id !== "builder") return;
  const form = document.getElementById("builder");
  for (const it of form.querySelectorAll(".scroll[id]")) it.scrollTop = places.get(it.id) ?? 0;
  const alarm = form.querySelector("[role=alert]");
  if (alarm) {
    alarm.tabIndex = -1;
    alarm.focus();
  } else if (form.dataset.step !== step) {
    document.getElementById(`step-${form.dataset.step}`).focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
  } else if (document.activeElement === document.body && list) {
    document.getElementById(list)?.focus({ preventScroll: true });
  }
  step = form.dataset.step;
  document.body.dispatchEvent(new CustomEvent("campanile:built", { bubbles: true }));
});
ready();
