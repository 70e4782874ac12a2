// The contrast of all text on a page: [[ratio, text], ...], as WCAG 2.2 defines it.
const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

// What the eye gets of translucent colours, painted one over the other.
function mix(colors) {
  for (const color of colors) {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
  }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
}

function luminance(rgb) {
  const [r, g, b] = rgb
    .map((value) => value / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function backgrounds(element) {
  if (!element) return ["white"];
  return [...backgrounds(element.parentElement), getComputedStyle(element).backgroundColor];
}

function ratio(element) {
  const ground = backgrounds(element);
  const text = getComputedStyle(element).color;
  const [dark, light] = [mix(ground), mix([...ground, text])]
    .map(luminance)
    .sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

const ownText = (element) =>
  [...element.childNodes]
    .filter((node) => node.nodeType === Node.TEXT_NODE)
    .map((node) => node.textContent.trim())
    .join("");

return [...document.body.querySelectorAll("*:not(:disabled)")]
  .filter(ownText)
  .map((element) => [ratio(element), ownText(element)]);
