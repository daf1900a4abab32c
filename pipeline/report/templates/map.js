// The map: shows the digit of the dot that is pointed at, tapped, or reached by arrow keys.
"use strict";
(() => {
  const map = document.getElementById("dots");
  const svg = map.querySelector("svg");
  const ring = document.getElementById("ring");
  const shown = document.getElementById("shown");
  const reach = 24; // pixels: a fingertip

  const dots = [...svg.querySelectorAll("circle[data-x]")].map((circle) => {
    const title = circle.querySelector("title");
    const dot = {
      circle,
      x: Number(circle.getAttribute("cx")),
      y: Number(circle.getAttribute("cy")),
      words: title.textContent,
    };
    title.remove(); // else the browser's own tooltip covers the digit
    return dot;
  });
  let current = null;

  function toScreen(x, y) {
    const point = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());
    const box = map.getBoundingClientRect();
    return { x: point.x - box.left, y: point.y - box.top };
  }

  function show(dot) {
    current = dot;
    ring.toggleAttribute("hidden", !dot);
    shown.hidden = !dot;
    if (!dot) return;
    ring.setAttribute("cx", dot.x);
    ring.setAttribute("cy", dot.y);
    const digit = shown.querySelector(".digit");
    digit.style.setProperty("--x", dot.circle.dataset.x);
    digit.style.setProperty("--y", dot.circle.dataset.y);
    shown.querySelector("p").textContent = dot.words;
    const { x, y } = toScreen(dot.x, dot.y);
    const left = Math.min(Math.max(x - shown.offsetWidth / 2, 0), map.clientWidth - shown.offsetWidth);
    const above = y - shown.offsetHeight - 14;
    shown.style.left = `${left}px`;
    shown.style.top = `${above >= 0 ? above : y + 14}px`;
  }

  function nearest(x, y, accepts = () => true) {
    let best = null;
    let least = Infinity;
    for (const dot of dots) {
      const distance = Math.hypot(dot.x - x, dot.y - y);
      if (distance < least && accepts(dot)) [best, least] = [dot, distance];
    }
    return { dot: best, distance: least };
  }

  function point(event) {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(
      svg.getScreenCTM().inverse(),
    );
    const { dot, distance } = nearest(x, y);
    show(distance * svg.getScreenCTM().a <= reach ? dot : null);
  }

  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  map.addEventListener("pointermove", point);
  map.addEventListener("pointerdown", point);
  map.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && show(null));
  map.addEventListener("focus", () => current || map.matches(":focus-visible") && show(dots.at(-1)));
  map.addEventListener("blur", () => show(null));
  map.addEventListener("keydown", (event) => {
    if (event.key === "Escape") show(null);
    const direction = directions[event.key];
    if (!direction) return;
    event.preventDefault();
    const from = current ?? dots.at(-1);
    const [dx, dy] = direction;
    // The nearest dot within 45° of the arrow.
    const { dot } = nearest(from.x, from.y, (to) => {
      const along = (to.x - from.x) * dx + (to.y - from.y) * dy;
      const aside = Math.abs((to.x - from.x) * dy) + Math.abs((to.y - from.y) * dx);
      return along > 0 && along >= aside;
    });
    if (dot) show(dot);
  });
})();
