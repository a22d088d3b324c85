// Keeps the ops home current: figures as HTML, charts as JSON, both from the same address. No request leaves this host.
"use strict";

const REFRESH_MS = 10000;
const home = document.getElementById("home");
const drawn = new Map();
const COLOURS = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#bab0ac"];

function datasets(series) {
  return Object.entries(series).map(([label, data], i) => ({ label, data, backgroundColor: COLOURS[i % COLOURS.length] }));
}

function draw(chart) {
  const canvas = home.querySelector(`[data-chart="${chart.key}"]`);
  const known = drawn.get(chart.key);
  if (known) {
    known.data = { labels: chart.labels, datasets: datasets(chart.series) };
    known.update("none");
    return;
  }
  drawn.set(chart.key, new Chart(canvas, {
    type: chart.kind,
    data: { labels: chart.labels, datasets: datasets(chart.series) },
    options: {
      animation: false, maintainAspectRatio: false,
      scales: { x: { stacked: true }, y: { stacked: true, beginAtZero: true, ticks: { precision: 0 } } },
      plugins: { legend: { position: "bottom", labels: { boxWidth: 12 } } },
    },
  }));
}

async function refresh() {
  if (document.hidden) return;
  const [figures, charts] = await Promise.all([
    fetch(home.dataset.refresh, { credentials: "same-origin" }),
    fetch(`${home.dataset.refresh}?charts`, { credentials: "same-origin" }),
  ]);
  if (!figures.ok || figures.redirected) return;
  document.getElementById("home-figures").innerHTML = await figures.text();
  (await charts.json()).charts.forEach(draw);
}

refresh();
setInterval(refresh, REFRESH_MS);
