import { type ChildProcess, spawn } from 'node:child_process';

/** Variable that all processes of a session inherit, with the session's folder in it: whoever leaves the group is known by it. */
export const sessionVariable = 'LLM_GATEWAY_CLI_SESSION';

/**
 * Reads numbers of process groups, `+` for one that has begun and `-`, with its folder, for one that is over, whose members have been killed. When its input ends,
 * because the gateway is gone however it went, it kills those that are left and removes their folders. Processes that have left their groups are found by
 * a variable of their environment, where the system tells; new ones may come meanwhile, hence the repeats.
 */
const script = `
strays() {
  for again in 1 2 3; do
    found=$(grep -lzs "$@" /proc/[0-9]*/environ)
    [ -n "$found" ] || return 0
    for file in $found; do
      pid=\${file#/proc/}
      kill -KILL "\${pid%/environ}" 2>/dev/null
    done
  done
}
groups=' '
while read -r change group folder; do
  case $change in
    +) groups="$groups$group " ;;
    -)
      case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac
      strays -xF -e "${sessionVariable}=$folder"
      ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
strays -F -e "${sessionVariable}=$1/"
rm -rf -- "$1"
`;

/** From its end to that of the one that takes its place, in milliseconds. */
const restartMs = 1_000;

/**
 * A process that outlives the gateway for a moment, so that nothing else does: a gateway that is killed can't end what it has started, and a program that hangs
 * does not notice that its input has ended.
 */
export class Watchdog {
  readonly #folder: string;
  readonly #groups = new Set<number>();
  #child: ChildProcess | null = null;
  #closed = false;

  /** @param folder removed at the end */
  constructor(folder: string) {
    this.#folder = folder;
    this.#start();
  }

  began(group: number): void {
    this.#groups.add(group);
    this.#tell(`+ ${group}`);
  }

  /** @param folder of the session */
  over(group: number, folder: string): void {
    this.#groups.delete(group);
    this.#tell(`- ${group} ${folder}`);
  }

  /** Lets it do its last work and end. */
  close(): void {
    this.#closed = true;
    this.#child?.stdin?.end();
  }

  #start(): void {
    const child = spawn('/bin/sh', ['-c', script, 'sh', this.#folder], {
      cwd: '/',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#child = child;
    child.stdin?.on('error', () => {});
    child.on('error', () => {});
    // Somebody has killed it; what it would have seen to is there still.
    child.on('exit', () => {
      this.#child = null;
      if (!this.#closed) setTimeout(() => this.#closed || this.#start(), restartMs).unref();
    });
    child.unref();
    (child.stdin as unknown as { unref?: () => void } | null)?.unref?.();
    for (const group of this.#groups) this.#tell(`+ ${group}`);
  }

  #tell(line: string): void {
    if (this.#child?.stdin?.writable) this.#child.stdin.write(`${line}\n`);
  }
}
