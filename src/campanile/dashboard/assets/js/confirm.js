// Forms with data-confirm ask in a dialog before they are sent.
export function confirming(root) {
  root.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.confirm || form.dataset.confirmed === "yes") return;
    event.preventDefault();
    ask(form.dataset.confirm, event.submitter?.textContent.trim() || "Yes").then((yes) => {
      if (!yes) return;
      form.dataset.confirmed = "yes";
      form.requestSubmit(event.submitter);
      delete form.dataset.confirmed;
    });
  });
}

function ask(question, action) {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "confirm-question");
  const text = document.createElement("p");
  text.id = "confirm-question";
  text.textContent = question;
  const form = document.createElement("form");
  form.method = "dialog";
  form.className = "actions";
  form.append(choice("Cancel", "no", "button"), choice(action, "yes", "button danger"));
  dialog.append(text, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

function choice(label, value, classes) {
  const button = document.createElement("button");
  button.value = value;
  button.className = classes;
  button.textContent = label;
  return button;
}
