import { describe, expect, test } from 'vitest';
import { load, mistakes } from './support/load.ts';

const cms = (env: Record<string, string>, yaml: string | null = null) => {
  const { cmsUrl, cmsEnabled, cmsTimeoutMs, cmsTierShares, cmsProcessEnabled } = load(yaml, env);
  return { cmsUrl, cmsEnabled, cmsTimeoutMs, cmsTierShares, cmsProcessEnabled };
};

describe('the context management service', () => {
  test('is not configured by default', () => {
    expect(cms({})).toEqual({
      cmsUrl: '',
      cmsEnabled: false,
      cmsTimeoutMs: 5_000,
      cmsTierShares: [25, 50, 75],
      cmsProcessEnabled: false,
    });
  });

  test('is needed when its address is set, by either name, the prefixed one first', () => {
    expect(cms({ CMS_URL: 'http://a:8086/' })).toMatchObject({ cmsUrl: 'http://a:8086', cmsEnabled: true });
    const both = { CMS_URL: 'http://a', LLM_GATEWAY_CMS_URL: 'http://b' };
    expect(cms(both)).toMatchObject({ cmsUrl: 'http://b', cmsEnabled: true });
    expect(cms({}, 'cms: { url: "http://c" }')).toMatchObject({ cmsUrl: 'http://c', cmsEnabled: true });
  });

  test('may be needed or not, whatever its address', () => {
    expect(cms({ LLM_GATEWAY_CMS_ENABLED: 'true' })).toMatchObject({ cmsUrl: '', cmsEnabled: true });
    const off = { CMS_URL: 'http://a', LLM_GATEWAY_CMS_ENABLED: 'false' };
    expect(cms(off)).toMatchObject({ cmsUrl: 'http://a', cmsEnabled: false });
  });

  test('has settings with bounds, in the file, too', () => {
    const yaml = 'cms: { timeout: 500ms, tier_shares: [10, 20, 30], process_enabled: true, enabled: false }';
    expect(cms({}, yaml)).toEqual({
      cmsUrl: '',
      cmsEnabled: false,
      cmsTimeoutMs: 500,
      cmsTierShares: [10, 20, 30],
      cmsProcessEnabled: true,
    });
    const wrong = {
      LLM_GATEWAY_CMS_URL: 'localhost:8086',
      LLM_GATEWAY_CMS_TIMEOUT_SECONDS: '0.4',
      LLM_GATEWAY_CMS_TIER_SHARES: '75,50,25',
      LLM_GATEWAY_CMS_ENABLED: 'maybe',
      LLM_GATEWAY_CMS_PROCESS_ENABLED: '2',
    };
    const lines = mistakes(null, wrong);
    expect(lines.length).toBe(5);
    for (const [name, value] of Object.entries(wrong)) {
      expect(lines.some((line) => line.startsWith(`${name}: `) && line.includes(value))).toBe(true);
    }
    expect(mistakes(null, { LLM_GATEWAY_CMS_TIMEOUT_SECONDS: '31' }).length).toBe(1);
  });
});
