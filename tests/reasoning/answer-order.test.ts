import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Annotation, Part } from '../../gen/llmgateway/v1/message_pb.js';
import * as build from '../../src/model/build.ts';
import { type AnswerOrder, inOrder, orderOf } from '../../src/reasoning/answer-order.ts';

const thought = (text: string, signature = `${text}-signed`): Part =>
  build.part({ case: 'reasoning', value: build.reasoning(text, { signature }) });
const call = (id: string): Part =>
  build.part({ case: 'toolCall', value: build.toolCall(id, 'f', `{"of":"${id}"}`) });
const image = (url: string): Part =>
  build.part({ case: 'image', value: build.image({ case: 'url', value: url }) });
const say = build.textPart;

const known = (...parts: Part[]): AnswerOrder => {
  const order = orderOf(parts);
  if (order === undefined) throw new Error('the order is not kept');
  return order;
};

describe('the order of an answer', () => {
  test('is kept where other forms have another', () => {
    for (const parts of [
      [say('A'), thought('t'), call('1')],
      [thought('t'), say('A'), thought('u'), call('1')],
      [thought('t'), call('1'), say('A')],
      [call('1'), thought('t'), call('2')],
      [image('https://a'), thought('t'), call('1')],
    ]) {
      expect(orderOf(parts)).toBeDefined();
    }
  });

  test('is not kept where all forms have the same', () => {
    for (const parts of [
      [],
      [thought('t'), thought('u'), say('A'), call('1'), call('2')],
      [say('A'), call('1'), say('B')],
      [thought('t'), call('1')],
    ]) {
      expect(orderOf(parts)).toBeUndefined();
    }
  });

  test('is not kept of an answer with more parts than any has', () => {
    const parts = Array.from({ length: 600 }, (_, i) => [say('A'), thought(String(i))]).flat();
    expect(orderOf([...parts.slice(0, 20), call('1')])).toBeDefined();
    expect(orderOf([...parts, call('1')])).toBeUndefined();
  });

  const answer = [thought('t'), say('A'), thought('u'), call('1'), say('B'), call('2')];

  test('is that of what comes back in the form of others', () => {
    for (const given of [
      [say('AB'), call('1'), call('2')],
      [thought('t'), thought('u'), say('AB'), call('1'), call('2')],
      [thought('u'), say('A'), say(''), say('B'), call('1'), call('2')],
    ]) {
      expect(inOrder(given, known(...answer))).toEqual(answer);
    }
  });

  test('is not that of anything else', () => {
    for (const given of [
      [say('Ab'), call('1'), call('2')],
      [say('ABC'), call('1'), call('2')],
      [call('1'), call('2')],
      [say('AB'), call('1')],
      [say('AB'), call('2'), call('1')],
      [say('AB'), call('1'), call('2'), call('3')],
      [say('AB'), image('https://a'), call('1'), call('2')],
    ]) {
      expect(inOrder(given, known(...answer))).toBeNull();
    }
  });

  test('has pictures in their places, also where some of them are missing', () => {
    const pictures = [image('https://a'), thought('s'), image('https://b'), thought('t'), call('1')];
    const order = known(...pictures);
    expect(inOrder([image('https://a'), image('https://b'), call('1')], order)).toEqual(pictures);
    expect(inOrder([call('1')], order)).toEqual([thought('s'), thought('t'), call('1')]);
    expect(inOrder([image('https://a'), call('1')], order)).toEqual([
      image('https://a'),
      thought('s'),
      thought('t'),
      call('1'),
    ]);
    expect(inOrder([image('https://b'), call('1')], order)).toEqual(pictures.slice(1));
    expect(inOrder([image('https://b'), image('https://a'), call('1')], order)).toEqual(pictures);
  });

  test('has pictures that were changed where it had as many', () => {
    const pictures = [image('https://a'), thought('s'), image('https://b'), thought('t'), call('1')];
    const order = known(...pictures);
    const given = [image('https://c'), image('https://b'), call('1')];
    expect(inOrder(given, order)).toEqual([given[0], ...pictures.slice(1)]);
    expect(inOrder([image('https://c'), call('1')], order)).toBeNull();
    expect(inOrder([...given, image('https://a')], order)).toBeNull();
    expect(inOrder([...given, image('https://b')], order)).toBeNull();
  });

  test('leaves a text that is not cut as the client sent it', () => {
    const own = say('A', { annotations: [] });
    own.cacheBreakpoint = build.cacheBreakpoint('1h');
    own.extras = build.extras('openai.chat', '{"mood":"good"}');
    const order = known(say('A'), thought('t'), call('1'));
    expect(inOrder([own, call('1')], order)?.[0]).toBe(own);
  });

  test('cuts a text with its sources, and marks its end only', () => {
    const cited = (startIndex: number, endIndex: number): Annotation =>
      build.annotation({ case: 'urlCitation', value: build.urlCitation({ url: 'u', startIndex, endIndex }) });
    const given = say('AABBB', { annotations: [cited(0, 2), cited(1, 4), cited(3, 5)] });
    given.cacheBreakpoint = build.cacheBreakpoint();
    const order = known(say('AA'), thought('t'), say('BBB'), call('1'));
    expect(inOrder([given, call('1')], order)).toEqual([
      say('AA', { annotations: [cited(0, 2)] }),
      thought('t'),
      {
        ...say('BBB', { annotations: [cited(0, 2), cited(1, 3)] }),
        cacheBreakpoint: build.cacheBreakpoint(),
      },
      call('1'),
    ]);
  });

  test('does not cut a text with members of its own', () => {
    const given = { ...say('AB'), extras: build.extras('openai.chat', '{"mood":"good"}') };
    expect(inOrder([given, call('1')], known(say('A'), thought('t'), say('B'), call('1')))).toBeNull();
  });

  test('comes back from whatever a form makes of any answer', () => {
    const kinds = fc.array(fc.constantFrom('thought', 'text', 'call', 'image'), { maxLength: 12 });
    fc.assert(
      fc.property(kinds, fc.string({ unit: 'grapheme' }), (sequence, text) => {
        const parts = sequence.map((kind, i) => {
          if (kind === 'thought') return thought(`${i}`);
          if (kind === 'call') return call(`${i}`);
          return kind === 'image' ? image(`https://${i}`) : say(`${text}${i}`);
        });
        const order = orderOf(parts);
        if (order === undefined) return;
        const of = (kind: string) => parts.filter(({ content }) => content.case === kind);
        const said = of('text').map(({ content }) => (content.case === 'text' ? content.value.text : ''));
        const given = [say(said.join('')), ...of('image'), ...of('toolCall')];
        expect(inOrder(given, order)).toEqual(parts);
      }),
    );
  });
});
