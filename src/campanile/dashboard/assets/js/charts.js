// Time series are drawn from their tables, so that a chart cannot say anything else.
const COLORS = 6;
const HEIGHT = 240;
const DAY = { day: "numeric", month: "short" };
const SHORT = {
  hour: { ...DAY, hour: "2-digit", minute: "2-digit" },
  day: DAY,
  week: DAY,
  month: { month: "short", year: "numeric" },
};
const drawn = new Map();

function read(figure) {
  const table = figure.querySelector("table");
  const labels = [...table.tHead.rows[0].cells].slice(1).map((cell) => cell.dataset.label);
  const rows = [...table.tBodies[0].rows];
  const times = rows.map((row) => Number(row.querySelector("[data-at]").dataset.at));
  const values = labels.map((_, column) => rows.map((row) => Number(row.cells[column + 1].dataset.value)));
  const names = rows.map((row) => row.cells[0].textContent.trim());
  return { labels, names, data: [times, ...values] };
}

function options(figure, place, labels, names) {
  const timeZone = figure.dataset.timezone;
  const short = new Intl.DateTimeFormat("en-GB", { timeZone, ...SHORT[figure.dataset.chart] });
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  return {
    width: Math.max(280, place.clientWidth),
    height: HEIGHT,
    tzDate: (seconds) => window.uPlot.tzDate(new Date(seconds * 1000), timeZone),
    cursor: { points: { size: 7 }, drag: { setScale: false } },
    scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(1, high * 1.05)] } },
    series: [
      { label: "Start", value: (_, __, ___, index) => (index == null ? "–" : names[index]) },
      ...labels.map((label, position) => ({
        label,
        stroke: color(`--series-${(position % COLORS) + 1}`),
        width: 2,
        points: { show: names.length < 40 },
        value: (_, value) => (value == null ? "–" : value.toLocaleString("en")),
      })),
    ],
    axes: [{ ...axis, values: (_, ticks) => ticks.map((tick) => short.format(tick * 1000)) }, { ...axis, size: 64, values: (_, ticks) => ticks.map((tick) => tick.toLocaleString("en", { notation: tick >= 10000 ? "compact" : "standard" })) }],
  };
}

export function draw(root) {
  if (!window.uPlot) return;
  for (const figure of root.querySelectorAll("figure[data-chart]")) {
    const place = figure.querySelector("[data-place]");
    const { labels, names, data } = read(figure);
    if (data[0].length < 2) continue;
    drawn.get(place)?.destroy();
    place.setAttribute("aria-hidden", "true"); // the table says it
    drawn.set(place, new window.uPlot(options(figure, place, labels, names), data, place));
  }
  for (const [place, chart] of drawn) {
    if (place.isConnected) continue;
    chart.destroy();
    drawn.delete(place);
  }
}

let timer = 0;
addEventListener("resize", () => {
  clearTimeout(timer);
  timer = setTimeout(() => {
    for (const [place, chart] of drawn) chart.setSize({ width: Math.max(280, place.clientWidth), height: HEIGHT });
  }, 100);
});
document.addEventListener("campanile:theme", () => draw(document));
document.addEventListener("campanile:replaced", (event) => draw(event.detail));
draw(document);
