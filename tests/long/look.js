// SPDX-License-Identifier: MIT
// Looks at a page as it is laid out, and returns what is wrong with it: a list of {what, where}.
(() => {
  const LEAST_PX = 9;        // letters smaller than this cannot be read
  const LEAST_CONTRAST = 4.5;  // WCAG 2.1, level AA, for text
  const INK = 0.16;          // of the height of a line that no letter fills, above and below
  const problems = [];
  const short = (text) => text.replace(/\s+/g, " ").trim().slice(0, 60);
  const report = (what, where) => problems.push({ what, where });

  const visible = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });

  // What is left of a box after all scrolled boxes around it have cut it off.
  const clipped = (box, element) => {
    let { left, right, top, bottom } = box;
    for (let around = element; around; around = around.parentElement) {
      const style = getComputedStyle(around);
      if (style.overflowX === "visible" && style.overflowY === "visible") continue;
      if (around === document.documentElement || around === document.body) continue;
      const edge = around.getBoundingClientRect();
      left = Math.max(left, edge.left); right = Math.min(right, edge.right);
      top = Math.max(top, edge.top); bottom = Math.min(bottom, edge.bottom);
    }
    return { left, right, top, bottom };
  };

  // All text of the page: where it stands, how large it is, what it is drawn with.
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement;
    if (!node.data.trim() || ["STYLE", "SCRIPT", "style"].includes(element.tagName) || !visible(element)) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const svg = element.closest("svg");
    const matrix = svg ? element.getScreenCTM() : null;
    const scale = matrix ? Math.hypot(matrix.a, matrix.b) : 1;
    texts.push({ node, element, svg, words: short(node.data), px: parseFloat(getComputedStyle(element).fontSize) * scale,
                 boxes: svg ? [element.getBoundingClientRect()] : [...range.getClientRects()] });
  }

  for (const text of texts)
    if (text.px < LEAST_PX) report("too small", `${text.px.toFixed(1)} px: ${text.words}`);

  // No text covers another.
  const lines = [];
  texts.forEach((text, number) => text.boxes.forEach((box) => {
    const cut = clipped(box, text.element), height = cut.bottom - cut.top;
    if (cut.right - cut.left > 1 && height > 1)
      lines.push({ ...cut, top: cut.top + INK * height, bottom: cut.bottom - INK * height, number, words: text.words });
  }));
  lines.sort((a, b) => a.top - b.top);
  lines.forEach((one, at) => {
    for (let other = at + 1; other < lines.length && lines[other].top < one.bottom; other++)
      if (lines[other].number !== one.number && Math.min(one.right, lines[other].right) - Math.max(one.left, lines[other].left) > 1)
        report("overlap", `${one.words} | ${lines[other].words}`);
  });

  // No word of a plot is cut off at its edge, and none is empty.
  const plots = [...document.querySelectorAll("svg.plot, svg.chain")].filter(visible);
  for (const plot of plots) {
    const edge = plot.getBoundingClientRect(), name = plot.getAttribute("aria-label") || "a plot";
    for (const text of texts.filter((one) => one.svg === plot))
      for (const box of text.boxes)
        if (box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1 || box.bottom > edge.bottom + 1)
          report("cut off", `${text.words} in ${name}`);
    if (plot.matches(".chain")) continue;
    const drawn = [...plot.querySelectorAll('[id*="-data-"] path, [id*="-data-"] use')].filter((shape) => {
      const box = shape.getBoundingClientRect();
      return box.width + box.height > 0 && box.right > edge.left && box.left < edge.right && box.bottom > edge.top && box.top < edge.bottom;
    });
    if (!drawn.length) report("empty plot", name);
  }
  for (const key of document.querySelectorAll("svg.swatch"))
    if (visible(key) && !key.querySelector("path, use")) report("empty plot", "a swatch of a key");

  // Nothing is wider than the page; what is scrolled in a box of its own is not, on a screen. Paper cannot be scrolled.
  const print = matchMedia("print").matches, width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) report("too wide", `the page: ${document.documentElement.scrollWidth} px of ${width}`);
  for (const element of document.querySelectorAll("body *")) {
    if (!visible(element) || (element.closest("svg") && element.tagName !== "svg")) continue;
    const box = element.getBoundingClientRect(), seen = print ? box : clipped(box, element.parentElement);
    if (seen.right > width + 1 || seen.left < -1) report("too wide", `${element.tagName} ${short(element.textContent)}`);
    if (print && element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX !== "visible")
      report("cut off", `${element.tagName} ${short(element.textContent)}`);
  }

  // Contrast of text with what is behind it.
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const behind = (element) => {
    for (let around = element; around; around = around.parentElement) {
      const colour = rgba(getComputedStyle(around).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const known = new Map();
  for (const text of texts) {
    const style = getComputedStyle(text.element), colour = text.svg ? style.fill : style.color;
    const ground = behind(text.element), pair = `${colour} ${ground}`;
    if (!known.has(pair)) {
      const [a, b] = [luminance(rgba(colour)), luminance(ground)].sort((x, y) => y - x);
      known.set(pair, (a + 0.05) / (b + 0.05));
    }
    if (known.get(pair) < LEAST_CONTRAST) report("contrast", `${known.get(pair).toFixed(1)}: ${text.words}`);
  }
  return problems;
})()
