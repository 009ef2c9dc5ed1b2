// The browser of samples in a report: choose K, metric and class, sort, enlarge. It needs nothing but the page itself.
(() => {
  "use strict";
  const CLASSES = ["memorized", "spurious", "generalized"];
  const PAGE = 24; // number of samples that are added at once
  const data = JSON.parse(document.getElementById("browse-data").textContent);
  const byId = (id) => document.getElementById(id);
  const controls = Object.fromEntries(
    ["size", "metric", "class", "sort", "order"].map((name) => [name, byId(`browse-${name}`)]),
  );
  const [list, count, more, dialog] = ["list", "count", "more", "closer"].map((name) => byId(`browse-${name}`));
  const sheets = new Map(); // from K to its decoded sheet, or to the promise of it
  let found = []; // the chosen samples, in the chosen order
  let drawn = 0; // number of samples of `found` that are in the list
  let open = -1; // place in `found` of the sample that is enlarged

  const create = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const option = (value, text) => create("option", { value, textContent: text });
  const digits = (value) => (value === null ? "–" : String(Number(value.toPrecision(3))));
  const sheet = () => data.sheets[controls.size.selectedIndex];
  const sorting = () => sheet().metrics[controls.metric.value];
  const nearest = (neighbors) => (neighbors.length ? neighbors[0][1] : Infinity);

  // the paper's order: memorized by distance to S, spurious by distance within S', generalized the most isolated first
  const clarity = (s, i) => [nearest(s.train[i]), nearest(s.near[i]), -nearest(s.near[i])][s.class[i]];
  const KEYS = {
    rank: { text: "clearest of the class", key: (s, i) => [s.class[i], clarity(s, i)] },
    train: { text: "distance to the training set", key: (s, i) => [nearest(s.train[i])] },
    near: { text: "distance to the nearest sample", key: (s, i) => [nearest(s.near[i])] },
    ratio: { text: "nearest / second nearest training image", key: (s, i) => [s.ratio[i] ?? Infinity] },
    number: { text: "number of the sample", key: (s, i) => [sheet().number[i]] },
  };

  // The picture at a place of the sheet, in its own size. CSS enlarges it without blur.
  const picture = (place, label) => {
    const { width, height, columns, size } = sheet();
    const canvas = create("canvas", { width, height });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", label);
    const [x, y] = [(place % columns) * width, Math.floor(place / columns) * height];
    const draw = (image) => canvas.getContext("2d").drawImage(image, x, y, width, height, 0, 0, width, height);
    const ready = sheets.get(size);
    if (ready instanceof Image) draw(ready);
    else ready.then(draw, () => {}); // `load` reports the failure, once
    return canvas;
  };

  const load = ({ size, sheet: uri }) => {
    if (sheets.has(size)) return;
    const image = new Image();
    image.src = uri;
    const failed = () => { count.textContent = `This browser cannot show the pictures of K = ${size}.`; };
    sheets.set(size, image.decode().then(() => (sheets.set(size, image), image)));
    sheets.get(size).catch(failed);
  };

  const title = (place, what) => {
    const name = sheet().name?.[place];
    return `${what} ${sheet().number[place].toLocaleString("en")}${name ? `, ${name}` : ""}`;
  };

  const row = (label, what, neighbors) =>
    create("div", { className: "row" }, create("span", { className: "set", textContent: label }),
      ...neighbors.map(([place, distance]) => {
        const caption = create("figcaption", { textContent: digits(distance) });
        const figure = create("figure", { title: title(place, what) }, picture(place, title(place, what)), caption);
        figure.dataset.number = sheet().number[place];
        return figure;
      }));

  const entry = (sample) => {
    const s = sorting();
    const name = CLASSES[s.class[sample]];
    const label = `${title(sample, "sample")}: ${name}, ${digits(nearest(s.train[sample]))} to the training set, ` +
      `${digits(nearest(s.near[sample]))} to the nearest sample`;
    const button = create("button", { type: "button", className: `tile ${name}`, title: label }, picture(sample, label));
    const shown = create("div", {}, button, create("span", { className: "kind", textContent: name }));
    const item = create("li", {}, shown,
      create("div", {}, row("S", "training image", s.train[sample]), row("S′", "sample", s.near[sample])));
    item.dataset.number = sheet().number[sample];
    button.addEventListener("click", () => look(found.indexOf(sample)));
    return item;
  };

  const draw = () => {
    const next = found.slice(drawn, drawn + PAGE).map(entry);
    list.append(...next);
    drawn += next.length;
    more.hidden = drawn >= found.length;
    return next[0];
  };

  const update = () => {
    const s = sorting();
    load(sheet());
    for (const choice of controls.class.options) {
      const number = CLASSES.indexOf(choice.value);
      choice.hidden = choice.disabled = number >= 0 && s.counts[number] === 0; // an empty class cannot be chosen
    }
    if (controls.class.selectedOptions[0]?.disabled) controls.class.value = "all";
    const wanted = CLASSES.indexOf(controls.class.value);
    const direction = controls.order.value === "up" ? 1 : -1;
    const { key } = KEYS[controls.sort.value];
    const keyed = [];
    for (let i = 0; i < sheet().samples; i++) {
      if (wanted < 0 || s.class[i] === wanted) keyed.push([key(s, i), i]);
    }
    // compares and does not subtract, since a difference of infinities is NaN
    const differ = (a, b) => a.reduce((sign, value, k) => sign || (value < b[k] ? -1 : Number(value > b[k])), 0);
    keyed.sort(([a, i], [b, j]) => direction * differ(a, b) || i - j);
    found = keyed.map(([, i]) => i);
    const all = wanted < 0 ? s.counts.reduce((a, b) => a + b, 0) : s.counts[wanted];
    const [deltaM, deltaS] = s.delta.map(digits);
    count.textContent = `${found.length.toLocaleString("en")} of ${all.toLocaleString("en")} ` +
      `${wanted < 0 ? "samples" : `${CLASSES[wanted]} samples`} at K = ${sheet().size.toLocaleString("en")}; ` +
      `thresholds: ${deltaM} for the distance to S, ${deltaS} for the distance within S′` +
      (sheet().factor > 1 ? `; pictures reduced by a factor of ${sheet().factor}` : "");
    list.replaceChildren();
    drawn = 0;
    draw();
  };

  const look = (place) => {
    open = Math.max(0, Math.min(place, found.length - 1));
    const [sample, s] = [found[open], sorting()];
    const attractor = s.attractor[sample];
    const facts = [
      ["class", CLASSES[s.class[sample]]],
      ["attractor", attractor === null ? "none" : String(attractor)],
      ["nearest / second nearest training image", digits(s.ratio[sample])],
    ];
    byId("browse-title").textContent = title(sample, "Sample");
    byId("browse-facts").replaceChildren(
      ...facts.flatMap(([name, value]) => [create("dt", { textContent: name }), create("dd", { textContent: value })]),
    );
    byId("browse-large").replaceChildren(
      create("div", { className: `tile ${CLASSES[s.class[sample]]}` }, picture(sample, title(sample, "sample"))),
      create("div", {}, row("S", "training image", s.train[sample]), row("S′", "sample", s.near[sample])),
    );
    const names = [["training images", s.train[sample]], ["samples", s.near[sample]]].map(([what, neighbors]) =>
      create("li", { textContent: `nearest ${what}: ` + (neighbors.map(([p, d]) => `${title(p, "")} (${digits(d)})`.trim()).join("; ") || "none") }));
    byId("browse-names").replaceChildren(...names);
    if (!dialog.open) dialog.showModal();
    for (const [button, ended] of [[byId("browse-before"), open === 0], [byId("browse-after"), open === found.length - 1]]) {
      if (ended && document.activeElement === button) dialog.focus(); // a disabled button would lose the keys
      button.disabled = ended;
    }
  };

  controls.size.append(...data.sheets.map(({ size }) => option(size, size.toLocaleString("en"))));
  controls.metric.append(...Object.entries(data.labels).map(([name, text]) => option(name, text)));
  controls.class.append(option("all", "all"), ...CLASSES.map((name) => option(name, name)));
  controls.sort.append(...Object.entries(KEYS).map(([name, { text }]) => option(name, text)));
  controls.order.append(option("up", "ascending"), option("down", "descending"));
  for (const control of Object.values(controls)) control.addEventListener("change", update);
  more.addEventListener("click", () => draw()?.querySelector("button").focus());
  byId("browse-before").addEventListener("click", () => look(open - 1));
  byId("browse-after").addEventListener("click", () => look(open + 1));
  byId("browse-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", ({ key }) => {
    if (key === "ArrowLeft") look(open - 1);
    if (key === "ArrowRight") look(open + 1);
  });

  // begin at the K with the largest spurious share, since it shows most
  const spurious = data.sheets.map((s) => Object.values(s.metrics)[0].counts).map(([m, s, g]) => s / (m + s + g));
  controls.size.selectedIndex = spurious.indexOf(Math.max(...spurious));
  controls.class.value = CLASSES.find((_, i) => i === 1 && sorting().counts[i]) ?? "all";
  byId("browse-form").hidden = false;
  update();
})();
