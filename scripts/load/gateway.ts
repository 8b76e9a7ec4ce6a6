// The gateway as it is, in a child process that also says how much memory it uses without garbage.
import '../../src/main.ts';

process.on('message', async () => {
  await (globalThis.gc as unknown as (options: object) => Promise<void>)({
    type: 'major',
    execution: 'async',
  });
  const { heapUsed, external } = process.memoryUsage();
  process.send?.({ heapUsed, external });
});
