/** Which box an arrow key leads to. Pure. */

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export type Direction = 'left' | 'right' | 'up' | 'down';

/** A step aside costs this much more than a step ahead. */
const ASIDE = 2.5;
const OFF_CENTRE = 0.2;

/** The arrow's direction; null for other keys. */
export function directionOf(key: string): Direction | null {
  const found = /^Arrow(Left|Right|Up|Down)$/.exec(key)?.[1]?.toLowerCase();
  return (found as Direction | undefined) ?? null;
}

/** The index of the nearest box in a direction; -1 when there is none. */
export function nearest(from: Box, boxes: readonly Box[], direction: Direction): number {
  let best = -1;
  let least = Infinity;
  for (const [index, box] of boxes.entries()) {
    const cost = costOf(turned(from, direction), turned(box, direction));
    if (cost < least) [best, least] = [index, cost];
  }
  return best;
}

/** Everything is judged as if the arrow pointed down. */
function turned(box: Box, direction: Direction): Box {
  const { left, top, right, bottom } = box;
  switch (direction) {
    case 'down':
      return box;
    case 'up':
      return { left, right, top: -bottom, bottom: -top };
    case 'right':
      return { left: top, right: bottom, top: left, bottom: right };
    case 'left':
      return { left: top, right: bottom, top: -right, bottom: -left };
  }
}

function costOf(from: Box, to: Box): number {
  const centre = (box: Box): number => (box.left + box.right) / 2;
  const beyond = to.top >= from.bottom - 2 || (to.top > from.top + 1 && to.bottom > from.bottom + 1);
  if (!beyond) return Infinity;
  const ahead = Math.max(0, to.top - from.bottom);
  const aside = Math.max(0, to.left - from.right, from.left - to.right);
  if (ahead === 0 && aside > 0 && to.top < from.bottom - 2) return Infinity; // beside rather than ahead
  return ahead + ASIDE * aside + OFF_CENTRE * Math.abs(centre(to) - centre(from));
}
