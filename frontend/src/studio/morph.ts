/** Makes `from` look like `to`, touching only what differs. */
export function morph(from: Element, to: Element): void {
  const old = [...from.childNodes];
  const fresh = [...to.childNodes];
  fresh.forEach((node, index) => {
    const known = old[index];
    if (!known) from.append(document.importNode(node, true));
    else if (!isSame(known, node)) known.replaceWith(document.importNode(node, true));
    else if (node instanceof Element) {
      copyAttributes(known as Element, node);
      if (known !== document.activeElement || !isField(known as Element)) morph(known as Element, node);
    } else if (known.nodeValue !== node.nodeValue) known.nodeValue = node.nodeValue;
  });
  old.slice(fresh.length).forEach((node) => node.remove());
}

/** Rows that name a thing are the same only for the same thing. */
function isSame(one: Node, other: Node): boolean {
  if (one.nodeType !== other.nodeType || one.nodeName !== other.nodeName) return false;
  if (!(one instanceof Element) || !(other instanceof Element)) return true;
  return one.getAttribute('data-key') === other.getAttribute('data-key');
}

function isField(element: Element): boolean {
  return element.matches('input, select, textarea');
}

function copyAttributes(from: Element, to: Element): void {
  for (const { name } of [...from.attributes]) if (!to.hasAttribute(name)) from.removeAttribute(name);
  for (const { name, value } of [...to.attributes]) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
}
