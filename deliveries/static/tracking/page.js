// Keeps the page level with its order: by a socket, and by asking (with ETag) whenever there is none.
"use strict";
(() => {
  const main = document.querySelector("main[data-base]");
  const POLL_MS = 10_000, RIDE_MS = 10_000, MINUTE_MS = 60_000, GATHER_MS = 300, LONGEST_WAIT_MS = 30_000;
  const LINK_IS_OVER = 4403;
  let state = JSON.parse(document.getElementById("state").textContent);
  let etag = "", asking = false, again = false, gathering = 0, socket = null, waitMs = 1_000, reconnecting = 0, askedAt = 0;
  let connecting = false, riding = 0, quietUntil = 0;

  // ── showing ────────────────────────────────────────────────────────────────────────────────────────────────
  const pick = path => path.split(".").reduce((value, name) => (value ? value[name] : ""), state) || "";
  const shown = value => (Array.isArray(value) ? value.length > 0 : Boolean(value));

  function show(fresh) {
    if (fresh.version < state.version) return; // an answer that was overtaken
    const before = state;
    state = fresh;
    if (state.position && before.position && newer(before.position, state.position)) state.position = before.position;
    for (const part of document.querySelectorAll("[data-text]")) {
      const text = String(pick(part.dataset.text));
      if (part.textContent !== text) part.textContent = text; // what stays the same is not read out again
    }
    for (const part of document.querySelectorAll("[data-when]")) part.hidden = !shown(pick(part.dataset.when));
    const words = { done: ", done", now: ", now", todo: ", to come" };
    for (const step of state.steps) {
      const line = document.querySelector(`[data-step="${step.key}"]`);
      line.className = step.state;
      line.querySelector(".at").textContent = step.at;
      line.querySelector(".unseen").textContent = words[step.state];
      if (step.state === "now") line.setAttribute("aria-current", "step");
      else line.removeAttribute("aria-current");
    }
    for (const list of document.querySelectorAll("[data-list]")) showList(list, state[list.dataset.list], before[list.dataset.list]);
    if (differ(state.preferences, before.preferences)) showWishes();
    if (state.prefers !== before.prefers) document.getElementById("prefers").value = state.prefers;
    document.title = state.headline + document.title.slice(document.title.indexOf(" – "));
    tell();
    document.dispatchEvent(new CustomEvent("tracking", { detail: state }));
  }

  const differ = (one, other) => JSON.stringify(one) !== JSON.stringify(other);

  function showList(list, rows, before) { // only when it has changed: nobody loses the button under their thumb
    if (!differ(rows, before)) return;
    const template = document.querySelector(`template[data-of="${list.dataset.list}"]`);
    list.replaceChildren(...rows.map(row => {
      const line = template.content.cloneNode(true);
      for (const part of line.querySelectorAll("[data-part]")) {
        if (part instanceof HTMLInputElement) part.value = row[part.dataset.part];
        else part.textContent = row[part.dataset.part];
      }
      return line;
    }));
  }

  function tell() {
    main.dataset.version = state.version;
    main.dataset.status = state.status;
  }

  function showWishes() { // somebody saved them elsewhere
    for (const [name, value] of Object.entries(state.preferences)) {
      const input = document.querySelector(`[name="${name}"]`);
      if (input.type === "checkbox") input.checked = value;
      else if (document.activeElement !== input) input.value = value;
    }
  }

  const newer = (one, other) => one.recorded_at > other.recorded_at; // both in UTC, written alike

  function ride(position) { // the rider moves at once; what follows from it (when, how far) is asked for now and then
    if (!state.position || newer(position, state.position)) {
      state.position = position;
      document.dispatchEvent(new CustomEvent("tracking", { detail: state }));
    }
    riding ||= setTimeout(() => { riding = 0; ask(); }, Math.max(GATHER_MS, askedAt + RIDE_MS - Date.now()));
  }

  // ── asking ─────────────────────────────────────────────────────────────────────────────────────────────────
  async function get(what, headers = {}) {
    const answer = await fetch(main.dataset.base + what, { headers, cache: "no-store" });
    if (answer.status === 429) { // asked again as soon as it may
      quietUntil = Date.now() + 1_000 * (answer.headers.get("Retry-After") || 30);
      askedAt = 0;
    }
    return answer;
  }

  function over(status) {
    if (status === 404 || status === 410) location.reload(); // which then says so
    return status >= 400;
  }

  async function ask() {
    if (asking) { again = true; return; }
    if (Date.now() < quietUntil) return;
    asking = true;
    try {
      do {
        again = false;
        askedAt = Date.now();
        const answer = await get("/state", etag ? { "If-None-Match": etag } : {});
        if (answer.status === 304 || over(answer.status)) continue;
        etag = answer.headers.get("ETag");
        show(await answer.json());
      } while (again);
    } catch { /* no network: asked again soon */ } finally { asking = false; }
  }

  const soon = () => { gathering ||= setTimeout(() => { gathering = 0; ask(); }, GATHER_MS); };

  // ── hearing ────────────────────────────────────────────────────────────────────────────────────────────────
  function say(live) {
    main.dataset.live = live ? "yes" : "no";
    document.querySelector("[data-link]").textContent = live ? "This page updates itself." : "Looking for news every few seconds.";
  }

  async function connect() {
    if (connecting || socket) return;
    clearTimeout(reconnecting);
    reconnecting = 0;
    connecting = true;
    try {
      const answer = await get("/ticket");
      if (over(answer.status)) return later();
      socket = new WebSocket((await answer.json()).url);
    } catch { return later(); } finally { connecting = false; }
    socket.onmessage = ({ data }) => {
      const said = JSON.parse(data);
      if (said.name === "delivery:location" && said.data) return ride(said.data);
      if (said.name !== "snapshot") return soon();
      waitMs = 1_000;
      say(true);
      show(said.data);
      soon(); // positions and times have no version: what was asked for before this may be newer
    };
    socket.onclose = ({ code }) => {
      socket = null;
      if (code === LINK_IS_OVER) return location.reload();
      later();
    };
  }

  function later() {
    say(false);
    if (!reconnecting) reconnecting = setTimeout(connect, waitMs * (0.75 + Math.random() / 2));
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
  }

  setInterval(() => {
    const patience = main.dataset.live === "yes" || !state.live ? MINUTE_MS : POLL_MS;
    if (!document.hidden && Date.now() - askedAt >= patience) ask();
  }, 1_000);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    ask();
    connect();
  });
  window.addEventListener("online", () => { ask(); connect(); });
  tell();
  connect();
})();
