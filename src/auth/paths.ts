/** What never needs a key: health, and what says what this is. */
const open = new Set([
  '/',
  '/live',
  '/ready',
  '/health',
  '/health/',
  '/health/live',
  '/health/ready',
  '/health/detailed',
]);
const openService = '/grpc.health.v1.Health/';

export const isOpenPath = (path: string): boolean => open.has(path) || path.startsWith(openService);

/** Open, and tells administrators more. */
export const tellsMore = (path: string): boolean => path === '/health/detailed';

export const isMetricsPath = (path: string): boolean => path === '/metrics' || path === '/metrics/';

/** What only administrators get. */
const administrators = ['/llmgateway.v1.AdminService/', '/admin/'];

export const isAdminPath = (path: string): boolean =>
  administrators.some((beginning) => path.startsWith(beginning));
