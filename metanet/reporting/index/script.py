"""The style and the script of the list of reports: searching, filtering and sorting rows that are there already.

The script is a fixed text that reads the page and is allowed by its digest alone; it puts nothing into the page but rows in another
order and texts as texts. Without it the whole list is there, in one order.
"""

STYLE = """
:root { color-scheme: light dark; --edge: #6e7781; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #a5afb9; --line: #30363d; --wash: #161b22;
  --link: #79b8ff; --paper: #0d1117; --bad: #2d1a0f; --edge: #8b949e; } }
body { max-width: 96rem; }
.contents a { margin-right: 1rem; white-space: nowrap; }
.controls { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: end; margin: 1rem 0 .4rem; }
.controls[hidden] { display: none; }
.controls label { display: grid; gap: .15rem; font-size: .85rem; color: var(--soft); }
.controls :is(input, select, button) { font: inherit; font-size: .95rem; color: var(--ink); background: var(--paper);
  border: 1px solid var(--edge); border-radius: 4px; padding: .35rem .5rem; max-width: 100%; }
.controls input { width: 18rem; }
:is(a, button, input, select, .scroll):focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
#count { color: var(--soft); font-size: .9rem; margin: .3rem 0; min-height: 1.4em; }
.rates th[scope=row] { font-weight: normal; background: none; }
.rates tbody tr:hover { background: var(--wash); }
.rates td:nth-child(10) { white-space: nowrap; }
.rates td.links { font-size: .8rem; min-width: 7.5rem; }
.rates thead th { vertical-align: bottom; white-space: normal; }
.rates thead th.num { min-width: 4.2rem; }
.rates thead button { font: inherit; font-weight: bold; color: inherit; background: none; border: 0; padding: 0; text-align: inherit;
  cursor: pointer; }
.rates thead button::after { content: "\\a0\\2195"; color: var(--soft); }
.rates th[aria-sort=ascending] button::after { content: "\\a0\\2191"; color: inherit; }
.rates th[aria-sort=descending] button::after { content: "\\a0\\2193"; color: inherit; }
#analyses td { max-width: 60rem; }
.overview { margin: 1rem 0; }
.overview img { display: block; background: #fff; width: 66rem; max-width: 100%; min-width: 44rem; border-radius: 4px; }
.failed { border-left: 0; } .failed > :first-child { border-left: 4px solid #d55e00; }
@media print { @page { size: A4; margin: 12mm; } h2#list { break-before: page; } .controls, .contents, .links { display: none; }
  .rates thead button::after { content: none; } .overview { break-inside: avoid; }
  .overview img { min-width: 0; width: 100%; max-height: 230mm; }
  table { font-size: 7pt; } thead { break-inside: avoid; } .rates thead button { display: contents; }
  th, td { padding: .15rem .35rem; } }
"""

SCRIPT = """
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const table = byId("rates");
  if (!table) { return; }
  const [search, outcome, group, reset, count] = ["search", "outcome", "group", "reset", "count"].map(byId);
  const body = table.tBodies[0];
  const rates = Array.from(body.rows);
  const analyses = Array.from(document.querySelectorAll("#analyses tbody tr"));
  const plain = (text) => text.normalize("NFKD").replace(/\\p{M}/gu, "").toLowerCase();
  const words = new Map([...rates, ...analyses].map((row) => [row, plain(row.textContent)]));
  let sorted = "";

  const shows = (row, wanted) =>
    wanted.every((word) => words.get(row).includes(word))
    && (!outcome.value || row.dataset.outcome === outcome.value)
    && (!group.value || row.dataset.group === group.value);

  const say = () => {
    const seen = (rows) => rows.filter((row) => !row.hidden).length;
    let text = `${seen(rates)} of ${rates.length} pooled rates`;
    if (analyses.length) { text += ` and ${seen(analyses)} of ${analyses.length} analyses`; }
    count.textContent = `${text} shown${sorted ? `, sorted by ${sorted}` : ""}.`;
  };

  const filter = () => {
    const wanted = plain(search.value).split(/\\s+/).filter(Boolean);
    for (const row of words.keys()) { row.hidden = !shows(row, wanted); }
    for (const part of document.querySelectorAll("#analyses > section")) {
      part.hidden = !part.querySelector("tbody tr:not([hidden])");
    }
    say();
  };

  const heads = Array.from(table.tHead.rows[0].cells).filter((head) => head.dataset.sort);
  const compare = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;
  const value = (row, place, kind) => {
    const cell = row.cells[place];
    if (kind === "text") { return cell.textContent.trim() || null; }
    return cell.dataset.value === undefined ? null : Number(cell.dataset.value);
  };
  const sort = (head, turned) => {
    const kind = head.dataset.sort;
    const keys = new Map(rates.map((row) => [row, value(row, head.cellIndex, kind)]));
    const order = rates.slice().sort((one, other) => {
      const [a, b] = [keys.get(one), keys.get(other)];
      // What is absent comes last, whichever way the others go.
      if (a === null || b === null) { return (a === null) - (b === null); }
      return (kind === "text" ? compare(a, b) : a - b) * (turned ? -1 : 1);
    });
    body.append(...order);
  };

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const turned = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) { other.removeAttribute("aria-sort"); }
      head.setAttribute("aria-sort", turned ? "descending" : "ascending");
      sorted = `${button.textContent}, ${turned ? "descending" : "ascending"}`;
      sort(head, turned);
      say();
    });
  }
  for (const control of [search, outcome, group]) { control.addEventListener("input", filter); }
  reset.addEventListener("click", () => {
    search.value = outcome.value = group.value = "";
    for (const head of heads) { head.removeAttribute("aria-sort"); }
    sorted = "";
    body.append(...rates);
    filter();
    search.focus();
  });
  byId("controls").hidden = false;
  // A browser that comes back to the page may have kept what was chosen.
  filter();
})();
"""
