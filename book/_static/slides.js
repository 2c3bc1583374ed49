/* Turns the page into slides with reveal.js: arrow keys, swipes, Esc for all slides at once, S for the speaker's view.
   A phone keeps the page that scrolls, since a slide scaled to its width cannot be read. */

"use strict";

addEventListener("load", () => {
  if (!window.Reveal || !window.RevealNotes) return;
  if (screen.width <= 800) return; // the screen's, since the speaker's view shows slides in small frames
  document.getElementById("reveal-style").media = "all";
  document.querySelector(".slides").parentElement.className = "reveal";
  Reveal.initialize({
    plugins: [RevealNotes],
    width: 1280,
    height: 720,
    margin: 0.06,
    center: false,
    hash: true,
    slideNumber: "c/t",
    transition: "none",
    pdfMaxPagesPerSlide: 1,
  });
});
