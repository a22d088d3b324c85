// Draws store, door and, while the order is on its way, the rider. No tiles unless some are configured.
"use strict";
(() => {
  const part = document.getElementById("map-part"), box = document.getElementById("map");
  const places = JSON.parse(document.getElementById("places").textContent);
  if (!JSON.parse(document.getElementById("state").textContent).live) return;
  part.hidden = false;
  const touch = matchMedia("(pointer: coarse)").matches; // one finger scrolls the page, two move the map
  const map = L.map(box, { attributionControl: false, scrollWheelZoom: false, dragging: !touch, zoomSnap: 0.5 });

  if (box.dataset.tiles) {
    L.tileLayer(box.dataset.tiles, { maxZoom: 19, referrerPolicy: "no-referrer" }).addTo(map);
    if (box.dataset.credit) L.control.attribution({ prefix: false }).addAttribution(box.dataset.credit).addTo(map);
  } else {
    const Ground = L.GridLayer.extend({ createTile: () => L.DomUtil.create("div", "ground") });
    new Ground({ tileSize: 64 }).addTo(map);
  }
  L.control.scale({ imperial: false }).addTo(map);

  function pin(kind, text) {
    const label = document.createElement("span");
    label.textContent = text;
    const box = document.createElement("div");
    box.append(label);
    return L.divIcon({ className: "pin " + kind, html: box, iconSize: [0, 0] });
  }
  const mark = (kind, text, at) => L.marker(at, { icon: pin(kind, text), keyboard: false, alt: text, zIndexOffset: kind === "rider" ? 1000 : 0 }).addTo(map);

  const fixed = [];
  if (places.store) fixed.push(mark("store", "Store", places.store));
  if (places.door) fixed.push(mark("door", "You", places.door));
  let rider = null;

  function fit() {
    const bounds = L.latLngBounds([...fixed, ...(rider ? [rider] : [])].map(one => one.getLatLng()));
    map.fitBounds(bounds.pad(0.1), { maxZoom: 16, padding: [40, 30], animate: false });
  }

  function show(state) {
    part.hidden = !state.live;
    const came = Boolean(rider) !== Boolean(state.position);
    if (rider && !state.position) { rider.remove(); rider = null; }
    else if (rider) rider.setLatLng(state.position);
    else if (state.position) rider = mark("rider", state.driver ? state.driver.name : "Rider", state.position);
    if (part.hidden) return;
    if (came || (rider && !map.getBounds().contains(rider.getLatLng()))) fit();
  }

  fit();
  show(JSON.parse(document.getElementById("state").textContent));
  document.addEventListener("tracking", ({ detail }) => show(detail));
  performance.mark("map-drawn");
  box.dataset.drawn = "yes";
})();
