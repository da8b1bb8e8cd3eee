// What happens around HTMX requests: failures are shown, parts that are loading say so.
import { toast } from "./announce.js";

export function requests(root) {
  root.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (status === 401) return; // on the way to the sign-in page
    toast(status === 429 ? "Too many requests. Wait a moment, then try again." : `That did not work (status ${status}).`);
  });
  root.addEventListener("htmx:sendError", () => toast("The server cannot be reached."));
  root.addEventListener("htmx:beforeRequest", (event) => event.detail.target.setAttribute("aria-busy", "true"));
  root.addEventListener("htmx:afterRequest", (event) => event.detail.target.removeAttribute("aria-busy"));
}
