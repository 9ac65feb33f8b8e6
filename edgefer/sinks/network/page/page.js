"use strict";
// Everything comes from one stream of events: hello (once), reading, sample (each second), health (each second).

const FACES_SHOWN = 4;
const SECONDS = 300;
const at = (id) => document.getElementById(id);
const percent = (value) => `${Math.round(100 * value)} %`;

let hello = { labels: [], colours: {}, picture: true };
let samples = [];
let last = null; // the reading that is shown
let image = null; // and its picture
let heard = 0;

function element(name, text, parent, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  if (parent) parent.append(made);
  return made;
}

const colourOf = (label) => hello.colours[label] || "#8b97a6";
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function tell(state, words) {
  const place = at("state");
  if (place.dataset.state !== state) place.dataset.state = state;
  if (place.textContent !== words) place.textContent = words;
}

// --- the picture

function drawPicture() {
  if (!last) return;
  const canvas = at("picture");
  if (canvas.width !== last.width || canvas.height !== last.height) {
    canvas.width = last.width;
    canvas.height = last.height;
  }
  const pen = canvas.getContext("2d");
  if (image) pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  else {
    pen.fillStyle = "#0a0e14";
    pen.fillRect(0, 0, canvas.width, canvas.height);
  }
  const unit = canvas.width / (canvas.clientWidth || canvas.width); // letters are as large as those around it
  for (const face of last.faces) drawFace(pen, face, unit, canvas);
}

function drawFace(pen, face, unit, canvas) {
  const [x0, y0, x1, y1] = face.box;
  const colour = colourOf(face.expression);
  pen.lineWidth = 3 * unit;
  pen.strokeStyle = "rgb(0 0 0 / 55%)";
  pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
  pen.lineWidth = 2 * unit;
  pen.strokeStyle = colour;
  pen.strokeRect(x0, y0, x1 - x0, y1 - y0);
  pen.font = `600 ${15 * unit}px system-ui, sans-serif`;
  const words = face.expression === "uncertain" ? "uncertain" : `${face.expression} ${percent(face.confidence)}`;
  const width = pen.measureText(words).width + 14 * unit;
  const height = 24 * unit;
  const left = Math.min(Math.max(x0 - unit, 0), Math.max(canvas.width - width, 0));
  const top = y0 >= height ? y0 - height : Math.min(y0, canvas.height - height);
  pen.fillStyle = "rgb(6 9 13 / 82%)";
  pen.fillRect(left, top, width, height);
  pen.fillStyle = colour;
  pen.fillRect(left, top, 4 * unit, height);
  pen.fillStyle = "#fff";
  pen.textBaseline = "middle";
  pen.fillText(words, left + 9 * unit, top + height / 2 + unit);
}

// --- the faces

function faceCard(index) {
  const card = at("faces").children[index] || element("article", undefined, at("faces"), "face");
  if (card.bars) return card;
  const heading = element("h3", undefined, card);
  card.name = element("span", "", heading);
  card.track = element("small", "", heading);
  card.why = element("p", "", card, "why");
  card.bars = new Map();
  for (const label of hello.labels) {
    const bar = element("div", undefined, card, "bar");
    element("span", label, bar);
    const fill = element("div", undefined, element("div", undefined, bar, "rail"), "fill");
    fill.style.background = colourOf(label);
    card.bars.set(label, { bar, fill, figure: element("output", "", bar) });
  }
  return card;
}

function showFaces(faces) {
  const shown = [...faces].sort((a, b) => area(b) - area(a)).slice(0, FACES_SHOWN);
  shown.forEach((face, index) => {
    const card = faceCard(index);
    card.name.textContent = face.expression;
    card.track.textContent = `#${face.track}`;
    card.why.textContent = face.reasons.join(", ");
    card.why.hidden = !face.reasons.length;
    for (const [label, { bar, fill, figure }] of card.bars) {
      const score = face.scores[label] || 0;
      fill.style.width = `${100 * score}%`;
      figure.textContent = percent(score);
      bar.classList.toggle("first", label === face.expression);
    }
  });
  while (at("faces").children.length > shown.length) at("faces").lastChild.remove();
  const more = faces.length - shown.length;
  at("nobody").textContent = more > 0 ? `and ${more} more` : "Nobody is in the picture.";
  at("nobody").hidden = shown.length > 0 && more <= 0;
}

