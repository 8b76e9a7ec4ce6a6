import type { ChildProcess } from 'node:child_process';

/** What node:cluster says to a worker with each connection that it hands over. */
interface Handover {
  readonly cmd?: string;
  readonly act?: string;
  readonly seq?: number;
}

const ofCluster = 'NODE_CLUSTER';
/** How often it is looked whether everything that a dead worker had said is read, in milliseconds. */
const lastWordsMs = 10;

/**
 * Sees to the connections that a worker was handed and had not taken when it died. node:cluster keeps such a connection open until the worker says what became of
 * it, which a dead one never does: its client would wait for ever, and the primary keep its socket. So the dead one's word is given in its place.
 *
 * A worker says that it takes a connection before it reads from it, and what it has said is heard before its end is. So nothing is lost of one that it
 * has not spoken of, and another worker can have it as if it were new.
 *
 * This hangs on the messages of node:cluster, which are nobody's promise (lib/internal/cluster in Node's source). If they change, connections are left as without this.
 *
 * @param worker of node:cluster, before it is handed anything; node:cluster has to hear of its end first, as it does
 * @param others whether there are others that take connections; without them it is closed
 */
export function returnConnections(worker: ChildProcess, others: () => boolean): void {
  // Of the last one: the next one is handed over when the worker has spoken of it.
  let last: number | undefined;
  const send = worker.send as (this: ChildProcess, ...args: unknown[]) => boolean;
  worker.send = function (this: ChildProcess, message: unknown, ...more: unknown[]): boolean {
    const { cmd, act, seq } = message as Handover;
    if (act === 'newconn' && cmd === ofCluster) last = seq;
    return send.call(this, message, ...more);
  };
  let over = false;
  worker.once('disconnect', () => {
    over = true;
    // One that is accepted is closed here, one that is not is handed to the next worker. What the worker has said already counts, this does not then.
    if (last !== undefined)
      worker.emit('internalMessage', { cmd: ofCluster, ack: last, accepted: !others() });
  });
  // Node does not tell of the end of a channel on which a connection is under way, and node:cluster would go on to hand connections to the dead one.
  worker.once('exit', function tell(): void {
    if (over) return;
    // What it has said last is still to be read.
    if (worker.connected) setTimeout(tell, lastWordsMs).unref();
    else worker.emit('disconnect');
  });
}
