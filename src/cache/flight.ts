import { ErrorReason } from '../../gen/llmgateway/v1/error_pb.js';
import type { Keyed } from '../base/keyed-slots.ts';
import { LightSignal } from '../base/light-signal.ts';
import { Slots, type Slotted } from '../base/slots.ts';
import { GatewayError, isLate, toGatewayError } from '../errors/gateway-error.ts';
import { type EventStream, endOfEvents, type StreamEvent } from '../model/events.ts';
import { eventBytes } from './event-bytes.ts';

/** Who waits for an answer. */
export interface Asker {
  /** Aborts when it is not waited for any more. */
  readonly signal: AbortSignal;
  /** When it will at the latest, on the clock of performance.now(). */
  readonly deadline?: number | undefined;
}

/** Where flights are found, and memory for what they keep. */
export interface FlightRoom {
  /** Bound for one of them, in bytes. */
  readonly maxFlightBytes: number;
  /** @returns false when there is too much of it in all */
  take(bytes: number): boolean;
  give(bytes: number): void;
  /** Nobody can come in any more. */
  closed(flight: Flight): void;
}

type Batch = readonly StreamEvent[];
type Result = IteratorResult<Batch, undefined>;

/** Told once when a stream has come to its proper end: all its events, or null when they were too many to be kept. */
export type OnLanded = (batches: readonly Batch[] | null) => void;

/**
 * One answer of a provider's for equal calls at the same time. It goes on as long as one of them wants it. Each reads at its own pace from
 * what has come so far; the one that is ahead pulls. What is kept is bounded: beyond that nobody can come in, what everyone has read is
 * forgotten, and who is too far behind is left behind.
 */
export class Flight implements Keyed<Flight> {
  /** By which it is found. */
  readonly key: string;
  chain = 0;
  /** Of those that can be found. */
  next: Flight | null = null;
  readonly #room: FlightRoom;
  /** Aborts when nobody waits any more. */
  readonly signal = new LightSignal();
  /** What its maker notes of it for those who come later. */
  note: unknown = null;
  readonly #riders = new Slots<Rider>();
  /** Batches from number `#from` on. */
  readonly #log: Batch[] = [];
  readonly #sizes: number[] = [];
  #from = 0;
  #bytes = 0;
  /** All events are there from the first one on. */
  #complete = true;
  #source: EventStream | null = null;
  #onLanded: OnLanded | null = null;
  #pulling = false;
  #closed = false;
  /** The answer has begun, or is there. */
  #begun = false;
  #over: { readonly error: unknown } | null = null;
  /** The last who waited, with its time up before the answer began: whoever makes the answer knows how far that is. */
  #overdue: Rider | null = null;

  constructor(key: string, room: FlightRoom) {
    this.key = key;
    this.#room = room;
  }

  /** The latest of all who wait. */
  get deadline(): number | undefined {
    let latest: number | undefined = 0;
    for (const { asker } of this.#riders.entries()) {
      if (asker.deadline === undefined) return undefined;
      if (asker.deadline > latest) latest = asker.deadline;
    }
    return latest;
  }

  get riders(): number {
    return this.#riders.size;
  }

  /** Somebody more waits. @param own makes a reader's own of events that others read as well */
  board(asker: Asker, own: (batch: Batch) => Batch): Rider {
    const rider = new Rider(this, asker, own);
    this.#riders.add(rider);
    return rider;
  }

  /** Nobody else comes in; it goes on for those who are. */
  shut(): void {
    this.#close();
  }

