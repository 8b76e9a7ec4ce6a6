import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Reads numbers of process groups, `+` for one that has begun and `-` for one that is over. When its input ends, because the gateway is gone however it
 * went, it kills those that are left and removes their folders.
 */
const script = `
groups=' '
while read -r change group; do
  case $change in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
rm -rf -- "$1"
`;

/**
 * A process that outlives the gateway for a moment, so that nothing else does: a gateway that is killed can't end what it has started, and a program that hangs
 * does not notice that its input has ended.
 */
export class Watchdog {
  readonly #child: ChildProcess;

  /** @param folder removed at the end */
  constructor(folder: string) {
    this.#child = spawn('/bin/sh', ['-c', script, 'sh', folder], {
      cwd: '/',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#child.on('error', () => {});
    this.#child.stdin?.on('error', () => {});
    this.#child.unref();
    (this.#child.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  }

  began(group: number): void {
    this.#tell('+', group);
  }

  over(group: number): void {
    this.#tell('-', group);
  }

  /** Lets it do its last work and end. */
  close(): void {
    this.#child.stdin?.end();
  }

  #tell(change: string, group: number): void {
    if (this.#child.stdin?.writable) this.#child.stdin.write(`${change} ${group}\n`);
  }
}
