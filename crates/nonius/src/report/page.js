'use strict';
// Draws the maps of the report that stands in this page, and the frame at the selected position.
// Positions are [y, x], places on a canvas {x, y} in CSS pixels.

const $ = id => document.getElementById(id);
const report = JSON.parse($('report').textContent);
const [ny, nx] = report.axes.map(axis => axis.size);
$('viewer').hidden = false;
// Drawn finer where a CSS pixel has several of the screen's.
const fineness = window.devicePixelRatio || 1;

// ---- data ----

function bytes(base64) {
  const text = atob(base64);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

// Every browser of today runs on machines whose numbers begin with the lowest byte, as those of the report do.
const numbers = (array, from = 0, count = undefined) => new Float32Array(array.buffer, 4 * from, count);

const maps = report.maps.map((head, k) => ({
  ...head,
  values: numbers(bytes($(`map-${k}`).textContent)),
  valid: head.masked ? bytes($(`valid-${k}`).textContent) : null,
}));

async function inflated(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const rows = new Map();
// Steps of the logarithm in which pixels are kept; pixel 0 has no value.
const STEPS = 62;

// The frame kept for a position: {y, x} of it, or null where none was recorded.
async function frameAt(y, x) {
  const { stride, shape, binning } = report.frames;
  const near = (i, n) => Math.min(Math.round(i / stride), Math.ceil(n / stride) - 1) * stride;
  const at = { y: near(y, ny), x: near(x, nx) };
  if (!rows.has(at.y)) rows.set(at.y, $(`frames-${at.y}`).textContent.split(' '));
  const text = rows.get(at.y)[at.x / stride];
  if (text === '-') return { ...at, pixels: null };
  const record = await inflated(bytes(text));
  const [least, greatest, zy, zx, ay, ax, by, bx, n] = numbers(record, 0, 9);
  const list = numbers(record, 9, 6 * n);
  const spots = Array.from({ length: n }, (_, k) => {
    const [i, j, y, x, opacity, matched] = [0, 1, 2, 3, 4, 5].map(column => list[column * n + k]);
    return { i, j, y, x, opacity, matched: matched > 0 };
  });
  return {
    ...at, least, greatest, zero: [zy, zx], a: [ay, ax], b: [by, bx], spots,
    pixels: record.subarray(4 * (9 + 6 * n)),
    height: Math.ceil(shape[0] / binning), width: Math.ceil(shape[1] / binning),
  };
}

// ---- words ----

const minus = text => text.replaceAll('-', '−');

// Five digits are enough to read, and more than most maps are worth.
function number(v) {
  if (!Number.isFinite(v)) return 'no value';
  const size = Math.abs(v);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return minus(Number(v.toPrecision(4)).toExponential());
  return minus(String(Number(v.toPrecision(5))));
}

const withUnit = (text, unit) => (unit === '°' ? text + unit : unit ? `${text} ${unit}` : text);

function valueText(map, k) {
  const v = map.values[k];
  if (!Number.isFinite(v)) return 'no value';
  const text = map.names ? map.names[v] : withUnit(number(v), map.unit);
  return map.valid && !map.valid[k] ? `${text} (not valid)` : text;
}

function placeText(y, x) {
  const far = report.axes.map((axis, k) => withUnit(number(axis.offset + axis.scale * [y, x][k]), axis.unit));
  const [ay, ax] = report.axes;
  return `y ${y}, x ${x}` + (ay.calibrated && ax.calibrated ? ` (${far.join(', ')})` : '');
}

// About so many round numbers between two others.
function roundNumbers(low, high, about) {
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(f => f * power).find(s => s >= rough * (1 - 1e-9));
  const out = [];
  const first = Math.ceil(low / step - 1e-9);
  // Between numbers that hardly differ, k + 1 may be k.
  for (let k = first; k * step <= high + 1e-9 * step && out.length < 20; k++) out.push(k * step);
  return out;
}

// ---- colours ----

function between(table, t) {
  const x = Math.min(Math.max(t, 0), 1) * (table.length - 1);
  const i = Math.min(Math.floor(x), table.length - 2);
  return table[i].map((c, k) => c + (table[i + 1][k] - c) * (x - i));
}

const rangeOf = map => ($('full-range').checked && map.colors !== 'cyclic' ? map.full : map.range);

function colorOf(map, v) {
  const table = report.colors[map.colors];
  if (map.names) return table[v % table.length];
  if (map.period) return between(table, v / map.period - Math.floor(v / map.period));
  const [low, high] = rangeOf(map);
  return between(table, (v - low) / (high - low));
}

const css = color => `rgb(${color.map(Math.round).join(' ')})`;

// Without a value, or with one that is not valid, a pixel stays transparent: the hatches behind it are seen.
function painted(map, pixels) {
  for (let k = 0; k < map.values.length; k++) {
    const v = map.values[k];
    if (!Number.isFinite(v) || (map.valid && !map.valid[k])) continue;
    const [r, g, b] = colorOf(map, v);
    pixels.data.set([r, g, b, 255], 4 * k);
  }
  return pixels;
}

// ---- the map ----

const state = { map: 0, selected: [ny >> 1, nx >> 1], pointed: null };

// CSS pixels of one position; steps of different size along y and x are shown as such.
const zoom = (() => {
  const [y, x] = report.axes;
  const same = y.calibrated && x.calibrated && y.unit === x.unit;
  const aspect = same ? Math.min(Math.max(Math.abs(y.scale / x.scale), 0.1), 10) : 1;
  const room = Math.max(240, Math.min(680, $('map-panel').clientWidth - 2));
  const wide = Math.min(room / nx, 560 / (ny * aspect), 48);
  const whole = wide >= 1 && aspect === 1 ? Math.floor(wide) : wide;
  // A line of positions would be too thin to be pointed at.
  return { x: whole, y: Math.max(whole * aspect, 24 / ny) };
})();
const size = { width: Math.round(nx * zoom.x), height: Math.round(ny * zoom.y) };

function sized(canvas, width, height) {
  canvas.width = Math.round(width * fineness);
  canvas.height = Math.round(height * fineness);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext('2d');
  context.scale(fineness, fineness);
  context.imageSmoothingEnabled = false;
  return context;
}

function imageOf(map) {
  const canvas = document.createElement('canvas');
  canvas.width = nx;
  canvas.height = ny;
  const context = canvas.getContext('2d');
  context.putImageData(painted(map, context.createImageData(nx, ny)), 0, 0);
  return canvas;
}

function drawMap() {
  const map = maps[state.map];
  sized($('map'), size.width, size.height).drawImage(imageOf(map), 0, 0, size.width, size.height);
  $('map').setAttribute('aria-label', `Map of ${map.name}, ${ny} by ${nx} positions`);
  $('map-name').textContent = map.unit ? `${map.name} / ${map.unit}` : map.name;
  $('map-about').textContent = map.description;
  $('amounts').hidden = Boolean(map.names);
  $('categories').hidden = !map.names;
  $('range-switch').hidden = map.colors === 'cyclic';
  if (map.names) drawCategories(map);
  else drawAmounts(map);
  document.documentElement.dataset.map = state.map;
}

function drawCategories(map) {
  const counts = new Array(map.names.length).fill(0);
  let none = 0;
  for (const v of map.values) Number.isFinite(v) ? counts[v]++ : none++;
  const entry = (name, count, fill) => {
    const item = document.createElement('li');
    const swatch = item.appendChild(document.createElement('span'));
    swatch.className = 'swatch';
    if (fill) swatch.style.background = fill;
    else swatch.classList.add('missing');
    item.append(`${name}: ${count}`);
    return item;
  };
  const items = map.names.map((name, k) => counts[k] && entry(name, counts[k], css(colorOf(map, k))));
  $('categories').replaceChildren(...items.filter(Boolean), ...(none ? [entry('none', none, null)] : []));
}

function drawAmounts(map) {
  const [low, high] = map.period ? [0, map.period] : rangeOf(map);
  const n = 80;
  const bins = new Array(n).fill(0);
  let [below, above, missing, doubtful] = [0, 0, 0, 0];
  map.values.forEach((value, k) => {
    if (!Number.isFinite(value)) return missing++;
    if (map.valid && !map.valid[k]) return doubtful++;
    const v = map.period ? value - map.period * Math.floor(value / map.period) : value;
    if (v < low) return below++;
    if (v > high) return above++;
    return bins[Math.min(Math.floor(((v - low) / (high - low)) * n), n - 1)]++;
  });
  const most = Math.max(...bins, 1);
  const context = sized($('histogram'), size.width, 56);
  context.fillStyle = '#6b6b6b';
  bins.forEach((count, k) => {
    const height = count ? Math.max(1, (count / most) * 54) : 0;
    context.fillRect((k * size.width) / n, 56 - height, size.width / n - 0.5, height);
  });
  const told = [[below, 'below'], [above, 'above'], [doubtful, 'not valid'], [missing, 'without a value']];
  const text = told.filter(([count]) => count).map(([count, what]) => `${count} ${what}`).join(', ');
  $('counts').textContent = text || 'all values within the range';
  $('histogram').setAttribute('aria-label', `How often each value occurs; ${$('counts').textContent}`);

  const bar = sized($('bar'), size.width, 14);
  for (let x = 0; x < size.width; x++) {
    bar.fillStyle = css(colorOf(map, low + ((high - low) * (x + 0.5)) / size.width));
    // Half a pixel more than its own, lest seams be seen.
    bar.fillRect(x, 0, 1.5, 14);
  }
  $('bar').setAttribute('aria-label', `Colours from ${number(low)} to ${withUnit(number(high), map.unit)}`);
  const ticks = roundNumbers(low, high, Math.max(2, Math.min(6, size.width / 90)));
  $('ticks').replaceChildren(...ticks.map(v => {
    const tick = document.createElement('span');
    tick.textContent = number(Math.abs(v) < 1e-9 * (high - low) ? 0 : v);
    tick.style.left = `${((v - low) / (high - low)) * size.width}px`;
    return tick;
  }));
  $('ticks').style.width = `${size.width}px`;
}

function drawScaleBar() {
  const axis = report.axes[1];
  const step = axis.calibrated ? Math.abs(axis.scale) : 1;
  const whole = nx * step;
  // The greatest of the round numbers 1, 2, 5 … below a third of the width.
  const power = 10 ** Math.floor(Math.log10(whole / 3));
  const length = [5, 2, 1].map(f => f * power).find(l => l <= whole / 3);
  if (!(length > 0) || !Number.isFinite(length)) return;
  $('scale-bar').firstElementChild.textContent = withUnit(number(length), axis.calibrated ? axis.unit : 'positions');
  $('scale-bar').lastElementChild.style.width = `${(length / step) * zoom.x}px`;
}

// ---- positions ----

function show(marker, position) {
  marker.hidden = !position;
  if (!position) return;
  const border = marker.id === 'pointed' ? 1 : 2;
  // Around the position, however small it is.
  const [height, width] = [Math.max(zoom.y, 3), Math.max(zoom.x, 3)];
  Object.assign(marker.style, {
    left: `${(position[1] + 0.5) * zoom.x - width / 2 - border}px`,
    top: `${(position[0] + 0.5) * zoom.y - height / 2 - border}px`,
    width: `${width}px`,
    height: `${height}px`,
  });
}

// Reads the map where the pointer is, or else at the selected position.
function read() {
  const [y, x] = state.pointed || state.selected;
  const map = maps[state.map];
  $('readout').textContent = `${placeText(y, x)}: ${valueText(map, y * nx + x)}`;
  Object.assign($('readout').dataset, { y, x, value: map.values[y * nx + x] });
}

function positionOf(event) {
  const y = Math.floor(event.offsetY / zoom.y);
  const x = Math.floor(event.offsetX / zoom.x);
  return y >= 0 && y < ny && x >= 0 && x < nx ? [y, x] : null;
}

function point(position) {
  state.pointed = position;
  show($('pointed'), position);
  read();
}

function select(position) {
  state.selected = position;
  show($('selected'), position);
  read();
  listValues();
  openFrame();
}

function listValues() {
  const [y, x] = state.selected;
  $('values').tBodies[0].replaceChildren(...maps.map((map, k) => {
    const row = document.createElement('tr');
    row.classList.toggle('shown', k === state.map);
    const name = row.appendChild(document.createElement('th'));
    name.scope = 'row';
    name.textContent = map.name;
    row.appendChild(document.createElement('td')).textContent = valueText(map, y * nx + x);
    return row;
  }));
}

// ---- the frame ----

// The frame on show, and its pixels as they are now displayed.
const shown = { frame: null, zoom: 1 };

async function openFrame() {
  const [y, x] = state.selected;
  $('frame-name').textContent = report.frames ? `Frame at ${placeText(y, x)}` : placeText(y, x);
  if (!report.frames) return;
  if (typeof DecompressionStream === 'undefined') {
    $('frame-about').textContent = 'This browser is too old to unpack frames (it lacks DecompressionStream).';
    return;
  }
  const frame = await frameAt(y, x);
  // Meanwhile another may have been selected.
  if (state.selected[0] !== y || state.selected[1] !== x) return;
  shown.frame = frame;
  const about = [];
  if (frame.y !== y || frame.x !== x) {
    about.push(`Frames of every ${report.frames.stride}th position are in this file; shown is that of ${placeText(frame.y, frame.x)}.`);
  }
  $('pattern').hidden = !frame.pixels;
  if (frame.pixels) {
    about.push(...latticeText(frame));
    drawFrame();
    readFrame(null);
  } else {
    about.push('No frame was recorded here.');
  }
  $('frame-about').textContent = about.join('\n');
  document.documentElement.dataset.frame = `${frame.y},${frame.x}`;
}

function latticeText({ zero, a, b, spots }) {
  if (![...zero, ...a, ...b].every(Number.isFinite)) return spots.length ? ['No lattice was found.'] : [];
  const pair = ([y, x]) => `(${minus(y.toFixed(2))}, ${minus(x.toFixed(2))})`;
  // In the sense of growing atan2(y, x).
  const angle = (Math.atan2(a[1] * b[0] - a[0] * b[1], a[0] * b[0] + a[1] * b[1]) * 180) / Math.PI;
  const matched = spots.filter(spot => spot.matched).length;
  const lattice = [
    `zero ${pair(zero)}, a ${pair(a)}, b ${pair(b)} in px, (y, x)`,
    `|a| ${Math.hypot(...a).toFixed(3)} px, |b| ${Math.hypot(...b).toFixed(3)} px, angle from a to b ${minus(angle.toFixed(2))}°`,
  ];
  return spots.length ? [...lattice, `${matched} of ${spots.length} positions matched`] : lattice;
}

// Intensity that a pixel stands for.
const intensity = (frame, q) =>
  (q === 0 ? NaN : frame.least + Math.expm1(((q - 1) / STEPS) * Math.log1p(frame.greatest - frame.least)));

// Gray level, 0 to 1, of each value of a pixel.
function grays(frame) {
  const kind = $('brightness').value;
  if (kind === 'log') return Array.from({ length: STEPS + 2 }, (_, q) => (q - 1) / STEPS);
  // The brightest half percent would leave the rest in the dark.
  const sorted = Uint8Array.from(frame.pixels).sort();
  const top = intensity(frame, sorted[Math.floor(0.995 * (sorted.length - 1))]) - frame.least;
  const part = q => Math.min(Math.max((intensity(frame, q) - frame.least) / (top || 1), 0), 1);
  return Array.from({ length: STEPS + 2 }, (_, q) => (kind === 'root' ? Math.sqrt(part(q)) : part(q)));
}

function drawFrame() {
  const { frame } = shown;
  if (!frame || !frame.pixels) return;
  const [h, w] = report.frames.shape;
  const n = report.frames.binning;
  const room = Math.max(200, Math.min(480, $('frame-panel').clientWidth - 2));
  const zoom = room / Math.max(h, w);
  shown.zoom = zoom;
  const picture = document.createElement('canvas');
  picture.width = frame.width;
  picture.height = frame.height;
  const pixels = new ImageData(frame.width, frame.height);
  const gray = grays(frame).map(g => 255 * g);
  frame.pixels.forEach((q, k) => pixels.data.set(q ? [gray[q], gray[q], gray[q], 255] : [120, 60, 0, 255], 4 * k));
  picture.getContext('2d').putImageData(pixels, 0, 0);
  const context = sized($('frame'), w * zoom, h * zoom);
  context.drawImage(picture, 0, 0, frame.width * n * zoom, frame.height * n * zoom);
  if ($('marks').checked) drawMarks(context, frame, zoom);
  $('frame').setAttribute('aria-label', `Diffraction pattern at ${placeText(frame.y, frame.x)}. ${latticeText(frame).join('; ')}`);
}

// Colours that every colour vision tells apart, on black and on white.
const INK = { disk: '#ffffff', arrow: '#ff8c3a', missing: '#ff8c3a', a: '#56b4e9', b: '#f0e442' };

function drawMarks(context, frame, zoom) {
  // Zero is the centre of the first pixel.
  const place = ([y, x]) => ({ x: (x + 0.5) * zoom, y: (y + 0.5) * zoom });
  const line = (color, opacity, path, width = 1.6) => {
    context.globalAlpha = opacity;
    for (const [ink, thick] of [['rgb(0 0 0 / 60%)', width + 2], [color, width]]) {
      Object.assign(context, { strokeStyle: ink, lineWidth: thick, lineJoin: 'round', lineCap: 'round' });
      context.beginPath();
      path();
      context.stroke();
    }
    context.globalAlpha = 1;
  };
  const arrow = (color, opacity, from, to) => {
    const [p, q] = [place(from), place(to)];
    const length = Math.hypot(q.x - p.x, q.y - p.y);
    if (!(length > 2)) return;
    const head = Math.min(9, 0.5 * length);
    const [ux, uy] = [(q.x - p.x) / length, (q.y - p.y) / length];
    line(color, opacity, () => {
      context.moveTo(p.x, p.y);
      context.lineTo(q.x, q.y);
      for (const side of [-0.45, 0.45]) {
        context.moveTo(q.x, q.y);
        context.lineTo(q.x - head * (ux + side * uy), q.y - head * (uy - side * ux));
      }
    });
  };
  const { zero, a, b, spots } = frame;
  const radius = report.frames.radius * zoom;
  const { stretch } = report.frames;
  for (const { i, j, y, x, opacity, matched } of spots) {
    const calculated = [0, 1].map(k => zero[k] + i * a[k] + j * b[k]);
    if (!calculated.every(Number.isFinite)) continue;
    const c = place(calculated);
    if (!matched) {
      line(INK.missing, 1, () => context.rect(c.x - radius, c.y - radius, 2 * radius, 2 * radius), 1.2);
      continue;
    }
    if (!(opacity > 0) || !Number.isFinite(y) || !Number.isFinite(x)) continue;
    const found = place([y, x]);
    line(INK.disk, opacity, () => context.arc(found.x, found.y, radius, 0, 2 * Math.PI));
    line(INK.disk, opacity, () => context.arc(c.x, c.y, 0.6, 0, 2 * Math.PI));
    arrow(INK.arrow, opacity, calculated, [0, 1].map(k => calculated[k] + stretch * ([y, x][k] - calculated[k])));
  }
  if (![...zero, ...a, ...b].every(Number.isFinite)) return;
  for (const [name, vector] of [['a', a], ['b', b]]) {
    const tip = [0, 1].map(k => zero[k] + vector[k]);
    arrow(INK[name], 1, zero, tip);
    // Beyond the circle at the tip.
    const beyond = place([0, 1].map(k => zero[k] + vector[k] * (1 + (radius + 10) / (zoom * Math.hypot(...vector)))));
    Object.assign(context, { font: 'bold 15px system-ui, sans-serif', textAlign: 'center', textBaseline: 'middle' });
    Object.assign(context, { strokeStyle: 'rgb(0 0 0 / 80%)', lineWidth: 3, fillStyle: INK[name] });
    context.strokeText(name, beyond.x, beyond.y);
    context.fillText(name, beyond.x, beyond.y);
  }
}

// What the frame holds under the pointer.
function readFrame(event) {
  const { frame, zoom } = shown;
  if (!frame || !frame.pixels) return;
  const [h, w] = report.frames.shape;
  const [y, x] = event ? [event.offsetY / zoom - 0.5, event.offsetX / zoom - 0.5] : [NaN, NaN];
  const [row, column] = [Math.round(y), Math.round(x)];
  if (!(row >= 0 && row < h && column >= 0 && column < w)) {
    $('frame-readout').textContent = `from ${number(frame.least)} to ${number(frame.greatest)}`;
    return;
  }
  const n = report.frames.binning;
  const q = frame.pixels[Math.floor(row / n) * frame.width + Math.floor(column / n)];
  const about = q && Number.isFinite(intensity(frame, q)) ? `about ${number(Number(intensity(frame, q).toPrecision(3)))}` : 'no value';
  const text = [`y ${row}, x ${column}: ${about}`];
  const { zero, a, b } = frame;
  const det = a[0] * b[1] - a[1] * b[0];
  if (Math.abs(det) > 0) {
    const d = [y - zero[0], x - zero[1]];
    const index = [d[0] * b[1] - d[1] * b[0], a[0] * d[1] - a[1] * d[0]].map(v => minus((v / det).toFixed(2)));
    text.push(`index (${index.join(', ')})`);
    const axes = report.frames.axes;
    if (axes.every(axis => axis.calibrated) && axes[0].unit === axes[1].unit) {
      text.push(withUnit(number(Math.hypot(d[0] * axes[0].scale, d[1] * axes[1].scale)), axes[0].unit) + ' from zero');
    }
  }
  $('frame-readout').textContent = text.join('; ');
}

// ---- choosing a map ----

function choose(k) {
  state.map = (k + maps.length) % maps.length;
  const radio = $('maps').querySelectorAll('input')[state.map];
  radio.checked = true;
  radio.parentElement.scrollIntoView({ block: 'nearest' });
  drawMap();
  read();
  listValues();
}

function listMaps() {
  maps.forEach((map, k) => {
    const label = $('maps').appendChild(document.createElement('label'));
    const radio = label.appendChild(document.createElement('input'));
    Object.assign(radio, { type: 'radio', name: 'map', value: k });
    radio.addEventListener('change', () => choose(k));
    const small = label.appendChild(imageOf(map));
    small.setAttribute('aria-hidden', 'true');
    label.append(map.name);
  });
}

const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function press(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const move = MOVES[event.key];
  if (move) {
    const step = event.shiftKey ? 10 : 1;
    const [y, x] = state.selected;
    const within = (i, n) => Math.min(Math.max(i, 0), n - 1);
    point(null);
    select([within(y + step * move[0], ny), within(x + step * move[1], nx)]);
  } else if (event.key === 'PageUp') choose(state.map - 1);
  else if (event.key === 'PageDown') choose(state.map + 1);
  else return;
  event.preventDefault();
}

// ---- beginning ----

function tellWhatIsKept() {
  if (!report.frames) {
    $('pattern').hidden = true;
    return;
  }
  const { binning, stride, stretch, shape } = report.frames;
  const blocks = binning > 1 ? `averaged over ${binning} × ${binning} pixels` : 'of all pixels';
  const which = stride > 1 ? `Every ${stride}th frame along either axis is` : 'All frames are';
  $('kept').textContent = `${which} in this file, ${shape.join(' × ')} px, ${blocks}, in ${STEPS} steps of their logarithm; values of maps are exact.`;
  $('frame-legend').textContent = `Circle: disk that belongs to the lattice, where it was found. Dot: where the lattice has it. ` +
    `Arrow between them: magnified ${number(stretch)} times. Square: no such disk.` +
    (binning > 1 ? ` Pixels are averaged over ${binning} × ${binning}.` : '');
}

tellWhatIsKept();
listMaps();
drawScaleBar();
$('map-panel').style.setProperty('--width', `${size.width + 2}px`);
choose(0);
select(state.selected);
$('full-range').addEventListener('change', drawMap);
$('marks').addEventListener('change', drawFrame);
$('brightness').addEventListener('change', drawFrame);
$('map').addEventListener('pointermove', event => point(positionOf(event)));
$('map').addEventListener('pointerleave', () => point(null));
$('map').addEventListener('click', event => {
  const position = positionOf(event);
  if (position) select(position);
});
$('map').addEventListener('keydown', press);
$('frame').addEventListener('pointermove', readFrame);
$('frame').addEventListener('pointerleave', () => readFrame(null));
document.documentElement.dataset.ready = 'true';
