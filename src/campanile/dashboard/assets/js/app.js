// What every page does. Pages work without it; it makes them nicer.
import { copying } from "./copy.js";
import { confirming } from "./confirm.js";
import { menus } from "./menus.js";
import { requests } from "./requests.js";
import { themes } from "./themes.js";
import { tips } from "./tips.js";

menus(document);
themes(document);
copying(document);
confirming(document);
requests(document);
tips(document);
