(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const table = byId("rates");
  if (!table) { return; }
  const STEP = 300;
  const [search, outcome, group, reset, count, studiesFound, more] =
    ["search", "outcome", "group", "reset", "count", "studies-found", "more"].map(byId);
  const body = table.tBodies[0];
  const held = byId("data") ? JSON.parse(byId("data").textContent) : {};
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const fullNames = new Map(Array.from(group.options).map((option) => [option.value, option.textContent]));
  const textOf = (texts, key) => plain([...texts, fullNames.get(key) ?? ""].join(" "));

  // A line of the list: what it says, where it belongs, and its row, which is made when it is first shown.
  const told = (row) => {
    const texts = Array.from(row.cells).slice(0, -1).map((cell) => cell.textContent);
    return { texts, outcome: row.dataset.outcome, group: row.dataset.group, row };
  };
  const listed = (words) => ([one, two, name, modality, folder, cells, status, model, kind, title, files]) => ({
    texts: [words[name], words[modality], ...cells.split("|"), words[status]],
    outcome: words[one], group: words[two], folder, model: words[model], kind: words[kind], title: words[title], files,
  });
  const lines = [...Array.from(body.rows).map(told), ...(held.rows ?? []).map(listed(held.words ?? []))];
  for (const line of lines) { line.words = textOf(line.texts, line.group); }

  const link = (line, file, text, label) => {
    const made = document.createElement("a");
    made.href = [...line.folder.split("/"), file].map(encodeURIComponent).join("/");
    made.textContent = text;
    if (label) { made.setAttribute("aria-label", `${label}: ${line.title}`); }
    return made;
  };
  const rowOf = (line) => {
    if (line.row) { return line.row; }
    const row = document.createElement("tr");
    if (line.kind) { row.className = line.kind; }
    line.texts.forEach((text, place) => {
      const cell = document.createElement(place ? "td" : "th");
      if (!place) { cell.scope = "row"; }
      if (place > 1 && place < 9) { cell.className = "num"; }
      if (place === 1) { cell.append(link(line, "report.html", text)); } else { cell.textContent = text; }
      row.append(cell);
    });
    const last = row.insertCell();
    last.className = "links";
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    summary.textContent = "Files";
    summary.setAttribute("aria-label", `Files: ${line.title}`);
    details.append(summary, line.model ? `${line.model}. ` : "");
    held.files.filter((_, bit) => line.files & (1 << bit)).forEach(([label, file], place) => {
      details.append(place ? " · " : "", link(line, file, label, label));
    });
    last.append(details);
    line.row = row;
    return row;
  };

  const analyses = Array.from(document.querySelectorAll("#analyses li[data-outcome]"))
    .map((row) => ({ row, outcome: row.dataset.outcome, group: row.dataset.group, words: textOf([row.textContent], row.dataset.group) }));
  const studies = (held.studies ?? []).map(([label, title, places]) => ({ label, title, places, words: plain(`${label} ${title}`) }));

  let [shown, limit, sorted] = [lines, STEP, null];

  // A study that is searched for leads to the lines that it is in; an analysis of all modalities holds those of each.
  const belongs = (line, places) =>
    places.some(([one, two]) => (!line.outcome || line.outcome === one) && (!line.group || line.group === two));
  const shows = (line, wanted, places) =>
    (!outcome.value || line.outcome === outcome.value)
    && (!group.value || line.group === group.value)
    && (wanted.every((word) => line.words.includes(word)) || (places.length > 0 && belongs(line, places)));

  const say = (seen, found) => {
    let text = `${shown.length} of ${lines.length} pooled rates`;
    if (analyses.length) { text += ` and ${seen} of ${analyses.length} analyses`; }
    count.textContent = `${text} shown${sorted ? `, sorted by ${sorted.name}, ${sorted.turned ? "descending" : "ascending"}` : ""}.`;
    const named = found.slice(0, 4).map(({ label, title }) => (title ? `${label} (${title})` : label));
    const others = found.length - named.length;
    studiesFound.textContent = found.length ? `In studies: ${named.join("; ")}${others > 0 ? `; and ${others} more` : ""}.` : "";
  };

  const draw = () => {
    body.replaceChildren(...shown.slice(0, limit).map(rowOf));
    if (more) { more.hidden = limit >= shown.length; }
  };

  const compare = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;
  const value = (text, kind) => {
    if (kind === "text") { return text.trim() || null; }
    const part = kind === "total" ? text.slice(text.indexOf("/") + 1) : text;
    const number = part.match(/([<>]?)(\d+(?:\.\d+)?)/);
    if (!number) { return null; }
    return Number(number[2]) + (number[1] === "<" ? -1e-9 : number[1] === ">" ? 1e-9 : 0);
  };
  const inOrder = (found) => {
    if (!sorted) { return found; }
    const { place, kind, turned } = sorted;
    const keys = new Map(found.map((line) => [line, value(line.texts[place], kind)]));
    return found.slice().sort((one, other) => {
      const [a, b] = [keys.get(one), keys.get(other)];
      // What is absent comes last, whichever way the others go.
      if (a === null || b === null) { return (a === null) - (b === null); }
      return (kind === "text" ? compare(a, b) : a - b) * (turned ? -1 : 1);
    });
  };

  const update = () => {
    const wanted = plain(search.value).split(/\s+/).filter(Boolean);
    const found = wanted.length ? studies.filter(({ words }) => wanted.every((word) => words.includes(word))) : [];
    const places = found.flatMap((study) => study.places);
    shown = inOrder(lines.filter((line) => shows(line, wanted, places)));
    draw();
    let seen = 0;
    for (const line of analyses) {
      line.row.hidden = !shows(line, wanted, places);
      seen += line.row.hidden ? 0 : 1;
    }
    const chosen = Boolean(wanted.length || outcome.value || group.value);
    for (const part of document.querySelectorAll("#analyses > details")) {
      part.hidden = !part.querySelector("li:not([hidden])");
      if (chosen) { part.open = true; }
    }
    say(seen, found);
  };

  // What was chosen is kept in the address: Back comes to the same list, and the address can be sent to others.
  const MARK = "#show?";
  const keep = () => {
    const state = new URLSearchParams();
    for (const control of [search, outcome, group]) { if (control.value) { state.set(control.id, control.value); } }
    if (sorted) { state.set("sort", `${sorted.place}${sorted.turned ? "-" : ""}`); }
    if (limit > STEP) { state.set("rows", String(limit)); }
    const open = Array.from(document.querySelectorAll("#analyses > details[open]")).map((part) => part.id);
    if (open.length) { state.set("open", open.join(" ")); }
    const text = state.toString();
    if (text || location.hash.startsWith(MARK)) { history.replaceState(null, "", text ? MARK + text : "#"); }
  };

  const heads = Array.from(table.tHead.rows[0].cells).filter((head) => head.dataset.sort);
  const sortBy = (head, turned) => {
    for (const other of heads) { other.removeAttribute("aria-sort"); }
    sorted = head ? { place: head.cellIndex, kind: head.dataset.sort, name: head.textContent, turned } : null;
    if (head) { head.setAttribute("aria-sort", turned ? "descending" : "ascending"); }
  };
  const restore = () => {
    const state = new URLSearchParams(location.hash.startsWith(MARK) ? location.hash.slice(MARK.length) : "");
    for (const control of [search, outcome, group]) { control.value = state.get(control.id) ?? ""; }
    const sort = /^(\d+)(-?)$/.exec(state.get("sort") ?? "");
    sortBy((sort && heads.find((head) => head.cellIndex === Number(sort[1]))) || null, Boolean(sort?.[2]));
    limit = Math.max(STEP, Math.min(lines.length, Number(state.get("rows")) || STEP));
    const open = (state.get("open") ?? "").split(" ");
    for (const part of document.querySelectorAll("#analyses > details")) { part.open = open.includes(part.id); }
    update();
  };

  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      sortBy(head, head.getAttribute("aria-sort") === "ascending");
      update();
      keep();
    });
  }
  for (const control of [search, outcome, group]) {
    control.addEventListener("input", () => {
      limit = STEP;
      update();
      keep();
    });
  }
  reset.addEventListener("click", () => {
    search.value = outcome.value = group.value = "";
    limit = STEP;
    sortBy(null, false);
    update();
    keep();
    search.focus();
  });
  for (const part of document.querySelectorAll("#analyses > details")) { part.addEventListener("toggle", keep); }
  if (more) {
    const next = () => {
      limit += STEP;
      draw();
      keep();
    };
    more.addEventListener("click", next);
    new IntersectionObserver((seen) => { if (seen.some((entry) => entry.isIntersecting)) { next(); } }, { rootMargin: "600px" })
      .observe(more);
  }
  window.addEventListener("beforeprint", () => {
    limit = lines.length;
    draw();
    for (const part of document.querySelectorAll("#analyses details")) { part.open = true; }
  });
  window.addEventListener("hashchange", () => { if (location.hash.startsWith(MARK)) { restore(); } });
  byId("controls").hidden = false;
  if (location.hash && !location.hash.startsWith(MARK)) { update(); } else { restore(); }
})();
