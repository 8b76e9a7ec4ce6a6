import { type SecurityMode, securityModes } from '../../security/mode.ts';
import { alsoAs, atStart, setting } from '../setting.ts';
import {
  address,
  bytes,
  entriesOf,
  fraction,
  list,
  namesOf,
  oneOf,
  providerNames,
  text,
  type ValueReader,
  Wrong,
  wholeNumber,
} from '../values.ts';

const mode = oneOf(securityModes);

/** Modes by tenant: a map, or `tenant=mode` separated by commas. */
const modes: ValueReader<ReadonlyMap<string, SecurityMode>> = (raw) => {
  const wrong = new Wrong(
    `a map from tenants to ${securityModes.join(', ')}, or \`tenant=mode\` separated by commas`,
  );
  const entries = entriesOf(raw);
  if (entries === null) return wrong;
  const found = new Map<string, SecurityMode>();
  for (const [tenant, given, ...rest] of entries) {
    const value = mode(given === false ? 'off' : given);
    if (value instanceof Wrong || typeof tenant !== 'string' || tenant === '' || rest.length > 0)
      return wrong;
    found.set(tenant, value);
  }
  return found;
};

const keywords: ValueReader<readonly string[]> = (raw) => {
  const items = list(raw);
  const isWord = (item: string): boolean => item.length <= 100 && /[\p{L}\p{N}]/u.test(item);
  return !(items instanceof Wrong) && items.length <= 1_000 && items.every(isWord)
    ? items
    : new Wrong('up to 1000 words or phrases of at most 100 characters, separated by commas');
};

const models = namesOf(/^[\x21-\x7e]{1,512}$/, 'models');

/** Sensitive texts, and the trail of all calls. */
export const securitySettings = {
  securityMode: alsoAs(
    setting(
      'security.mode',
      'SECURITY_MODE',
      mode,
      null as SecurityMode | null,
      'What is done with calls whose texts are sensitive: `off` (nobody looks), `report` (it is told), `route` (they go to providers of security level `high` only), `block` (they are refused)',
      'off; `route` for queries',
    ),
    'SECURITY_MODE',
  ),
  securityTenants: setting(
    'security.tenants',
    'SECURITY_TENANTS',
    modes,
    new Map() as ReadonlyMap<string, SecurityMode>,
    'The same for single tenants',
    '',
  ),
  securityThreshold: alsoAs(
    setting(
      'security.threshold',
      'SENSITIVITY_THRESHOLD',
      fraction(0.01, 1),
      0.7,
      'Score from which on a text is sensitive',
    ),
    'SENSITIVITY_THRESHOLD',
  ),
  securityKeywords: alsoAs(
    setting(
      'security.keywords',
      'SENSITIVE_KEYWORDS',
      keywords,
      [] as readonly string[],
      'Sensitive words and phrases besides the built-in ones',
    ),
    'SENSITIVE_KEYWORDS',
  ),
  securityProviders: alsoAs(
    setting(
      'security.providers',
      'SECURE_ONLY_MODELS',
      providerNames(),
      [] as readonly string[],
      'Providers that sensitive texts may go to; each has to be of security level `high`',
      'all of that level',
    ),
    'SECURE_ONLY_MODELS',
  ),
  securityModels: setting(
    'security.models',
    'SECURE_MODELS',
    models,
    [] as readonly string[],
    'Models that answer sensitive chats, in this order, where the model that was asked for may not have them; without any such calls fail',
  ),
  auditPath: atStart(
    alsoAs(
      setting(
        'audit.path',
        'AUDIT_LOG_PATH',
        text,
        '',
        'File that gets a line for every call, without any text of it; none without it',
      ),
      'AUDIT_LOG_PATH',
    ),
  ),
  auditMaxFileBytes: atStart(
    setting(
      'audit.max_file_bytes',
      'AUDIT_MAX_FILE_BYTES',
      bytes(4 * 2 ** 10, 2 ** 40),
      64 * 2 ** 20,
      'Size at which that file gets a number and a new one begins',
      '64MiB',
    ),
  ),
  auditMaxHeldBytes: atStart(
    setting(
      'audit.max_held_bytes',
      'AUDIT_MAX_HELD_BYTES',
      bytes(2 ** 10, 2 ** 30),
      8 * 2 ** 20,
      'Memory for lines that wait because the disk takes none; further ones are lost, and counted',
      '8MiB',
    ),
  ),
  auditCollector: atStart(
    alsoAs(
      setting(
        'audit.collector',
        'LOG_COLLECTOR_URL',
        address,
        '',
        'Collector that gets these lines, too, in batches at `/logs` below this address',
      ),
      'LOG_COLLECTOR_URL',
    ),
  ),
  auditCollectorHeld: atStart(
    setting(
      'audit.collector_held',
      'AUDIT_COLLECTOR_HELD',
      wholeNumber(1, 1_000_000),
      10_000,
      'Lines that wait for a collector that takes none; further ones are not sent, and counted',
    ),
  ),
} as const;
