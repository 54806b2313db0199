// A plain HTML table that is updated in place: rows are known by key, so focus, scroll and selection stay where they are.
// Everything is written as text, never as HTML.

function makeNode(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== "") node.setAttribute(name, value)
  }
  node.append(...children.filter((child) => child !== null))
  return node
}

function makeSample(sample) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line")
  for (const [name, value] of Object.entries({width: 34, height: 10, "aria-hidden": "true"})) svg.setAttribute(name, value)
  const place = {x1: 1, x2: 33, y1: 5, y2: 5, stroke: sample.color, "stroke-width": 2.5}
  for (const [name, value] of Object.entries(place)) line.setAttribute(name, value)
  if (sample.dash) line.setAttribute("stroke-dasharray", sample.dash)
  svg.append(line)
  return svg
}

function fillCell(node, cell) {
  const value = typeof cell === "string" ? {text: cell} : cell ?? {text: ""}
  const children = []
  if (value.sample) children.push(makeSample(value.sample))
  if (value.text) children.push(makeNode("span", {class: value.tone ? `tone ${value.tone}` : "text"}, value.text))
  if (value.beside) children.push(" ", makeNode("span", {class: "beside"}, value.beside))
  for (const tag of value.tags ?? []) children.push(" ", makeNode("span", {class: "tag"}, tag))
  if (value.bar !== undefined && value.bar !== null) {
    children.push(makeNode("progress", {max: 1, value: value.bar, "aria-label": value.small ?? value.text}))
  }
  if (value.small) children.push(makeNode("small", {}, value.small))
  node.replaceChildren(...children)
  if (value.title) node.setAttribute("title", value.title)
  else node.removeAttribute("title")
}

function sortValue(record, key) {
  const cell = record.cells[key]
  if (cell === undefined || cell === null) return null
  return typeof cell === "string" ? cell : cell.sort ?? cell.text ?? null
}

function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null)
  return sign * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b)))
}

export function render({model, el}) {
  let order = {key: null, sign: 1}
  const rows = new Map()
  const head = makeNode("thead")
  const body = makeNode("tbody")
  const caption = makeNode("caption", {}, model.caption)
  const empty = makeNode("p", {class: "empty"})
  const table = makeNode("table", {}, caption, head, body)
  const region = makeNode("div", {class: "region", role: "region", tabindex: "0", "aria-label": model.caption}, table, empty)

  function toggle(key) {
    const chosen = model.selected.includes(key)
    model.selected = chosen ? model.selected.filter((other) => other !== key) : [...model.selected, key]
  }

  function changeOrder(key) {
    if (order.key !== key) order = {key, sign: 1}
    else order = order.sign === 1 ? {key, sign: -1} : {key: null, sign: 1}
    drawHead()
    drawBody()
  }

  function drawHead() {
    const line = makeNode("tr")
    if (model.selectable) line.append(makeNode("th", {scope: "col", class: "check"}, makeNode("span", {class: "hidden"}, "Show")))
    for (const column of model.columns) {
      const heading = makeNode("th", {scope: "col", class: column.align ?? "left", title: column.title})
      if (column.sort) {
        const isOrder = order.key === column.key
        heading.setAttribute("aria-sort", isOrder ? (order.sign === 1 ? "ascending" : "descending") : "none")
        const arrow = makeNode("span", {class: "arrow", "aria-hidden": "true"}, isOrder ? (order.sign === 1 ? "▲" : "▼") : "")
        const button = makeNode("button", {type: "button"}, column.label, arrow)
        button.addEventListener("click", () => changeOrder(column.key))
        heading.append(button)
      } else heading.append(column.label)
      line.append(heading)
    }
    const focused = [...head.querySelectorAll("button")].indexOf(el.getRootNode().activeElement)
    head.replaceChildren(line)
    if (focused >= 0) head.querySelectorAll("button")[focused]?.focus()
  }

  function makeRow(key) {
    const node = makeNode("tr", {"data-key": key})
    const row = {node, cells: new Map(), shown: new Map(), box: null}
    if (model.selectable) {
      row.box = makeNode("input", {type: "checkbox"})
      row.box.addEventListener("change", () => toggle(key))
      node.append(makeNode("td", {class: "check"}, row.box))
      node.addEventListener("click", (event) => {
        if (event.target !== row.box && !String(document.getSelection())) toggle(key)
      })
    }
    return row
  }

  function drawRow(record) {
    const row = rows.get(record.key) ?? makeRow(record.key)
    rows.set(record.key, row)
    const isSelected = model.selectable && model.selected.includes(record.key)
    row.node.className = `${record.look ?? ""} ${model.selectable ? "selectable" : ""} ${isSelected ? "selected" : ""}`.trim()
    if (row.box) {
      row.box.checked = isSelected
      row.box.setAttribute("aria-label", record.label ?? record.key)
    }
    for (const key of row.cells.keys()) {
      if (!model.columns.some((column) => column.key === key)) {
        row.cells.get(key).remove()
        row.cells.delete(key)
        row.shown.delete(key)
      }
    }
    for (const [number, column] of model.columns.entries()) {
      if (!row.cells.has(column.key)) row.cells.set(column.key, makeNode(column.heading ? "th" : "td", column.heading ? {scope: "row"} : {}))
      const node = row.cells.get(column.key)
      node.className = column.align ?? "left"
      const text = JSON.stringify(record.cells[column.key] ?? "")
      if (row.shown.get(column.key) !== text) {
        fillCell(node, record.cells[column.key])
        row.shown.set(column.key, text)
      }
      const place = row.node.children[number + (row.box ? 1 : 0)]
      if (place !== node) row.node.insertBefore(node, place ?? null)
    }
    return row.node
  }

  function drawBody() {
    const records = [...model.records]
    if (order.key) records.sort((a, b) => compare(sortValue(a, order.key), sortValue(b, order.key), order.sign))
    const keys = new Set(records.map((record) => record.key))
    for (const [key, row] of rows) {
      if (!keys.has(key)) {
        row.node.remove()
        rows.delete(key)
      }
    }
    records.forEach((record, number) => {
      const node = drawRow(record)
      if (body.children[number] !== node) body.insertBefore(node, body.children[number] ?? null)
    })
    empty.replaceChildren(model.empty, ...(model.command ? [makeNode("code", {}, model.command)] : []))
    empty.hidden = records.length > 0
    table.hidden = !records.length
  }

  model.on("records", drawBody)
  model.on("selected", drawBody)
  model.on("empty", drawBody)
  model.on("command", drawBody)
  model.on("columns", () => {
    drawHead()
    drawBody()
  })
  drawHead()
  drawBody()
  return region
}
