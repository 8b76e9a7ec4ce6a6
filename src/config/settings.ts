import type { Setting } from './setting.ts';
import { authSettings } from './settings/auth.ts';
import { cacheSettings } from './settings/cache.ts';
import { cliSettings } from './settings/cli.ts';
import { integrationSettings } from './settings/integrations.ts';
import { limitSettings } from './settings/limits.ts';
import { observabilitySettings } from './settings/observability.ts';
import { overloadSettings } from './settings/overload.ts';
import { querySettings } from './settings/query.ts';
import { resilienceSettings } from './settings/resilience.ts';
import { responseSettings } from './settings/responses.ts';
import { securitySettings } from './settings/security.ts';
import { serverSettings } from './settings/server.ts';
import { serviceSettings } from './settings/services.ts';
import { storeSettings } from './settings/store.ts';
import { toolSettings } from './settings/tools.ts';
import { upstreamSettings } from './settings/upstream.ts';
import { usageSettings } from './settings/usage.ts';

/** All settings but those of providers and models. The order is that of the README's table. */
export const settings = {
  ...serverSettings,
  ...authSettings,
  ...overloadSettings,
  ...upstreamSettings,
  ...resilienceSettings,
  ...storeSettings,
  ...responseSettings,
  ...toolSettings,
  ...serviceSettings,
  ...querySettings,
  ...integrationSettings,
  ...usageSettings,
  ...limitSettings,
  ...observabilitySettings,
  ...cacheSettings,
  ...cliSettings,
  ...securitySettings,
} as const;

export type SettingName = keyof typeof settings;
export type SettingValues = {
  readonly [K in SettingName]: (typeof settings)[K] extends Setting<infer T> ? T : never;
};

/** The settings as a list, without their types. */
export const allSettings: readonly (readonly [SettingName, Setting])[] = Object.entries(
  settings as unknown as Record<SettingName, Setting>,
) as [SettingName, Setting][];
