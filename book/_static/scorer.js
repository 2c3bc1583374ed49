/* How the search orders and names what it finds: chapters and pages before the reference, where every attribute of a class is
   an entry; a word of the glossary by the word, since the glossary itself is found beside it.
   Sphinx declares this object with var where it is not there yet, and so must this file. All values but `score` are those
   of Sphinx. */

"use strict";

var Scorer = {
  score: (found) => {
    const [page, title, anchor, , score] = found;
    if (anchor.startsWith("#term-")) found[1] = `${title} > ${anchor.slice(6).replaceAll("-", " ")}`;
    return page.startsWith("book/api_") ? score - 100 : score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
