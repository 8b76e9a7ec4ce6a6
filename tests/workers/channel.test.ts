import { describe, expect, test } from 'vitest';
import { Channel } from '../../src/workers/channel.ts';

/** Two ends that hear each other, as processes do: later. */
function pair(): [Channel, Channel] {
  const one: Channel = new Channel(
    (letter) => void setImmediate(() => other.receive(structuredClone(letter))),
  );
  const other: Channel = new Channel(
    (letter) => void setImmediate(() => one.receive(structuredClone(letter))),
  );
  return [one, other];
}

describe('a channel', () => {
  test('brings back what the other side answers, also to several questions at once', async () => {
    const [one, other] = pair();
    other.answer('double', async (value) => Number(value) * 2);
    one.answer('who', () => 'one');
    expect(await Promise.all([1, 2, 3].map((n) => one.ask('double', n, 1_000)))).toEqual([2, 4, 6]);
    expect(await other.ask('who', null, 1_000)).toBe('one');
  });

  test('fails with what the other side fails with, and where nobody answers', async () => {
    const [one, other] = pair();
    other.answer('fail', () => {
      throw new Error('no luck');
    });
    await expect(one.ask('fail', null, 1_000)).rejects.toThrow('fail: no luck');
    await expect(one.ask('what', null, 1_000)).rejects.toThrow('what: nobody answers this');
  });

  test('waits no longer than it is told, and hears no reply that is late', async () => {
    const [one, other] = pair();
    const late = Promise.withResolvers<string>();
    other.answer('slow', () => late.promise);
    await expect(one.ask('slow', null, 5)).rejects.toThrow('slow: no reply within 5 ms');
    late.resolve('too late');
    other.answer('quick', () => 1);
    expect(await one.ask('quick', null, 1_000)).toBe(1);
  });

  test('fails all that is open when the other side is gone, and what is asked afterwards', async () => {
    const [one, other] = pair();
    other.answer('never', () => new Promise(() => {}));
    const asked = one.ask('never', null, 60_000);
    one.close();
    await expect(asked).rejects.toThrow('the other process is gone');
    await expect(one.ask('never', null, 60_000)).rejects.toThrow('the other process is gone');
    const broken = new Channel(() => {
      throw new Error('EPIPE');
    });
    await expect(broken.ask('x', null, 60_000)).rejects.toThrow('x: the other process is gone');
  });

  test('leaves messages alone that are not its own', () => {
    const [one] = pair();
    for (const message of [null, 'text', 7, { cmd: 'NODE_HANDLE' }, { gateway: 'reply', id: 99, name: '' }])
      expect(() => one.receive(message)).not.toThrow();
  });
});
