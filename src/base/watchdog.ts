import { type ChildProcess, spawn } from 'node:child_process';

/** Variable that all descendants of a watched process inherit, with its mark in it: whoever leaves the group is known by it, where the system tells. */
export const markVariable = 'LLM_GATEWAY_CHILD';

/**
 * Reads numbers of process groups, `+` for one that has begun and `-`, with its mark, for one that is over, whose members have been killed. When its input ends,
 * because the gateway is gone however it went, it kills those that are left, after the time that they may take to leave by themselves, and removes the folder.
 * Processes that have left their groups are found by their mark; new ones may come meanwhile, hence the repeats.
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
while read -r change group mark; do
  case $change in
    +) groups="$groups$group " ;;
    -)
      case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac
      strays -xF -e "${markVariable}=$mark"
      ;;
  esac
done
if [ "$groups" != ' ' ] && [ "$2" != 0 ]; then sleep "$2"; fi
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
strays -F -e "${markVariable}=$1/"
[ -z "$3" ] || rm -rf -- "$3"
`;

/** From its end to that of the one that takes its place, in milliseconds. */
const restartMs = 1_000;

export interface WatchdogOptions {
  /** What the marks of its processes begin with, followed by a slash. Nobody else's do. */
  readonly marks: string;
  /** How long processes whose gateway is gone may take to leave by themselves, in seconds. */
  readonly graceSeconds: number;
  /** Folder that is removed at the end; '' for none. */
  readonly folder: string;
}

/**
 * A process that outlives the gateway for a moment, so that nothing else does: a gateway that is killed can't end what it has started, and a program that hangs
 * does not notice that its input has ended. It is there from the first process on. Not on Windows, where programs are on their own.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  /** Marks by the leaders of groups. */
  readonly #watched = new Map<number, string>();
  #child: ChildProcess | null = null;
  #state: 'new' | 'open' | 'closed' = 'new';
  #made = 0;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  /** A mark for a process whose user has none of its own for it. */
  nextMark(): string {
    return `${this.#options.marks}/${++this.#made}`;
  }

  /** The process group of this leader is to be killed. @param mark in its environment under `markVariable` */
  watch(leader: number, mark: string): void {
    if (process.platform === 'win32' || this.#state === 'closed') return;
    this.#watched.set(leader, mark);
    if (this.#state === 'new') this.#start();
    else this.#tell(`+ ${leader}`);
  }

  /** It has ended, and its group has been killed. What has left that is killed now. */
  forget(leader: number): void {
    const mark = this.#watched.get(leader);
    if (mark === undefined) return;
    this.#watched.delete(leader);
    this.#tell(`- ${leader} ${mark}`);
  }

  /** Lets it do its last work and end. */
  close(): void {
    this.#state = 'closed';
    this.#child?.stdin?.end();
  }

  #start(): void {
    this.#state = 'open';
    const { marks, graceSeconds, folder } = this.#options;
    // A session of its own: what ends the gateway's terminal or group must not end this.
    let child: ChildProcess;
    try {
      child = spawn('/bin/sh', ['-c', script, 'sh', marks, String(graceSeconds), folder], {
        cwd: '/',
        env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
        detached: true,
        stdio: ['pipe', 'ignore', 'ignore'],
      });
    } catch {
      this.#startLater();
      return;
    }
    this.#child = child;
    child.stdin?.on('error', () => {});
    // Somebody has killed it, or there was no room for it; what it would have seen to is there still.
    const gone = (): void => {
      if (this.#child === child) this.#startLater();
    };
    child.on('error', gone);
    child.on('exit', gone);
    child.unref();
    (child.stdin as unknown as { unref?: () => void } | null)?.unref?.();
    for (const leader of this.#watched.keys()) this.#tell(`+ ${leader}`);
  }

  #startLater(): void {
    this.#child = null;
    if (this.#state === 'open') setTimeout(() => this.#state === 'open' && this.#start(), restartMs).unref();
  }

  #tell(line: string): void {
    if (this.#child?.stdin?.writable) this.#child.stdin.write(`${line}\n`);
  }
}
