// The theme's switch, values of charts under the pointer or by arrow keys, hints at wide tables.

const THEMES = ["auto", "light", "dark"];

function startTheme() {
  const button = document.getElementById("theme");
  let chosen = 0;
  button.hidden = false;
  button.addEventListener("click", () => {
    chosen = (chosen + 1) % THEMES.length;
    document.documentElement.dataset.theme = THEMES[chosen];
    button.textContent = `Theme: ${THEMES[chosen]}`;
  });
}

function shape(plot, name, attributes) {
  const made = document.createElementNS(plot.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function startPanel(panel) {
  const series = JSON.parse(panel.dataset.points);
  const plot = panel.querySelector("svg.plot");
  const readout = panel.querySelector(".readout");
  const longest = series.reduce((a, b) => (b.left.length > a.left.length ? b : a), series[0]);
  if (!longest) return;
  const cursor = shape(plot, "g", { class: "cursor" });
  let index = longest.left.length - 1;

  function show(next) {
    index = Math.min(Math.max(next, 0), longest.left.length - 1);
    const left = longest.left[index];
    const position = `${100 * left}%`;
    cursor.replaceChildren(shape(plot, "line", { x1: position, x2: position, y1: 0, y2: plot.getAttribute("height") }));
    const said = series.map((each) => {
      const nearest = nearestTo(each.left, left);
      const dot = { cx: `${100 * each.left[nearest]}%`, cy: each.top[nearest], r: 4, class: each.style };
      cursor.append(shape(plot, "circle", dot));
      return `${each.label} ${each.says[nearest]}`;
    });
    readout.textContent = `${longest.at[index]}: ${said.join(" · ")}`;
    if (!cursor.isConnected) plot.append(cursor);
  }

  function hide() {
    if (document.activeElement === panel) return;
    cursor.remove();
    readout.textContent = readout.dataset.end;
  }

  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    show(nearestTo(longest.left, (event.clientX - box.left) / box.width));
  });
  plot.addEventListener("pointerleave", hide);
  panel.addEventListener("focus", () => show(index));
  panel.addEventListener("blur", hide);
  panel.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: longest.left.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(to);
  });
}

function nearestTo(positions, wanted) {
  let best = 0;
  positions.forEach((position, i) => {
    if (Math.abs(position - wanted) < Math.abs(positions[best] - wanted)) best = i;
  });
  return best;
}

// A table that is wider than its box says so.
function watchTables() {
  const boxes = document.querySelectorAll(".tabled .scroll");
  const watcher = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      target.parentElement.classList.toggle("overflows", target.scrollWidth > target.clientWidth);
    }
  });
  boxes.forEach((box) => watcher.observe(box));
}

startTheme();
watchTables();
document.querySelectorAll("[data-points]").forEach(startPanel);
