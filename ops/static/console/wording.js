// Keeps the preview level with the draft, puts blanks in at the cursor, and warns before a draft is lost.
"use strict";

const PAUSE_MS = 250;
const draft = document.getElementById("draft");
const shown = document.getElementById("preview");
let timer = 0;
let asked = null;
let changed = false;

async function preview() {
  if (asked) asked.abort();
  asked = new AbortController();
  try {
    const answer = await fetch(draft.dataset.preview, {
      method: "POST", body: new FormData(draft), credentials: "same-origin", signal: asked.signal,
    });
    if (answer.ok && !answer.redirected) shown.innerHTML = await answer.text();
  } catch (error) {
    if (error.name !== "AbortError") shown.setAttribute("data-stale", "");
    return;
  }
  shown.removeAttribute("data-stale");
}

function soon() {
  changed = true;
  clearTimeout(timer);
  timer = setTimeout(preview, PAUSE_MS);
}

function insert(blank) {
  const body = draft.elements.body;
  body.setRangeText(blank, body.selectionStart, body.selectionEnd, "end");
  body.focus();
  soon();
}

for (const code of draft.querySelectorAll("[data-blank]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "blank";
  button.title = "Put it in at the cursor";
  button.textContent = code.dataset.blank;
  button.addEventListener("click", () => insert(code.dataset.blank));
  code.replaceWith(button);
}
draft.querySelector("[value=preview]").hidden = true;
draft.addEventListener("input", soon);
draft.addEventListener("submit", () => { changed = false; });
window.addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
