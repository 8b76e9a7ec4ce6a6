import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { describe, expect, test } from 'vitest';
import { guardedLookup, isPublicAddress, PrivateAddressError } from '../../src/tools/addresses.ts';
import { refusalOf } from '../../src/tools/allowed-hosts.ts';

describe('addresses', () => {
  test.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '100.100.100.200',
    '127.0.0.1',
    '127.255.255.254',
    '168.63.129.16',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.192',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:8.8.8.8',
    '::127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b::',
    '64:ff9b:1::1',
    '2001::1',
    '2001:db8::1',
    '2002:7f00:1::',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    '2606:4700::1%eth0',
    'ff02::1',
    'localhost',
    '',
  ])('%s is not public', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  test.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700:4700::1111', '64:ff9b::8.8.8.8'])(
    '%s is public',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );
});

describe('the lookup of registered tools', () => {
  const answers =
    (...addresses: string[]): LookupFunction =>
    (_host, { all }, callback) => {
      const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      if (all) callback(null, found);
      else callback(null, found[0]!.address, found[0]!.family);
    };
  const look = (lookup: LookupFunction, allowAll = false, all = true) =>
    new Promise<string | LookupAddress[]>((resolve, reject) =>
      guardedLookup(() => allowAll, lookup)('h', { all }, (error, found) =>
        error ? reject(error) : resolve(found),
      ),
    );

  test('gives public addresses on', async () => {
    expect(await look(answers('8.8.8.8', '2606:4700::1'))).toEqual([
      { address: '8.8.8.8', family: 4 },
      { address: '2606:4700::1', family: 6 },
    ]);
    expect(await look(answers('8.8.8.8'), false, false)).toBe('8.8.8.8');
  });

  test('fails when any is not public, unless all are allowed', async () => {
    await expect(look(answers('8.8.8.8', '10.0.0.1'))).rejects.toThrow(PrivateAddressError);
    await expect(look(answers('::1'))).rejects.toThrow(PrivateAddressError);
    await expect(look(answers('127.0.0.1'), false, false)).rejects.toThrow(PrivateAddressError);
    expect(await look(answers('127.0.0.1'), true, false)).toBe('127.0.0.1');
  });

  test("fails with the system's own words where there is no such host", async () => {
    await expect(look((_host, _options, callback) => callback(new Error('ENOTFOUND'), []))).rejects.toThrow(
      'ENOTFOUND',
    );
  });
});

describe('hosts of registered tools', () => {
  const allowedHosts = [
    'api.example.com',
    '*.tools.example.com',
    'odd.example.com:8443',
    '8.8.8.8',
    '[::1]:9',
  ];
  const refusal = (url: string, privateAddresses = false): string | null =>
    refusalOf(new URL(url), { allowedHosts, privateAddresses });

  test.each([
    'https://api.example.com/x',
    'https://API.example.com:443/x',
    'https://a.tools.example.com',
    'https://a.b.tools.example.com',
    'https://odd.example.com:8443',
    'https://8.8.8.8/',
  ])('%s is allowed', (url) => {
    expect(refusal(url)).toBeNull();
  });

  test.each([
    'https://example.com',
    'https://xapi.example.com',
    'https://api.example.com.evil.com',
    'https://api.example.com./',
    'https://api.example.com:8443',
    'https://tools.example.com',
    'https://.tools.example.com',
    'https://eviltools.example.com',
    'https://odd.example.com',
    'https://evil.com/api.example.com',
    'https://evil.com?@api.example.com',
  ])('%s is not', (url) => {
    expect(refusal(url)).toBe('its host is not one of LLM_GATEWAY_TOOL_ALLOWED_HOSTS');
  });

  test('have to be public and encrypted, unless private addresses are allowed', () => {
    expect(refusal('http://api.example.com')).toContain('LLM_GATEWAY_TOOL_PRIVATE_ADDRESSES');
    expect(refusal('http://api.example.com', true)).toBeNull();
    expect(refusal('https://[::1]:9/')).toContain('LLM_GATEWAY_TOOL_PRIVATE_ADDRESSES');
    expect(refusal('https://[0:0::1]:9/', true)).toBeNull();
  });

  test('are none when none are named', () => {
    const rules = { allowedHosts: [], privateAddresses: true };
    expect(refusalOf(new URL('https://api.example.com'), rules)).toContain('LLM_GATEWAY_TOOL_ALLOWED_HOSTS');
  });

  test.each(['http://2130706433/', 'http://0x7f.1/', 'http://127.1/', 'http://[::ffff:127.0.0.1]/'])(
    'that are disguised addresses are seen through: %s',
    (url) => {
      const { hostname } = new URL(url);
      const rules = { allowedHosts: [`${hostname}:443`], privateAddresses: false };
      expect(refusalOf(new URL(url.replace('http:', 'https:')), rules)).toContain(
        'not of the public network',
      );
    },
  );
});
