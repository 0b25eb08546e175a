// A click (or Enter) on a column's head sorts the rows; missing values stay last in both directions.
const missing = text => ["", "—", "-", "NaN", "None"].includes(text);
const plain = text => text.replace(/(\d),(?=\d{3})/g, "$1").replace(/^−/, "-");
const isNumber = text => /^[+-]?\d[\d.]*(e[+-]?\d+)?(\s*[%±[(].*)?$/.test(text);

function sortRows(head) {
  const table = head.closest("table"), body = table.tBodies[0];
  const down = head.ariaSort === "ascending";
  table.querySelectorAll("thead th").forEach(other => other.removeAttribute("aria-sort"));
  head.ariaSort = down ? "descending" : "ascending";
  const rows = [...body.rows].map(row => [plain(row.cells[head.cellIndex].textContent.trim()), row]);
  const known = rows.filter(([text]) => !missing(text));
  const compare = known.every(([text]) => isNumber(text))
    ? (a, b) => parseFloat(a) - parseFloat(b)
    : (a, b) => a.localeCompare(b, "en", { numeric: true });
  known.sort(([a], [b]) => down ? compare(b, a) : compare(a, b));
  body.append(...[...known, ...rows.filter(([text]) => missing(text))].map(([, row]) => row));
}

function onClickOrEnter(element, action) {
  element.tabIndex = 0;
  element.addEventListener("click", action);
  element.addEventListener("keydown", event => { if (event.key === "Enter") action(event); });
}

document.querySelectorAll("table").forEach(table => {
  const sortable = table.tBodies[0]?.rows.length > 1 && !table.querySelector("[colspan], [rowspan]");
  if (!sortable) return;
  table.querySelectorAll("thead th").forEach(head => {
    if (head.textContent.trim()) onClickOrEnter(head, () => sortRows(head));
  });
});

// A click on a figure shows it over the whole window, the next one two and a half times as wide; Escape closes it.
const zoom = document.createElement("dialog");
zoom.innerHTML = "<img alt=''><button>Close</button>";
document.body.append(zoom);
zoom.querySelector("button").addEventListener("click", () => zoom.close());
zoom.querySelector("img").addEventListener("click", event => {
  const across = event.offsetX / event.target.clientWidth, along = event.offsetY / event.target.clientHeight;
  zoom.classList.toggle("large");
  zoom.scrollTo(across * zoom.scrollWidth - zoom.clientWidth / 2, along * zoom.scrollHeight - zoom.clientHeight / 2);
});
document.querySelectorAll("figure img, .output_area img").forEach(picture => onClickOrEnter(picture, event => {
  event.preventDefault();
  zoom.classList.remove("large");
  Object.assign(zoom.querySelector("img"), { src: picture.src, alt: picture.alt });
  zoom.showModal();
}));

document.querySelector("#code")?.addEventListener("click", event => {
  event.target.textContent = document.body.classList.toggle("no-code") ? "Show code" : "Hide code";
});
