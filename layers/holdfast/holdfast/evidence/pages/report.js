(() => {
  "use strict";
  const ROW_PX = 36, SPARE_ROWS = 10, LEAST_PX = 640;
  const data = JSON.parse(document.getElementById("rows").textContent);

  // Spelled out: what cannot be seen, or turns the text around it.
  const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
  const visible = (text) => String(text).replace(UNSEEN,
    (found) => `⟨U+${found.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

  // --- columns, as they travel: words once each, names by what they share with the one before, or plain
  function column(packed) {
    if (Array.isArray(packed)) return packed;
    if (packed.of) return packed.at.map((at) => packed.of[at]);
    let last = "";
    return packed.rest.map((rest, at) => (last = last.slice(0, packed.shared[at]) + rest));
  }
  const columns = (packed) => Object.fromEntries(
    Object.entries(packed).map(([name, values]) => [name, column(values)]));

  const number = (count) => count.toLocaleString("en-US");
  const words = (code) => code.replaceAll("_", " ");
  const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);
  const time = (ms) => new Date(ms).toISOString().replace("T", " ").slice(0, 19);
  const exact = (ms) => new Date(ms).toISOString();
  const size = (bytes) => bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${(bytes / 1024).toFixed(1)} KiB`
    : bytes < 1e9 ? `${(bytes / 1048576).toFixed(1)} MiB` : `${(bytes / 1073741824).toFixed(2)} GiB`;
  const lag = (ms) => ms < 1000 ? `${ms} ms` : ms < 60000 ? `${(ms / 1000).toFixed(1)} s`
    : ms < 3600000 ? `${(ms / 60000).toFixed(1)} min` : `${(ms / 3600000).toFixed(1)} h`;
  const short = (text) => text.length > 9 ? `${text.slice(0, 8)}…` : text;

  function objectsList(packed) {
    const of = columns(packed);
    return {
      count: of.number.length,
      noun: "objects",
      hay: (at) => `${of.key[at]}\n${of.version_id[at]}\n${of.sha256[at]}\n${of.recording_id[at]}\n${of.conversation_id[at]}\n${of.path[at]}`,
      filters: [
        { name: "Medium", values: of.medium, show: capital },
        { name: "Kind", values: of.role, show: capital },
        { name: "At the platform", values: of.platform, show: (word) => capital(words(word || "no account")) },
        { name: "Legal hold", values: of.is_let_go.map((released, at) => of.is_disposed[at] ? "disposed of" : of.is_gone[at] ? "gone" : released ? "released" : "on"), show: capital },
      ],
      columns: [
        { name: "No.", width: 7, values: of.number, show: number, opens: true },
        { name: "Began", width: 9, values: of.day, show: (day) => day || "–" },
        { name: "Medium", width: 8, values: of.medium, show: capital },
        { name: "Kind", width: 8, values: of.role, show: capital },
        { name: "Conversation", width: 11, values: of.conversation_id, show: short, style: "m" },
        { name: "Recording", width: 9, values: of.recording_id, show: short, style: "m" },
        { name: "Arrived (UTC)", width: 15, values: of.arrived_ms, show: time },
        { name: "Hold lag", width: 8, values: of.lag_ms, show: lag, style: "n" },
        { name: "Size", width: 8, values: of.size_bytes, show: size, style: "n" },
        { name: "SHA-256", width: 9, values: of.sha256, show: (hex) => hex ? short(hex) : "pending", style: "m" },
        { name: "Platform", width: 8, values: of.platform, show: (word) => words(word || "–").replace("held at platform", "held") },
      ],
      title: (at) => `Object ${number(of.number[at])}`,
      details: (at) => [
        ["Key", of.key[at], "m"], ["Version", of.version_id[at], "m"], ["Bucket", of.bucket[at], "m"],
        ["SHA-256", of.sha256[at] || "pending", "m"], ["Size", `${number(of.size_bytes[at])} bytes`],
        ["Kind", of.role[at]], ["Medium", of.medium[at]], ["Conversation", of.conversation_id[at] || "none", "m"],
        ["Conversation began", of.day[at] || "not known"], ["Recording", of.recording_id[at] || "none", "m"],
        ["Arrived", exact(of.arrived_ms[at])], ["Secured", exact(of.arrived_ms[at] + of.lag_ms[at])],
        ["Hold lag", lag(of.lag_ms[at])], ["Legal hold", of.is_disposed[at] ? "disposed of after its release" : of.is_gone[at] ? "gone: somebody deleted it" : of.is_let_go[at] ? "released" : "ON"],
        ["At the platform", words(of.platform[at] || "no account") + (of.platform_reason[at] ? `: ${words(of.platform_reason[at])}` : "")],
        ["Tags without room", of.omitted_tags[at] || "none"],
        ["In this package", !of.sha256[at] ? "not listed while its digest is pending" : of.is_gone[at] ? "not listed: it is gone" : of.path[at], "m"],
      ],
      printed: [
        ["No.", (at) => number(of.number[at])], ["Medium, kind", (at) => `${of.medium[at]}, ${of.role[at]}`],
        ["Key and version", (at) => `${of.key[at]} @ ${of.version_id[at]}`, "m"], ["SHA-256", (at) => of.sha256[at] || "pending", "m"],
        ["Bytes", (at) => number(of.size_bytes[at])], ["Arrived (UTC)", (at) => exact(of.arrived_ms[at])], ["Hold lag", (at) => lag(of.lag_ms[at])],
      ],
    };
  }

  function exceptionsList(packed) {
    const of = columns(packed);
    const position = of.request.map((_, at) => at + 1);
    return {
      count: of.reason.length,
      noun: "exceptions",
      narrow: true,
      hay: (at) => `${of.reason[at]}\n${words(of.reason[at])}\n${of.conversation_id[at]}\n${of.recording_id[at]}`,
      filters: [
        { name: "Reason", values: of.reason, show: (word) => capital(words(word)) },
        { name: "Standing", values: of.standing, show: capital },
        { name: "Medium", values: of.medium, show: capital },
      ],
      columns: [
        { name: "No.", width: 7, values: position, show: number, opens: true },
        { name: "Reason", width: 22, values: of.reason, show: words },
        { name: "Standing", width: 11, values: of.standing, show: capital },
        { name: "Medium", width: 10, values: of.medium, show: capital },
        { name: "Conversation", width: 25, values: of.conversation_id, show: (id) => id || "–", style: "m" },
        { name: "Recording", width: 25, values: of.recording_id, show: (id) => id || "–", style: "m" },
      ],
      title: (at) => `Exception ${number(position[at])}`,
      details: (at) => [
        ["Reason", words(of.reason[at])], ["Meaning", of.meaning[at]], ["Standing", of.standing[at]], ["Medium", of.medium[at]],
        ["Conversation", of.conversation_id[at] || "none", "m"], ["Recording", of.recording_id[at] || "none", "m"], ["Request", `number ${of.request[at]}`],
      ],
      printed: [
        ["No.", (at) => number(position[at])], ["Reason", (at) => words(of.reason[at])], ["Standing", (at) => of.standing[at]],
        ["Medium", (at) => of.medium[at]], ["Conversation", (at) => of.conversation_id[at], "m"], ["Recording", (at) => of.recording_id[at], "m"],
      ],
    };
  }

  // --- small makers; text becomes text, never markup
  function make(name, properties = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key in made && key !== "list") made[key] = value; else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }
  const text = (name, said, style) => {
    const made = make(name, style ? { className: style } : {});
    made.textContent = visible(said);
    return made;
  };

  const dialog = document.getElementById("details");
  function open(list, at) {
    dialog.querySelector("h2").textContent = list.title(at);
    dialog.querySelector("dl").replaceChildren(...list.details(at).flatMap(([name, value, style]) => {
      const told = make("dd", style ? { className: style } : {});
      told.append(text("bdi", value));
      return [text("dt", name), told];
    }));
    dialog.showModal();
  }

  function showList(root, list) {
    const label = root.dataset.label;
    const id = root.dataset.list;
    // --- what there is to search: made at the first keystroke, and kept
    let hays = null;
    const rank = new Map();
    let order = Uint32Array.from({ length: list.count }, (_, at) => at);
    let sorted = { by: 0, down: false };
    let found = order;
    let active = 0;
    const chosen = list.filters.map(() => "");

    const search = make("input", { type: "search", id: `${id}-search`, autocomplete: "off", spellcheck: false });
    const controls = make("div", { className: "controls", role: "search", "aria-label": `Find in ${label.toLowerCase()}` },
      make("div", { className: "search" }, make("label", { htmlFor: search.id }, "Search ids, names, digests"), search));
    list.filters.forEach((filter, place) => {
      const select = make("select", { id: `${id}-filter-${place}` }, make("option", { value: "" }, "All"));
      for (const value of [...new Set(filter.values)].sort()) {
        select.append(make("option", { value: ` ${value}` }, visible(filter.show(value))));
      }
      select.addEventListener("change", () => { chosen[place] = select.value; find(); });
      controls.append(make("div", {}, make("label", { htmlFor: select.id }, filter.name), select));
    });
    const status = make("p", { className: "status", role: "status" });
    const head = make("tr", { "aria-rowindex": "1" });
    const body = make("tbody");
    const table = make("table", { className: `rows${list.narrow ? " narrow" : ""}`, "aria-colcount": String(list.columns.length) },
      make("caption", { className: "unseen" }, label),
      make("colgroup", {}, ...list.columns.map((one) => { const col = make("col"); col.style.width = `${one.width}%`; return col; })),
      make("thead", {}, head), body);
    const scroller = make("div", { className: "scroller", tabIndex: 0, role: "region", "aria-label": `${label}, a list that scrolls` }, table);

    const headers = list.columns.map((one, place) => {
      const button = make("button", { type: "button" }, one.name);
      button.addEventListener("click", () => sort(place));
      const cell = make("th", { scope: "col", className: one.style === "n" ? "n" : "", "aria-colindex": String(place + 1) }, button);
      head.append(cell);
      return cell;
    });

    function ranks(place) {
      // A column's values as numbers that compare as they do: sorting then needs no strings.
      if (!rank.has(place)) {
        const values = list.columns[place].values;
        if (typeof values[0] === "number") rank.set(place, Float64Array.from(values));
        else {
          const places = new Map([...new Set(values)].sort().map((value, at) => [value, at]));
          rank.set(place, Float64Array.from(values, (value) => places.get(value)));
        }
      }
      return rank.get(place);
    }

    function sort(place) {
      sorted = { by: place, down: sorted.by === place && !sorted.down };
      const keys = ranks(place), sign = sorted.down ? -1 : 1;
      order = order.slice().sort((one, other) => sign * (keys[one] - keys[other]) || one - other);
      find();
    }

    function find() {
      const terms = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      if (terms.length && !hays) {
        hays = Array.from({ length: list.count }, (_, at) => list.hay(at).toLowerCase());
      }
      const filters = list.filters.map((filter, place) => [filter.values, chosen[place]])
        .filter(([, value]) => value).map(([values, value]) => [values, value.slice(1)]);
      found = terms.length || filters.length
        ? order.filter((at) => filters.every(([values, value]) => String(values[at]) === value)
          && terms.every((term) => hays[at].includes(term)))
        : order;
      active = 0;
      headers.forEach((cell, place) => {
        if (place === sorted.by) cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
        else cell.removeAttribute("aria-sort");
      });
      table.setAttribute("aria-rowcount", String(found.length + 1));
      status.textContent = found.length === list.count ? `${number(list.count)} ${list.count === 1 ? list.noun.slice(0, -1) : list.noun}`
        : `${number(found.length)} of ${number(list.count)} ${list.noun}`;
      scroller.scrollTop = 0;
      draw();
    }

    let drawn = { from: -1, to: -1, found: null };
    function draw() {
      const from = Math.max(0, Math.floor(scroller.scrollTop / ROW_PX) - SPARE_ROWS);
      const to = Math.min(found.length, Math.ceil((scroller.scrollTop + Math.max(scroller.clientHeight, LEAST_PX)) / ROW_PX) + SPARE_ROWS);
      if (drawn.from === from && drawn.to === to && drawn.found === found) return;
      drawn = { from, to, found };
      const focused = body.contains(document.activeElement);
      const rows = [];
      if (from) rows.push(space(from));
      for (let place = from; place < to; place += 1) rows.push(row(place));
      if (to < found.length) rows.push(space(found.length - to));
      if (!found.length) rows.push(make("tr", {}, make("td", { colSpan: list.columns.length }, "Nothing is found.")));
      body.replaceChildren(...rows);
      if (focused && !focus()) scroller.focus({ preventScroll: true });
      if (active < from || active >= to) stop(Math.min(Math.max(from, Math.ceil(scroller.scrollTop / ROW_PX)), Math.max(0, to - 1)));
    }

    function space(count) {
      const cell = make("td", { colSpan: list.columns.length });
      cell.style.height = `${count * ROW_PX}px`;
      return make("tr", { className: "space", "aria-hidden": "true" }, cell);
    }

    function row(place) {
      const at = found[place];
      return make("tr", { "aria-rowindex": String(place + 2) }, ...list.columns.map((one, col) => {
        const said = one.show(one.values[at]);
        const cell = make("td", { className: one.style || "", "aria-colindex": String(col + 1) });
        if (one.opens) {
          const button = text("button", said);
          button.type = "button";
          button.tabIndex = place === active ? 0 : -1;
          button.dataset.place = String(place);
          button.setAttribute("aria-label", `${list.title(at)}: show everything that is recorded`);
          cell.append(button);
        } else cell.textContent = visible(said);
        return cell;
      }));
    }

    const buttonAt = (place) => body.querySelector(`button[data-place="${place}"]`);
    function focus() {
      const button = buttonAt(active);
      if (button) button.focus({ preventScroll: true });
      return Boolean(button);
    }
    function stop(place) {
      // The one row that Tab stops at.
      const before = buttonAt(active);
      if (before) before.tabIndex = -1;
      active = place;
      const button = buttonAt(active);
      if (button) button.tabIndex = 0;
    }
    function go(place) {
      stop(Math.max(0, Math.min(found.length - 1, place)));
      const top = active * ROW_PX, page = scroller.clientHeight - head.offsetHeight;
      if (top < scroller.scrollTop) scroller.scrollTop = top;
      else if (top + ROW_PX > scroller.scrollTop + page) scroller.scrollTop = top + ROW_PX - page;
      draw();
      focus();
      scroller.scrollIntoView({ block: "nearest" });
    }

    const MOVES = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12, Home: -Infinity, End: Infinity };
    body.addEventListener("keydown", (event) => {
      if (!(event.key in MOVES) || !event.target.dataset.place) return;
      event.preventDefault();
      go(Number(event.target.dataset.place) + MOVES[event.key]);
    });
    body.addEventListener("click", (event) => {
      const button = event.target.closest("tr")?.querySelector("button[data-place]");
      if (!button || getSelection().toString()) return;
      stop(Number(button.dataset.place));
      button.focus({ preventScroll: true });
      open(list, found[active]);
    });
    scroller.addEventListener("scroll", draw, { passive: true });
    addEventListener("resize", draw);
    search.addEventListener("input", find);

    // --- on paper: the first of what is found, whole
    const most = Number(root.dataset.printed || 1000);
    const paper = make("table", { className: "printed", "aria-hidden": "true" });
    function print() {
      const shown = found.slice(0, most);
      const told = found.length > most ? `The first ${number(most)} of ${number(found.length)} ${list.noun}.` : "";
      paper.replaceChildren(
        make("caption", {}, told),
        make("thead", {}, make("tr", {}, ...list.printed.map(([name]) => text("th", name)))),
        make("tbody", {}, ...Array.from(shown, (at) => make("tr", {}, ...list.printed.map(([, show, style]) => text("td", show(at), style))))));
    }
    addEventListener("beforeprint", print);
    addEventListener("afterprint", () => paper.replaceChildren());

    root.replaceChildren(controls, status, scroller, paper);
    find();
  }

  const makers = { objects: objectsList, exceptions: exceptionsList };
  for (const root of document.querySelectorAll("[data-list]")) {
    showList(root, makers[root.dataset.list](data[root.dataset.list]));
  }
  // What is folded away on the screen is unfolded on paper.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((one) => { one.open = false; }));
  document.documentElement.dataset.ready = "yes";
})();
