import { expect, test } from 'vitest';
import * as buildEvent from '../../src/model/build-events.ts';
import { WellFormedStream } from '../../src/rpc/well-formed.ts';

const texts = (pieces: readonly string[]): string[] => {
  const stream = new WellFormedStream();
  return pieces.map((piece) => {
    const event = buildEvent.delta(0, 0, piece);
    stream.mend(event);
    return event.event.case === 'delta' ? event.event.value.text : '';
  });
};

test('halves of a character that come apart are put together', () => {
  expect(texts(['a\ud83d', '\ude00b', 'c'])).toEqual(['a', '😀b', 'c']);
});

test('a half alone becomes the replacement character', () => {
  expect(texts(['a\ude00b', 'c\ud83d', 'd'])).toEqual(['a�b', 'c', '�d']);
});

test('halves of different parts stay apart', () => {
  const stream = new WellFormedStream();
  const [one, two] = [buildEvent.delta(0, 0, '\ud83d'), buildEvent.delta(0, 1, '\ude00')];
  stream.mend(one);
  stream.mend(two);
  expect(two.event.case === 'delta' && two.event.value.text).toBe('�');
});
