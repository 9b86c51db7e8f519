import { describe, expect, it } from 'vitest';
import { directionOf, nearest, type Box } from '../src/navigation/geometry.ts';

const box = (left: number, top: number, width = 100, height = 50): Box => ({ left, top, right: left + width, bottom: top + height });

describe('nearest', () => {
  const here = box(200, 200);

  it('goes to what lies straight ahead', () => {
    const boxes = [box(200, 300), box(350, 200), box(50, 200), box(200, 100)];
    expect(nearest(here, boxes, 'down')).toBe(0);
    expect(nearest(here, boxes, 'right')).toBe(1);
    expect(nearest(here, boxes, 'left')).toBe(2);
    expect(nearest(here, boxes, 'up')).toBe(3);
  });

  it('says so when there is nothing', () => {
    expect(nearest(here, [box(200, 100)], 'down')).toBe(-1);
    expect(nearest(here, [], 'left')).toBe(-1);
  });

  it('prefers the near one ahead to a nearer one far aside', () => {
    expect(nearest(here, [box(900, 260), box(210, 320)], 'down')).toBe(1);
  });

  it('finds something ahead even when it is aside, so that nothing is out of reach', () => {
    expect(nearest(here, [box(900, 600)], 'down')).toBe(0);
    expect(nearest(here, [box(900, 600)], 'right')).toBe(0);
  });

  it('does not take its neighbour in the line for one below it', () => {
    expect(nearest(here, [box(310, 204)], 'down')).toBe(-1);
  });

  it('takes the neighbour in the line although a wide box above is nearer', () => {
    expect(nearest(here, [box(0, 100, 1000), box(320, 200)], 'right')).toBe(1);
  });
});

describe('directionOf', () => {
  it('knows arrows and nothing else', () => {
    expect(['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Tab', 'a'].map(directionOf)).toEqual(['left', 'right', 'up', 'down', null, null]);
  });
});
