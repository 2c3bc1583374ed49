/* Arrow keys, Page Up, Page Down, Home and End turn the slides, and a tall figure stands beside the words; without this script
   the page scrolls, and figures stand below. */

"use strict";

const TALL = 0.7; // height of a figure that counts as tall, of its width

document.addEventListener("DOMContentLoaded", () => {
  for (const image of document.querySelectorAll(".body img")) {
    const arrange = () => image.closest(".body").classList.toggle("tall", image.naturalHeight > TALL * image.naturalWidth);
    image.addEventListener("load", arrange);
    arrange();
  }
  const slides = [...document.querySelectorAll("section")];
  const steps = { ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1, PageUp: -1 };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || (event.target.closest("a") && event.key === " ")) return;
    const tops = slides.map((slide) => Math.abs(slide.getBoundingClientRect().top));
    const here = tops.indexOf(Math.min(...tops));
    const ends = { Home: 0, End: slides.length - 1 };
    const there = event.key in ends ? ends[event.key] : here + (steps[event.key] ?? 0);
    if (there === here || !(there in slides)) return;
    event.preventDefault();
    slides[there].scrollIntoView();
  });
});
