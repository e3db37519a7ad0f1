"""The page that typst sets: fixed source that reads every text from a JSON file, so that no text is ever source."""

#: Text as a journal sets it; letters that its font lacks come from the next that has them.
SOURCE = r"""
#let doc = json("document.json")
#let ink = rgb("#111111")
#let soft = rgb("#555555")

#set document(title: doc.title, author: (), date: none)
#set text(lang: "en", font: doc.fonts, size: 10pt, fill: ink, hyphenate: false)
#set par(leading: 0.62em, spacing: 0.95em, linebreaks: "optimized")
#set page(
  paper: "a4",
  margin: (x: 2cm, top: 2cm, bottom: 2.2cm),
  footer: context {
    set text(size: 8pt, fill: soft)
    doc.origin
    h(1fr)
    str(counter(page).get().first()) + " / " + str(counter(page).final().first())
  },
)
#show heading: set block(above: 1.5em, below: 0.8em, sticky: true)
#show heading.where(level: 1): set text(size: 13pt)
#show heading.where(level: 2): set text(size: 11.5pt)
#show heading.where(level: 3): set text(size: 10.5pt)
#show title: set text(size: 18pt)
#show title: set block(below: 1em)

#let side(column) = if column.right { right } else { left }

// Lines: heavy ones around a table, light ones under its head and over the rows that sum up.
#let heavy = 0.9pt + ink
#let light = 0.5pt + ink

// A heading without one over it reaches over both lines of the head.
#let spanners(t) = t.spanners.map(s => table.cell(
  x: s.first, y: 0, colspan: s.columns, align: center + bottom, inset: (x: 0pt, y: 0pt),
  block(inset: (x: 3pt), width: 100%, block(width: 100%, inset: (y: 2.6pt), stroke: (bottom: light), strong(s.text))),
))

#let labels(t) = t.columns.enumerate().map(((i, c)) => table.cell(
  x: i,
  y: if c.under { 1 } else { 0 },
  rowspan: if t.spanners.len() > 0 and not c.under { 2 } else { 1 },
  align: side(c) + bottom,
  strong(c.label),
))

#let line(t, row) = {
  if "group" in row {
    (table.cell(colspan: t.columns.len(), align: left, inset: (top: 6pt), emph(row.group)),)
  } else {
    row.cells.enumerate().map(((i, cell)) => table.cell(
      align: side(t.columns.at(i)),
      stroke: (top: if row.ruled { light } else { none }),
      if i == 0 and not t.headed { strong(cell) } else [#cell],
    ))
  }
}

#let grid-of(t) = {
  set text(size: t.points * 1pt, number-width: "tabular")
  set par(leading: 0.5em, justify: false)
  let head = if t.headed { spanners(t) + labels(t) } else { () }
  let lines = if t.spanners.len() > 0 { 2 } else { 1 }
  table(
    columns: t.columns.map(c => c.width * 1cm),
    inset: (x: 3pt, y: 2.6pt),
    stroke: none,
    table.hline(stroke: heavy),
    ..if head.len() > 0 { (table.header(..head, table.hline(y: lines, stroke: light)),) },
    ..t.rows.map(row => line(t, row)).flatten(),
    table.hline(stroke: heavy),
  )
}

#let small(body) = {
  set text(size: 8pt, fill: soft)
  set par(leading: 0.5em, spacing: 0.6em)
  body
}

#let shown(b) = {
  if b.kind == "heading" { heading(level: b.level, b.text) }
  else if b.kind == "paragraph" { block(sticky: b.held, [#b.text]) }
  else if b.kind == "strong" { block(sticky: true, below: 0.7em, strong(b.text)) }
  else if b.kind == "small" { small(block(sticky: b.held, [#b.text])) }
  else if b.kind == "list" { list(..b.items.map(item => [#item])) }
  else if b.kind == "output" {
    block(width: 100%, inset: 6pt, stroke: 0.5pt + soft, {
      set text(size: 7.5pt)
      raw(b.text, block: true)
    })
  }
  else if b.kind == "figure" { block(sticky: false, image(b.file, alt: b.alt, width: b.width * 1cm)) }
  else if b.kind == "table" {
    if b.title != "" { block(sticky: true, above: 1.2em, below: 0.6em, strong(b.title)) }
    grid-of(b)
    small(for note in b.foot { par(note) })
  }
}

#title()
#if doc.below != "" { block(below: 1.2em, text(size: 11pt, fill: soft, doc.below)) }

#for section in doc.sections {
  if section.wide {
    page(flipped: true, for b in section.blocks { shown(b) })
  } else {
    for b in section.blocks { shown(b) }
  }
}
"""
