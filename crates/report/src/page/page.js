"use strict";

const root = document.documentElement;
const tip = document.getElementById("tip");
const json = document.getElementById("report").textContent;

/* Theme: what the system asks for, until the button is pressed. */

const dark = matchMedia("(prefers-color-scheme: dark)");
document.getElementById("theme").addEventListener("click", () => {
  const shown = root.dataset.theme ?? (dark.matches ? "dark" : "light");
  root.dataset.theme = shown === "dark" ? "light" : "dark";
});

/* The data. */

function say(button, text) {
  const before = button.textContent;
  button.textContent = text;
  setTimeout(() => (button.textContent = before), 1500);
}

document.getElementById("copy").addEventListener("click", async (event) => {
  const button = event.currentTarget;
  try {
    await navigator.clipboard.writeText(json);
    say(button, "Copied");
  } catch {
    say(button, "Not allowed: download it");
  }
});

document.getElementById("download").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([json], { type: "application/json" }));
  link.download = "nalsil-compare.json";
  link.click();
  URL.revokeObjectURL(link.href);
});

/* Readings: the titles of marks, shown at once and reachable by keys. */

let near = null;

function show(mark) {
  near?.classList.remove("near");
  near = mark;
  tip.hidden = !mark;
  if (!mark) return;
  mark.classList.add("near");
  tip.textContent = mark.getAttribute("aria-label");
  const place = mark.getBoundingClientRect();
  const middle = place.left + place.width / 2 - tip.offsetWidth / 2;
  tip.style.left = `${Math.max(6, Math.min(middle, innerWidth - tip.offsetWidth - 6))}px`;
  const above = place.top - tip.offsetHeight - 8;
  tip.style.top = `${above < 6 ? place.bottom + 8 : above}px`;
}

function distance(mark, event) {
  const place = mark.getBoundingClientRect();
  const x = Math.max(place.left - event.clientX, 0, event.clientX - place.right);
  const y = Math.max(place.top - event.clientY, 0, event.clientY - place.bottom);
  return Math.hypot(x, y);
}

for (const title of document.querySelectorAll(".bar title, .plot title")) {
  const mark = title.parentElement;
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", title.textContent);
  title.remove();
}

for (const figure of document.querySelectorAll(".bar, .plot svg")) {
  const marks = () =>
    [...figure.querySelectorAll("[aria-label]")].filter((mark) => mark.getClientRects().length);
  const reach = figure.classList.contains("bar") ? 1 : 40;
  figure.addEventListener("pointermove", (event) => {
    const sorted = marks()
      .map((mark) => [distance(mark, event), mark])
      .sort((one, other) => one[0] - other[0]);
    show(sorted.length && sorted[0][0] <= reach ? sorted[0][1] : null);
  });
  figure.addEventListener("pointerleave", () => show(null));
  figure.addEventListener("blur", () => show(null));
  figure.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") show(null);
    if (!step) return;
    event.preventDefault();
    const all = marks();
    const from = all.indexOf(near);
    const start = step > 0 ? -1 : all.length;
    show(all.at(((from < 0 ? start : from) + step) % all.length) ?? null);
  });
}

addEventListener("scroll", () => show(near), { passive: true });

/* What is folded on the screen is on paper. */

let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const details of opened) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
});
