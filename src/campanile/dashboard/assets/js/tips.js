// Definitions float above everything, also out of tables that scroll. Escape closes them without moving anything.
const GAP = 6;

export function tips(root) {
  const show = (event) => {
    const term = event.target.closest?.(".term");
    const tip = term?.querySelector(".tip");
    if (!tip) return;
    term.classList.remove("closed");
    tip.style.position = "fixed";
    const word = term.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const left = Math.min(Math.max(GAP, word.left), innerWidth - size.width - GAP);
    const below = word.bottom + GAP + size.height < innerHeight;
    tip.style.left = `${left}px`;
    tip.style.right = "auto";
    tip.style.top = `${below ? word.bottom + GAP : word.top - size.height - GAP}px`;
  };
  root.addEventListener("mouseover", show);
  root.addEventListener("focusin", show);
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const term of root.querySelectorAll(".term:hover, .term:focus-within")) term.classList.add("closed");
  });
}
