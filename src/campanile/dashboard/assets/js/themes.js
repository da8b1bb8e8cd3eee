// Light, dark, or what the machine says; the server reads the choice from a cookie, so pages come in the right colours.
const YEAR = 365 * 24 * 60 * 60;

export function themes(root) {
  root.addEventListener("change", (event) => {
    const chosen = event.target.closest("[data-themes] input");
    if (!chosen) return;
    root.documentElement.dataset.theme = chosen.value;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `campanile_theme=${chosen.value}; Path=/; Max-Age=${YEAR}; SameSite=Strict${secure}`;
    root.dispatchEvent(new CustomEvent("campanile:theme"));
  });
}