const area = (face) => (face.box[2] - face.box[0]) * (face.box[3] - face.box[1]);

// --- the last five minutes

function drawStrip() {
  const canvas = at("strip");
  const sharp = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * sharp));
  const height = Math.max(1, Math.round(canvas.clientHeight * sharp));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const pen = canvas.getContext("2d");
  pen.fillStyle = token("--track");
  pen.fillRect(0, 0, width, height);
  const step = width / SECONDS;
  samples.forEach((sample, index) => {
    if (!sample.faces) return;
    const left = Math.floor((SECONDS - samples.length + index) * step);
    const right = Math.ceil((SECONDS - samples.length + index + 1) * step);
    const tall = sample.expression === "uncertain" ? 0.12 * height : Math.max(0.12, sample.confidence) * height;
    pen.fillStyle = colourOf(sample.expression);
    pen.fillRect(left, height - tall, right - left, tall);
  });
}

function showLegend() {
  const seen = new Set(samples.filter((sample) => sample.faces).map((sample) => sample.expression));
  const wanted = [...hello.labels, "uncertain"].filter((label) => seen.has(label));
  if (at("legend").dataset.shown === wanted.join()) return;
  at("legend").dataset.shown = wanted.join();
  at("legend").replaceChildren();
  for (const label of wanted) {
    const item = element("li", undefined, at("legend"));
    element("i", undefined, item).style.background = colourOf(label);
    item.append(label);
  }
}

// --- health

const STATES = { running: "running", stalled: "camera away", resting: "switched off", ended: "ended" };

function showHealth(health) {
  tell(health.source, STATES[health.source] || health.source);
  at("notice").textContent = health.source === "running" ? "" : health.trouble || STATES[health.source];
  const heat = health.temperature_c === null ? "not known" : `${Math.round(health.temperature_c)} °C`;
  const rows = [
    ["Readings a second", health.fps.toFixed(1)],
    ["Age of a reading", `${health.age_ms.toFixed(0)} ms`],
    ["Faces", health.faces],
    ["Frames", health.frames.toLocaleString("en")],
    ["Dropped", health.dropped.toLocaleString("en")],
    ["Camera reopened", health.reconnects],
    ["Processor", health.throttled ? `${heat}, throttled` : heat, health.throttled],
    ["Supply", health.under_voltage ? "too weak" : "good", health.under_voltage],
    ["Governor", health.governor_level ? `level ${health.governor_level}` : "full work", health.governor_level > 0],
    ["Restarts", health.restarts],
  ];
  const list = at("figures");
  rows.forEach(([name, value, bad], index) => {
    const cell = list.children[index] || element("div", undefined, list);
    if (!cell.children.length) {
      element("dt", name, cell);
      element("dd", "", cell);
    }
    cell.lastChild.textContent = value;
    cell.lastChild.classList.toggle("bad", Boolean(bad));
  });
}

// --- the stream

function show(reading) {
  last = reading;
  showFaces(reading.faces);
  drawPicture();
}

function receive(reading) {
  if (!reading.picture) {
    image = null;
    show(reading);
    return;
  }
  const next = new Image();
  next.onload = () => {
    image = next;
    show(reading);
  };
  next.onerror = () => {
    image = null;
    show(reading);
  };
  next.src = `data:image/jpeg;base64,${reading.picture}`;
}

function start() {
  const stream = new EventSource("/events");
  const on = (name, take) =>
    stream.addEventListener(name, (event) => {
      heard = Date.now();
      take(JSON.parse(event.data));
    });
  on("hello", (message) => {
    hello = message;
    samples = message.history;
    at("title").textContent = message.title;
    at("faces").replaceChildren();
    at("privacy").textContent = message.picture ? "" : "No picture leaves the device: boxes only.";
    drawStrip();
    showLegend();
  });
  on("reading", receive);
  on("sample", (sample) => {
    samples.push(sample);
    samples = samples.slice(-SECONDS);
    drawStrip();
    showLegend();
  });
  on("health", showHealth);
  stream.onerror = () => {
    tell("lost", "connection lost");
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
  };
}

setInterval(() => {
  if (heard && Date.now() - heard > 5000) tell("lost", "connection lost");
}, 1000);
addEventListener("resize", drawStrip);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawStrip);
start();
