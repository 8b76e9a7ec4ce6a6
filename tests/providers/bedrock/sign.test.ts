import { describe, expect, test } from 'vitest';
import { modelPath } from '../../../src/providers/bedrock/paths.ts';
import { awsSigner, type Signer } from '../../../src/providers/bedrock/sign.ts';
import type { SignedRequest } from '../../../src/providers/http-api.ts';

// The published test suite of AWS Signature Version 4 (aws-sig-v4-test-suite): its credentials, its clock, its signatures.
const suite: Signer = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  sessionToken: '',
  region: 'us-east-1',
  service: 'service',
};
const clock = () => Date.UTC(2015, 7, 30, 12, 36, 0);
const request = (changes: Partial<SignedRequest>): SignedRequest => ({
  method: 'GET',
  origin: 'https://example.amazonaws.com',
  path: '/',
  headers: {},
  body: '',
  ...changes,
});
const unreserved = '-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const token =
  'AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi' +
  '/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPk' +
  'UL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==';

describe('the published test suite', () => {
  test.each<[name: string, changes: Partial<SignedRequest>, signature: string]>([
    ['get-vanilla', {}, '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    [
      'get-vanilla-query-order-key-case',
      { path: '/?Param2=value2&Param1=value1' },
      'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    ],
    [
      'get-vanilla-query-unreserved',
      { path: `/?${unreserved}=${unreserved}` },
      '9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197',
    ],
    [
      'get-unreserved',
      { path: `/${unreserved}` },
      '07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f',
    ],
    ['get-utf8', { path: '/ሴ' }, '8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85'],
    [
      'get-space',
      { path: '/example space/' },
      '652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741',
    ],
    ['post-vanilla', { method: 'POST' }, '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
    [
      'post-vanilla-query',
      { method: 'POST', path: '/?Param1=value1' },
      '28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11',
    ],
    [
      'post-x-www-form-urlencoded',
      {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'Param1=value1',
      },
      'ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
    ],
  ])('%s', (_name, changes, signature) => {
    const { authorization } = awsSigner(suite, clock)(request(changes));
    expect(authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20150830\/us-east-1\/service\/aws4_request, /,
    );
    expect(authorization).toMatch(new RegExp(`, Signature=${signature}$`));
  });

  test('post-sts-header-before: the session token is sent and signed', () => {
    const headers = awsSigner({ ...suite, sessionToken: token }, clock)(request({ method: 'POST' }));
    expect(headers['x-amz-security-token']).toBe(token);
    expect(headers['authorization']).toContain('SignedHeaders=host;x-amz-date;x-amz-security-token, ');
    expect(headers['authorization']).toMatch(
      /=85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead$/,
    );
  });
});

const bedrock: Signer = { ...suite, region: 'eu-west-1', service: 'bedrock' };
const arn =
  'arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0';
const chat = request({
  method: 'POST',
  origin: 'https://bedrock-runtime.eu-west-1.amazonaws.com',
  path: modelPath(arn, 'converse'),
  headers: { accept: 'application/json', 'content-type': 'application/json' },
  body: '{"messages":[{"role":"user","content":[{"text":"Grüße"}]}]}',
});

test('a path that is percent-encoded is encoded once more for the signature', () => {
  expect(chat.path).toBe(`/model/${encodeURIComponent(arn)}/converse`);
  // What aws4fetch 1.0.20 makes of the same request.
  expect(awsSigner(bedrock, clock)(chat)['authorization']).toBe(
    'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/bedrock/aws4_request, ' +
      'SignedHeaders=content-type;host;x-amz-date, ' +
      'Signature=539ce485aa96124da28c6b988fa2beef1e1e6109827413c8f54b7671f92f51d7',
  );
});

test('ids of models keep nothing that means something in a path', () => {
  expect(modelPath('us.anthropic.claude-3-haiku-20240307-v1:0', 'converse-stream')).toBe(
    '/model/us.anthropic.claude-3-haiku-20240307-v1%3A0/converse-stream',
  );
  expect(modelPath("a/b?c#d%e'(f)*!", 'invoke')).toBe('/model/a%2Fb%3Fc%23d%25e%27%28f%29%2A%21/invoke');
});

test('the key follows the day', () => {
  let now = Date.UTC(2015, 7, 30, 23, 59, 59);
  const sign = awsSigner(bedrock, () => now);
  const before = sign(chat);
  now += 1_000;
  const after = sign(chat);
  expect(before['x-amz-date']).toBe('20150830T235959Z');
  expect(after['x-amz-date']).toBe('20150831T000000Z');
  expect(after).toEqual(awsSigner(bedrock, () => now)(chat));
  expect(after['authorization']).toContain('/20150831/eu-west-1/');
});

test('a port that is not the usual one is part of the host', () => {
  const sign = awsSigner(bedrock, clock);
  const [usual, other] = ['https://a.example:443', 'https://a.example:8443'].map(
    (origin) => sign({ ...chat, origin })['authorization'],
  );
  expect(usual).toBe(sign({ ...chat, origin: 'https://a.example' })['authorization']);
  expect(other).not.toBe(usual);
});

test('signing costs well under a millisecond', () => {
  const sign = awsSigner(bedrock);
  const body = 'x'.repeat(8_192);
  for (let i = 0; i < 200; i++) sign({ ...chat, body });
  const began = performance.now();
  for (let i = 0; i < 500; i++) sign({ ...chat, body });
  expect((performance.now() - began) / 500).toBeLessThan(0.5);
});
