// What a pointer draws on a canvas, as points; and paths on it. Points are [x, y], shares of width and height.
const NEAR = 0.015; // by which a simplified path may differ from the one that was drawn
const MOVED = 6; // pixels beyond which a tap is a drawing

// Return points with the shares of time at which an even motion from the first to the last passes them.
export function timed(points) {
  const far = [0];
  for (let at = 1; at < points.length; at++) {
    far.push(far[at - 1] + Math.hypot(points[at][0] - points[at - 1][0], points[at][1] - points[at - 1][1]));
  }
  return points.map(([x, y], at) => [far.at(-1) ? far[at] / far.at(-1) : 0, x, y]);
}

// Return the distance of a point from the straight line between two others.
function away([x, y], [x0, y0], [x1, y1]) {
  const [dx, dy] = [x1 - x0, y1 - y0], whole = dx * dx + dy * dy;
  const along = whole ? Math.min(1, Math.max(0, ((x - x0) * dx + (y - y0) * dy) / whole)) : 0;
  return Math.hypot(x - x0 - along * dx, y - y0 - along * dy);
}

// Return the fewest points that show the same path (Douglas and Peucker).
export function simplified(points) {
  const first = points[0], last = points.at(-1), ways = points.map((each) => away(each, first, last));
  const far = ways.reduce((most, each, at) => (each > ways[most] ? at : most), 0);
  if (ways[far] <= NEAR) return [first, last];
  return [...simplified(points.slice(0, far + 1)).slice(0, -1), ...simplified(points.slice(far))];
}

// Follow a pointer. on: `moving` is called with the points so far, `drawn` with those of a path, `tapped` with one point, `left` with none.
export function follow(canvas, on) {
  let points = null, begun = null, moved = false;
  const shares = ({ clientX, clientY }) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [(clientX - left) / width, (clientY - top) / height].map((each) => Math.min(1, Math.max(0, each)));
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    [points, begun, moved] = [[shares(event)], event, false];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!points || !event.isPrimary) return;
    points.push(shares(event));
    moved ||= Math.hypot(event.clientX - begun.clientX, event.clientY - begun.clientY) > MOVED;
    if (moved) on.moving(points);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!points || !event.isPrimary) return;
    const found = [...points, shares(event)];
    points = null;
    if (moved) on.drawn(simplified(found));
    else on.tapped(found[0]);
  });
  canvas.addEventListener("pointercancel", () => { points = null; on.left(); });
}

// Show paths over a picture: a dot where each begins, an arrow where it ends.
export function paint(canvas, picture, paths) {
  const pen = canvas.getContext("2d"), { width, height } = canvas;
  pen.clearRect(0, 0, width, height);
  if (picture) {
    const scale = Math.max(width / picture.width, height / picture.height); // cropped about the centre, as the server does
    const [wide, high] = [picture.width * scale, picture.height * scale];
    pen.drawImage(picture, (width - wide) / 2, (height - high) / 2, wide, high);
  }
  for (const { path, colour, on } of paths) {
    if (!path) continue;
    const points = path.map(([, x, y]) => [x * width, y * height]);
    for (const [style, thick] of [["#000a", 12], [colour, on ? 6 : 3]]) { // bright on dark, to be visible on any picture
      Object.assign(pen, { strokeStyle: style, fillStyle: style, lineWidth: thick, lineJoin: "round", lineCap: "round" });
      pen.beginPath();
      points.forEach(([x, y]) => pen.lineTo(x, y));
      if (points.length > 1) arrow(pen, points.at(-2), points.at(-1));
      pen.stroke();
      pen.beginPath();
      pen.arc(...points[0], 6 + thick / 2, 0, 2 * Math.PI);
      pen.fill();
    }
  }
}

function arrow(pen, [x0, y0], [x, y]) {
  const angle = Math.atan2(y - y0, x - x0);
  for (const turn of [2.6, -2.6]) {
    pen.moveTo(x, y);
    pen.lineTo(x + 22 * Math.cos(angle + turn), y + 22 * Math.sin(angle + turn));
  }
}
