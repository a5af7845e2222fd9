// Lutra's report: which regions are shown, and slices of packed volumes. Nothing is loaded from anywhere.
"use strict";
(function () {
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  // The page writes a number's sign as a minus, not as a hyphen.
  const minus = (number) => number.replace("-", "\u2212");
  const regionOn = [];
  let viewer = null;

  // Regions: every check box of the same number moves together with its curves and outlines.
  all("fieldset.choice").forEach((box) => { box.hidden = false; });
  all("input[data-region]").forEach((box) => {
    regionOn[Number(box.dataset.region)] = box.checked;
    box.addEventListener("change", () => {
      const number = box.dataset.region;
      regionOn[Number(number)] = box.checked;
      all(`input[data-region="${number}"]`).forEach((other) => { other.checked = box.checked; });
      all(`.series[data-region="${number}"]`).forEach((series) => series.classList.toggle("off", !box.checked));
      if (viewer) viewer.draw();
    });
  });
  const source = document.getElementById("volumes");
  if (!source) return;
  if (typeof DecompressionStream === "undefined") return;

  async function unpack(text) {
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    for (let n = 1; n < bytes.length; n += 1) bytes[n] = (bytes[n] + bytes[n - 1]) & 255;
    return bytes;
  }

  // Outlines over dark anatomy: the page's colours of dark surroundings, whatever the surroundings.
  const COLOURS = ["#6db3f2", "#ff9d5c", "#3fd1a5", "#f2a0cd", "#f0c04f", "#8fd3ff", "#b9a2f2", "#e3e8ec"];
  const PLANES = {
    axial: { across: 0, down: 1, normal: 2, left: "R", right: "L", top: "A", bottom: "P", axis: "z" },
    coronal: { across: 0, down: 2, normal: 1, left: "R", right: "L", top: "S", bottom: "I", axis: "y" },
    sagittal: { across: 1, down: 2, normal: 0, left: "A", right: "P", top: "S", bottom: "I", axis: "x" },
  };

  class Viewer {
    constructor(data, grey, labels, layers) {
      Object.assign(this, { data, grey, labels, layers });
      this.at = data.start.slice();
      this.layer = 0;
      this.looks = data.layers.map((layer) =>
        Uint8ClampedArray.from(layer.look.match(/../g), (pair) => parseInt(pair, 16)));
      this.opacity = document.getElementById("opacity");
      this.outlines = document.getElementById("contours");
      const [nx, ny] = data.dims;
      this.strides = [1, nx, nx * ny];
      this.readout = document.querySelector(".viewer .readout");
      this.canvases = {};
      all(".viewer canvas").forEach((canvas) => {
        const plane = canvas.dataset.plane;
        const { across, down } = PLANES[plane];
        const wide = data.dims[across] * data.mm[across];
        const high = data.dims[down] * data.mm[down];
        const scale = 760 / Math.max(wide, high);
        canvas.width = Math.round(wide * scale);
        canvas.height = Math.round(high * scale);
        this.canvases[plane] = canvas;
        canvas.addEventListener("pointermove", (event) => this.read(plane, event));
        canvas.addEventListener("click", (event) => this.go(plane, event));
      });
      const wide = (plane) => data.dims[PLANES[plane].across] * data.mm[PLANES[plane].across];
      document.querySelector(".viewer .planes").style.setProperty("--columns",
        ["axial", "coronal", "sagittal"].map((plane) => `minmax(0, ${wide(plane).toFixed(1)}fr)`).join(" "));
      all(".viewer input[data-plane]").forEach((slider) => {
        slider.addEventListener("input", () => {
          this.at[PLANES[slider.dataset.plane].normal] = Number(slider.value);
          this.draw();
        });
      });
      window.addEventListener("resize", () => this.draw());
      [this.opacity, this.outlines].forEach((control) => control.addEventListener("input", () => this.draw()));
      all(".viewer input[name=layer]").forEach((choice) => {
        choice.addEventListener("change", () => {
          this.layer = Number(choice.value);
          all(".viewer .colour-bar").forEach((bar) => bar.classList.toggle("off", bar.dataset.layer !== choice.value));
          this.draw();
        });
      });
    }

    // World axes run to the right, to the front and to the head; all of them are drawn from the far end.
    voxel(plane, column, row) {
      const { across, down, normal } = PLANES[plane];
      const { dims } = this.data;
      const place = this.at.slice();
      place[across] = dims[across] - 1 - column;
      place[down] = dims[down] - 1 - row;
      place[normal] = this.at[normal];
      return place;
    }

    index(place) {
      return place[0] + this.strides[1] * place[1] + this.strides[2] * place[2];
    }

    draw() {
      Object.keys(this.canvases).forEach((plane) => this.plane(plane));
    }

    plane(plane) {
      const canvas = this.canvases[plane];
      const { across, down, normal, axis, left, right, top, bottom } = PLANES[plane];
      const { dims, mm, origin } = this.data;
      const columns = dims[across];
      const rows = dims[down];
      const grey = new ImageData(columns, rows);
      const colour = new ImageData(columns, rows);
      const look = this.looks[this.layer];
      const values = this.layers[this.layer];
      const strength = Number(this.opacity.value) / 100;
      for (let row = 0; row < rows; row += 1) {
        for (let column = 0; column < columns; column += 1) {
          const n = this.index(this.voxel(plane, column, row));
          const pixel = 4 * (row * columns + column);
          grey.data.fill(this.grey[n], pixel, pixel + 3);
          grey.data[pixel + 3] = 255;
          const from = 4 * values[n];
          colour.data[pixel] = look[from];
          colour.data[pixel + 1] = look[from + 1];
          colour.data[pixel + 2] = look[from + 2];
          colour.data[pixel + 3] = look[from + 3] * strength;
        }
      }
      const paint = canvas.getContext("2d");
      paint.clearRect(0, 0, canvas.width, canvas.height);
      paint.imageSmoothingEnabled = true;
      paint.imageSmoothingQuality = "high";
      [grey, colour].forEach((image) => {
        const sheet = document.createElement("canvas");
        sheet.width = columns;
        sheet.height = rows;
        sheet.getContext("2d").putImageData(image, 0, 0);
        paint.drawImage(sheet, 0, 0, canvas.width, canvas.height);
      });
      if (this.labels && this.outlines.checked) this.outline(plane, paint, canvas, columns, rows);
      this.cross(plane, paint, canvas);
      const dot = this.dot(canvas);
      paint.font = `600 ${13 * dot}px system-ui, sans-serif`;
      paint.fillStyle = "#fff";
      paint.shadowColor = "#000";
      paint.shadowBlur = 3 * dot;
      paint.textBaseline = "middle";
      paint.textAlign = "left";
      paint.fillText(left, 5 * dot, canvas.height / 2);
      paint.textAlign = "right";
      paint.fillText(right, canvas.width - 5 * dot, canvas.height / 2);
      paint.textAlign = "center";
      paint.fillText(top, canvas.width / 2, 10 * dot);
      paint.fillText(bottom, canvas.width / 2, canvas.height - 10 * dot);
      this.ruler(paint, canvas, columns * mm[across]);
      paint.shadowBlur = 0;
      const place = origin[normal] + this.at[normal] * mm[normal];
      const words = `slice ${this.at[normal] + 1} of ${dims[normal]}, ${axis} = ${minus(place.toFixed(1))} mm`;
      document.getElementById(`place-${plane}`).textContent = words;
      canvas.setAttribute("aria-label",
        `${plane[0].toUpperCase()}${plane.slice(1)} slice: ${this.data.layers[this.layer].name} over the anatomy, ${words}`);
      const slider = document.getElementById(`slice-${plane}`);
      slider.value = this.at[normal];
      slider.setAttribute("aria-valuetext", words);
    }

    // Pixels of a canvas in one of the page.
    dot(canvas) {
      return canvas.width / (canvas.clientWidth || canvas.width);
    }

    ruler(paint, canvas, wide) {
      const length = [100, 50, 20, 10, 5, 2, 1].find((candidate) => candidate <= wide / 3);
      if (!length) return;
      const pixels = length / wide * canvas.width;
      const dot = this.dot(canvas);
      const y = canvas.height - 8 * dot;
      paint.fillRect(6 * dot, y, pixels, 1.5 * dot);
      paint.fillRect(6 * dot, y - 2.5 * dot, dot, 6.5 * dot);
      paint.fillRect(5 * dot + pixels, y - 2.5 * dot, dot, 6.5 * dot);
      paint.textAlign = "left";
      paint.font = `${11 * dot}px system-ui, sans-serif`;
      paint.fillText(`${length} mm`, 9 * dot, y - 9 * dot);
    }

    // Where the other two planes cut this one.
    cross(plane, paint, canvas) {
      const { across, down } = PLANES[plane];
      const { dims } = this.data;
      const x = (dims[across] - 0.5 - this.at[across]) / dims[across] * canvas.width;
      const y = (dims[down] - 0.5 - this.at[down]) / dims[down] * canvas.height;
      paint.strokeStyle = "rgba(255, 255, 255, .3)";
      paint.lineWidth = 0.7 * this.dot(canvas);
      paint.beginPath();
      paint.moveTo(x, 0);
      paint.lineTo(x, canvas.height);
      paint.moveTo(0, y);
      paint.lineTo(canvas.width, y);
      paint.stroke();
    }

    // A line along every voxel face between a region and what is not it.
    outline(plane, paint, canvas, columns, rows) {
      const label = new Uint8Array(columns * rows);
      for (let row = 0; row < rows; row += 1) {
        for (let column = 0; column < columns; column += 1) {
          label[row * columns + column] = this.labels[this.index(this.voxel(plane, column, row))];
        }
      }
      const paths = new Map();
      const path = (number) => {
        if (!paths.has(number)) paths.set(number, new Path2D());
        return paths.get(number);
      };
      const wide = canvas.width / columns;
      const high = canvas.height / rows;
      const edge = (a, b, x0, y0, x1, y1) => {
        if (a === b) return;
        [a, b].forEach((number) => {
          if (number && regionOn[number - 1]) {
            path(number).moveTo(x0 * wide, y0 * high);
            path(number).lineTo(x1 * wide, y1 * high);
          }
        });
      };
      for (let row = 0; row < rows; row += 1) {
        for (let column = 0; column < columns; column += 1) {
          const here = label[row * columns + column];
          const beside = column + 1 < columns ? label[row * columns + column + 1] : 0;
          const below = row + 1 < rows ? label[(row + 1) * columns + column] : 0;
          edge(here, beside, column + 1, row, column + 1, row + 1);
          edge(here, below, column, row + 1, column + 1, row + 1);
        }
      }
      paint.lineWidth = 1.6 * this.dot(canvas);
      paint.lineCap = "square";
      Array.from(paths.keys()).sort((a, b) => a - b).forEach((number) => {
        paint.strokeStyle = COLOURS[this.data.regions[number - 1].colour % COLOURS.length];
        paint.stroke(paths.get(number));
      });
    }

    under(plane, event) {
      const canvas = this.canvases[plane];
      const box = canvas.getBoundingClientRect();
      const { across, down } = PLANES[plane];
      const share = (place, size, count) => Math.min(count - 1, Math.max(0, Math.floor(place / size * count)));
      return this.voxel(plane,
        share(event.clientX - box.left, box.width, this.data.dims[across]),
        share(event.clientY - box.top, box.height, this.data.dims[down]));
    }

    read(plane, event) {
      const place = this.under(plane, event);
      const n = this.index(place);
      const values = this.data.layers.map((layer, number) => {
        const word = layer.words[this.layers[number][n]];
        return `${layer.name} ${word}${/[0-9]/.test(word) ? ` ${layer.unit}` : ""}`;
      });
      const region = this.labels && this.labels[n] ? this.data.regions[this.labels[n] - 1].name : "no region";
      const mm = place.map((at, axis) => minus((this.data.origin[axis] + at * this.data.mm[axis]).toFixed(0)));
      this.readout.textContent = `${region}: ${values.join("; ")} (about), at ${mm.join(", ")} mm`;
    }

    go(plane, event) {
      this.at = this.under(plane, event);
      this.draw();
    }
  }

  async function start() {
    const data = JSON.parse(source.textContent);
    const grey = await unpack(data.grey);
    const labels = data.labels ? await unpack(data.labels) : null;
    const layers = [];
    for (const layer of data.layers) layers.push(await unpack(layer.data));
    all(".viewer").forEach((part) => { part.hidden = false; });
    all(".viewer-missing").forEach((part) => { part.hidden = true; });
    viewer = new Viewer(data, grey, labels, layers);
    viewer.draw();
    document.documentElement.dataset.ready = "slices";
  }
  start();
})();
