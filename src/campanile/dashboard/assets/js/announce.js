// Sentences for screen readers, and for everybody.

export function announce(sentence) {
  const place = document.getElementById("announcements");
  place.textContent = "";
  requestAnimationFrame(() => (place.textContent = sentence));
}

export function toast(sentence) {
  const place = document.getElementById("toasts");
  const note = document.createElement("p");
  note.className = "toast";
  note.textContent = sentence;
  place.replaceChildren(note);
  setTimeout(() => note.remove(), 8000);
}
