import { describe, expect, it } from 'vitest';
import { Mixer, RATE } from './mixer';

const QUANTUM = 128;

class Player {
  readonly mixer = new Mixer();
  readonly heard: number[] = [];
  #next = 1;

  /** A piece of numbers that count on. */
  take(frames: number, stream = 0): void {
    this.mixer.take(
      stream,
      Float32Array.from({ length: 2 * frames }, (_, i) => this.#next + (i >> 1)),
    );
    this.#next += frames;
  }
  render(frames: number): void {
    const [left, right] = [new Float32Array(QUANTUM), new Float32Array(QUANTUM)];
    for (let done = 0; done < frames; done += QUANTUM) {
      this.mixer.render(left, right);
      expect(left).toEqual(right);
      this.heard.push(...left);
    }
  }
}

describe('the mixer', () => {
  it('plays what comes in pieces without a gap, and at once where enough is there', () => {
    const player = new Player();
    for (let i = 0; i < 200; i++) {
      player.take(480);
      if (i < 4) continue;
      player.render(i % 4 ? 512 : 384);
    }
    const from = player.heard.findIndex((sample) => sample !== 0);
    expect(from).toBe(0);
    expect(player.heard.every((sample, i) => sample === i + 1)).toBe(true);
    expect(player.mixer.state).toMatchObject({ isPlaying: true, gaps: 0 });
  });

  it('waits a little where only little is there, but not for ever', () => {
    const player = new Player();
    player.take(100);
    player.render(RATE / 10);
    const from = player.heard.indexOf(1);
    expect(from / RATE).toBeCloseTo(0.018, 2);
    expect(player.heard.slice(from, from + 100)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  });

  it('counts a gap where something was late, not where the guest had no more', () => {
    const player = new Player();
    player.take(2000);
    player.mixer.rest(0);
    player.render(4000);
    player.take(2000);
    player.render(4000);
    expect(player.mixer.state.gaps).toBe(0);
    player.take(2000);
    player.render(4000);
    expect(player.mixer.state).toEqual({ isPlaying: false, waiting: 0, gaps: 1 });
  });

  it('adds streams', () => {
    const player = new Player();
    player.mixer.take(0, new Float32Array(4000).fill(0.25));
    player.mixer.take(63, new Float32Array(4000).fill(0.5));
    player.mixer.take(64, new Float32Array(4000).fill(9));
    player.render(QUANTUM);
    expect(player.heard[0]).toBe(0.75);
  });

  it('keeps two seconds at most, and makes up for what stands in line too long', () => {
    const player = new Player();
    player.take(5 * RATE);
    player.render(QUANTUM);
    expect(player.mixer.state.waiting).toBe(2 * RATE - QUANTUM);
    expect(player.heard[0]).toBe(3 * RATE + 1);
    for (let i = 0; i < 700; i++) {
      player.take(4 * QUANTUM);
      player.render(4 * QUANTUM);
    }
    expect(player.mixer.state.waiting / RATE).toBeLessThan(0.2);
    expect(player.mixer.state.gaps).toBe(0);
  });
});
