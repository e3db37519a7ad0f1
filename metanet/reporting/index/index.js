(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const table = byId("rates");
  if (!table) { return; }
  const [search, outcome, group, reset, count] = ["search", "outcome", "group", "reset", "count"].map(byId);
  const body = table.tBodies[0];
  const rates = Array.from(body.rows);
  const analyses = Array.from(document.querySelectorAll("#analyses tbody tr"));
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
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
    const wanted = plain(search.value).split(/\s+/).filter(Boolean);
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