  /** The answer is there as a whole. */
  arrived(): void {
    this.#close();
    this.#over = { error: null };
    this.#lapse();
    this.#begin();
    for (const rider of this.#riders.entries()) this.leave(rider, null);
  }

  /** The answer begins. */
  streams(source: EventStream, onLanded: OnLanded): void {
    if (this.#over !== null) {
      // All have left meanwhile.
      this.#lapse();
      void source.return().catch(() => {});
      return;
    }
    this.#source = source;
    this.#onLanded = onLanded;
    this.#begin();
  }

  failed(error: unknown): void {
    if (this.#over !== null) {
      this.#overdue?.fail(error);
      return;
    }
    this.#over = { error };
    this.#close();
    // What has come is still there for those who have not read it.
    for (const rider of this.#riders.entries()) if (rider.waits) this.leave(rider, error);
  }

  /** Resolves when the answer begins. */
  ready(rider: Rider): Promise<void> | null {
    if (rider.gone !== null) return Promise.reject(rider.gone.reason);
    if (this.#over?.error) return Promise.reject(this.#over.error);
    return this.#begun ? null : new Promise((resolve, reject) => rider.wait({ begin: resolve, reject }));
  }

  read(rider: Rider): Promise<Result> {
    if (rider.gone !== null) {
      return rider.gone.reason === null ? endOfEvents() : Promise.reject(rider.gone.reason);
    }
    const at = rider.at - this.#from;
    if (at < this.#log.length) {
      const batch = this.#log[at] as Batch;
      rider.at++;
      if (!this.#complete) this.#trim();
      return Promise.resolve({ done: false, value: rider.own(batch) });
    }
    if (this.#over !== null) {
      const { error } = this.#over;
      this.leave(rider, null);
      return error === null ? endOfEvents() : Promise.reject(error);
    }
    return new Promise((resolve, reject) => {
      rider.wait({ batch: resolve, reject });
      this.#pull();
    });
  }

  /** @param reason what it gets that it waits for; null when it waits for nothing */
  leave(rider: Rider, reason: unknown): void {
    if (rider.gone !== null) return;
    rider.gone = { reason };
    rider.unwatch();
    this.#riders.delete(rider);
    const wasOver = this.#over !== null;
    if (this.#riders.size === 0 && !this.#begun && !wasOver && isLate(reason)) this.#overdue = rider;
    else if (rider.waits) rider.fail(reason);
    if (this.#riders.size > 0) return;
    this.#close();
    if (!wasOver) {
      this.#over = { error: null };
      // After its end there is nothing to stop, and whoever counts has counted.
      if (this.#onLanded !== null || this.#source === null) this.signal.abort(reason ?? left());
      void this.#source?.return().catch(() => {});
    }
    this.#forget();
  }

  #begin(): void {
    this.#begun = true;
    for (const rider of this.#riders.entries()) rider.begin();
  }

  /** An answer after its time is none. */
  #lapse(): void {
    this.#overdue?.fail(this.#overdue.gone?.reason);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.note = null;
    this.#room.closed(this);
  }

  #pull(): void {
    if (this.#pulling) return;
    this.#pulling = true;
    (this.#source as EventStream).next().then(this.#took, this.#broke);
  }

  readonly #took = (result: Result): void => {
    this.#pulling = false;
    if (this.#over !== null) return;
    if (result.done) {
      this.#over = { error: null };
      this.#close();
      for (const rider of this.#riders.entries()) {
        if (!rider.waits) continue;
        rider.serve({ done: true, value: undefined });
        this.leave(rider, null);
      }
      return;
    }
    this.#add(result.value);
    const last = this.#from + this.#log.length;
    for (const rider of this.#riders.entries()) {
      if (!rider.waits) continue;
      rider.at = last;
      rider.serve({ done: false, value: rider.own(result.value) });
    }
    if (result.value[result.value.length - 1]?.event.case === 'finished') this.#land();
    if (!this.#complete) this.#bound();
  };

  readonly #broke = (error: unknown): void => {
    this.#pulling = false;
    this.failed(error);
  };

  #add(batch: Batch): void {
    const bytes = eventBytes(batch);
    this.#log.push(batch);
    this.#sizes.push(bytes);
    this.#bytes += bytes;
    const hasRoom = this.#room.take(bytes);
    if (this.#complete && (!hasRoom || this.#bytes > this.#room.maxFlightBytes)) {
      this.#complete = false;
      this.#close();
    }
  }

  #land(): void {
    const onLanded = this.#onLanded;
    this.#onLanded = null;
    // From now on the answer is found where it is kept.
    onLanded?.(this.#complete ? this.#log : null);
    this.#close();
  }

  /** Leaves behind who is too far behind. */
  #bound(): void {
    this.#trim();
    while (this.#bytes > this.#room.maxFlightBytes && this.#riders.size > 1) {
      const [last] = this.#riders.entries().sort((a, b) => a.at - b.at);
      this.leave(last as Rider, tooSlow());
      this.#trim();
    }
  }

  /** Forgets what everyone has read. */
  #trim(): void {
    const least = this.#riders.least(({ at }) => at);
    while (this.#from < least && this.#log.length > 0) {
      this.#log.shift();
      this.#giveBack(this.#sizes.shift() as number);
      this.#from++;
    }
  }

  #forget(): void {
    this.#log.length = 0;
    this.#sizes.length = 0;
    this.#giveBack(this.#bytes);
  }

  #giveBack(bytes: number): void {
    this.#bytes -= bytes;
    this.#room.give(bytes);
  }
}

const left = (): GatewayError => new GatewayError(ErrorReason.CANCELLED, 'the client has left');

const tooSlow = (): GatewayError =>
  new GatewayError(ErrorReason.OVERLOADED, 'the answer was read too slowly to be shared with other calls');

interface Waiting {
  readonly begin?: () => void;
  readonly batch?: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
}

/** One of those who wait for an answer. */
export class Rider implements EventStream, Slotted {
  /** Of the flight. */
  slot = -1;
  readonly asker: Asker;
  readonly own: (batch: Batch) => Batch;
  /** Number of the batch that it reads next. */
  at = 0;
  /** It wants nothing more. */
  gone: { readonly reason: unknown } | null = null;
  readonly #flight: Flight;
  #waiting: Waiting | null = null;

  constructor(flight: Flight, asker: Asker, own: (batch: Batch) => Batch) {
    this.#flight = flight;
    this.asker = asker;
    this.own = own;
    asker.signal.addEventListener('abort', this.#onAbort);
    if (asker.signal.aborted) queueMicrotask(this.#onAbort);
  }

  /** Resolves when the answer begins, or is there; null when it is. Rejects when it fails, or is not waited for any more. */
  ready(): Promise<void> | null {
    return this.#flight.ready(this);
  }

  next(): Promise<Result> {
    return this.#flight.read(this);
  }

  return(): Promise<Result> {
    this.#flight.leave(this, null);
    return endOfEvents();
  }

  /** Whether it waits for something now. */
  get waits(): boolean {
    return this.#waiting?.batch !== undefined || this.#waiting?.begin !== undefined;
  }

  wait(waiting: Waiting): void {
    this.#waiting = waiting;
  }

  begin(): void {
    if (this.#waiting?.begin === undefined) return;
    const { begin } = this.#waiting;
    this.#waiting = null;
    begin();
  }

  serve(result: Result): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.batch?.(result);
  }

  fail(reason: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.reject(reason ?? left());
  }

  unwatch(): void {
    this.asker.signal.removeEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => {
    this.#flight.leave(this, toGatewayError(this.asker.signal.reason));
  };
}
