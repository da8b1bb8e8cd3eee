// Buttons with data-copy put that text on the clipboard and say so.
import { announce } from "./announce.js";

export function copying(root) {
  root.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const done = await copy(button.dataset.copy);
    const label = button.firstChild;
    const before = button.dataset.label ?? label.textContent;
    button.dataset.label = before;
    label.textContent = done ? "Copied" : "Select and copy";
    announce(done ? "Copied." : "Copying is not possible here; select the text instead.");
    setTimeout(() => (label.textContent = before), 2000);
  });
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyOldWay(text); // pages without HTTPS have no clipboard
  }
}

function copyOldWay(text) {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "sr";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
