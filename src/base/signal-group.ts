/** Sends a signal to the process group of a leader, and where there are no groups to the process alone. One that has ended is nobody's trouble. */
export function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(process.platform === 'win32' ? leader : -leader, signal);
  } catch {
    // It is gone already.
  }
}
