import { describe, expect, test } from 'vitest';
import type { EncodeRequestOptions } from '../../../src/codec/anthropic-messages/encode-request.ts';
import * as build from '../../../src/model/build.ts';
import { asked, type Json, ofChat, refused, text, user, written } from './support/written.ts';

describe('parameters', () => {
  test('the limit is what is asked for, else what the model can give', () => {
    const limit = (model: string, options: Partial<EncodeRequestOptions> = {}) =>
      ofChat({}, { model, ...options }).body.max_tokens;
    expect(ofChat({ max_tokens: 7 }).body.max_tokens).toBe(7);
    expect(limit('glm-5')).toBe(4_096);
    expect(limit('glm-5', { defaultMaxTokens: 9 })).toBe(9);
    expect(limit('claude-3-opus-20240229')).toBe(4_096);
    expect(limit('claude-3-5-sonnet-20241022')).toBe(8_192);
    expect(limit('claude-opus-4-1-20250805')).toBe(32_000);
    expect(limit('claude-sonnet-4-20250514')).toBe(64_000);
    expect(limit('claude-haiku-5-5')).toBe(64_000);
  });

  test('chance, as far as the model takes it', () => {
    const chance = (more: Json, model = 'claude-sonnet-4') => {
      const { body, warnings } = ofChat(more, { model });
      return [body['temperature'], body['top_p'], body['top_k'], warnings];
    };
    expect(chance({ temperature: 1.5 })).toEqual([1, undefined, undefined, ['changed_temperature']]);
    expect(chance({ temperature: 0.2, top_p: 0.9, top_k: 5 })).toEqual([0.2, 0.9, 5, []]);
    expect(chance({ temperature: 0.2, top_p: 0.9 }, 'claude-sonnet-4-5')).toEqual([
      0.2,
      undefined,
      undefined,
      ['dropped_top_p'],
    ]);
    expect(chance({ temperature: 0.2, top_p: 0.9, top_k: 5, reasoning_effort: 'low' })).toEqual([
      undefined,
      undefined,
      undefined,
      ['dropped_temperature', 'dropped_top_p', 'dropped_top_k'],
    ]);
    expect(chance({ temperature: 1, reasoning_effort: 'low' })).toEqual([1, undefined, undefined, []]);
    expect(chance({ top_p: 0.95, reasoning_effort: 'low' })).toEqual([undefined, 0.95, undefined, []]);
    // What is not sent stands beside nothing.
    expect(chance({ temperature: 0.2, top_p: 0.95, reasoning_effort: 'low' }, 'claude-sonnet-4-5')).toEqual([
      undefined,
      0.95,
      undefined,
      ['dropped_temperature'],
    ]);
  });

  test.each([
    ['auto', 'auto', []],
    ['priority', 'auto', []],
    ['default', 'standard_only', []],
    ['flex', undefined, ['dropped_service_tier']],
  ])('tier %s', (tier, sent, warned) => {
    const { body, warnings } = ofChat({ service_tier: tier });
    expect([body.service_tier, warnings]).toEqual([sent, warned]);
  });

  test('the stable id of a user goes before the older one', () => {
    expect(ofChat({ user: 'a', safety_identifier: 'b' }).body.metadata).toEqual({ user_id: 'b' });
  });

  test('a form without a schema is refused, or left out on request', () => {
    const format = { response_format: { type: 'json_object' } };
    expect(refused(() => ofChat(format)).facts.field).toBe('response_format');
    const { body, warnings } = ofChat({ ...format, drop_params: true });
    expect(body.output_config).toBeUndefined();
    expect(warnings).toEqual(['dropped_response_format']);
    expect(ofChat({ response_format: { type: 'text' } }).body.output_config).toBeUndefined();
  });

  test("another dialect's own is reported", () => {
    expect(ofChat({ tomorrow: 1 }).warnings).toEqual(['dropped_extras']);
    expect(ofChat({ messages: [{ ...asked, name: 'me' }] })).toMatchObject({
      warnings: ['dropped_name'],
      fields: ['messages[0].name'],
    });
  });
});

describe('other uses of the same body', () => {
  const request = build.chatRequest('m', [user(text('hi'))], {
    parameters: build.parameters({ temperature: 0, stop: ['x'], user: 'me', maxOutputTokens: 9 }),
    extras: build.extras(
      'anthropic.messages',
      '{"anthropic_beta":["a"],"container":"c","context_management":{}}',
    ),
  });

  test('counting leaves out what is about the answer', () => {
    const { body, betas } = written(request, { counting: true });
    expect(body).toEqual({
      model: 'claude-sonnet-4-5',
      messages: [{ role: 'user', content: 'hi' }],
      context_management: {},
    });
    expect(betas).toEqual(['a']);
  });

  test('Vertex has the version in the body, and the model in the path', () => {
    const { body } = written(request, { host: 'vertex' });
    expect(body).toMatchObject({ anthropic_version: 'vertex-2023-10-16', max_tokens: 9, container: 'c' });
    expect(body).not.toHaveProperty('model');
    expect(written(request, { host: 'vertex', counting: true }).body.model).toBe('claude-sonnet-4-5');
  });

  test('members that came along do not override what the gateway has decided', () => {
    const extras = build.extras(
      'anthropic.messages',
      '{"model":"dear","messages":[],"stream":true,"speed":"fast"}',
    );
    const { text: body, warnings } = written(build.chatRequest('m', [user(text('hi'))], { extras }));
    expect(body).not.toContain('dear');
    expect(body.match(/"messages"/g)).toHaveLength(1);
    expect(JSON.parse(body)).toMatchObject({ model: 'claude-sonnet-4-5', speed: 'fast' });
    expect(JSON.parse(body)).not.toHaveProperty('stream');
    expect(warnings).toEqual(['dropped_extras']);
  });
});
