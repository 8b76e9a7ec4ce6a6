import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Ends the processes that a gateway leaves behind when it is killed in a way that it cannot notice. Well-behaved MCP servers leave when
 * their input ends; for the others a small shell waits for the end of its own input, which is the gateway's end, and kills
 * what it was told of. Not on Windows, and not where there is no shell: there the servers are on their own.
 */
export interface Reaper {
  /** The process group of this leader is to be killed. */
  watch(pid: number): void;
  /** It has ended. */
  forget(pid: number): void;
  /** The gateway has ended all of them itself. */
  close(): void;
}

/** How long servers may take to leave by themselves, in seconds. */
const graceSeconds = 2;

const script = `
pids=
while read -r op pid; do
  case $op in
    +) pids="$pids $pid" ;;
    -) left=
       for p in $pids; do [ "$p" = "$pid" ] || left="$left $p"; done
       pids=$left ;;
  esac
done
[ -z "$pids" ] && exit 0
sleep ${graceSeconds}
for p in $pids; do kill -9 "-$p" 2>/dev/null; done
`;

export function createReaper(): Reaper {
  let shell: ChildProcess | null = null;
  const watched = new Set<number>();
  const tell = (line: string): void => {
    if (shell?.stdin?.writable) shell.stdin.write(line);
  };
  const start = (): ChildProcess => {
    // A session of its own: what ends the gateway's terminal or group must not end this.
    const started = spawn('/bin/sh', ['-c', script], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      env: { PATH: '/usr/bin:/bin' },
      cwd: '/',
    });
    started.on('error', () => {});
    started.stdin.on('error', () => {});
    started.on('exit', () => {
      if (shell === started) shell = null;
    });
    started.unref();
    return started;
  };
  return {
    watch(pid) {
      if (process.platform === 'win32') return;
      watched.add(pid);
      if (shell === null) {
        shell = start();
        for (const one of watched) tell(`+ ${one}\n`);
      } else tell(`+ ${pid}\n`);
    },
    forget(pid) {
      if (watched.delete(pid)) tell(`- ${pid}\n`);
    },
    close() {
      shell?.stdin?.end();
      shell = null;
    },
  };
}
